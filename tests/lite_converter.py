"""TensorFlow's converter for a Keras model, without the SavedModel of all its layers."""

from typing import Any

from edgecv.models.tf import compile_function, load_tensorflow


def lite_converter(model: Any) -> Any:
    """Return a ``TFLiteConverter`` whose settings are still to be made.

    ``TFLiteConverter.from_keras_model`` traces each layer several times to save it, which takes
    most of the time of a conversion; half of the rest goes into functions that save and restore
    variables. Here weights are constants. Batch and size are those of the model's input.
    """
    tensorflow, _ = load_tensorflow()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    names = model.output_names
    taken = [tensorflow.TensorSpec(each.shape, each.dtype, name=each.name) for each in model.inputs]

    def serve(*images: Any) -> dict[str, Any]:
        given = images[0] if len(images) == 1 else list(images)
        answers = tensorflow.nest.flatten(model(given, training=False))
        return dict(zip(names, answers, strict=True))

    function = compile_function(serve, input_signature=taken).get_concrete_function()
    frozen = convert_variables_to_constants_v2(function)
    inputs, outputs = ([each.name for each in ends] for ends in (frozen.inputs, frozen.outputs))
    graph = frozen.graph.as_graph_def()

    def serve_frozen(*images: Any) -> dict[str, Any]:
        given = dict(zip(inputs, images, strict=True))
        answers = tensorflow.graph_util.import_graph_def(
            graph, input_map=given, return_elements=outputs, name=""
        )
        # TensorFlow flattens a dict of outputs in the order of their names.
        return dict(zip(sorted(names), answers, strict=True))

    function = compile_function(serve_frozen, input_signature=taken).get_concrete_function()
    owner = tensorflow.Module()
    return tensorflow.lite.TFLiteConverter.from_concrete_functions([function], owner)
