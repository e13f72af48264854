"""TensorFlow's converter for a Keras model, without the SavedModel of all its layers."""

from typing import Any

from edgecv.models.tf import compile_function, load_tensorflow


def lite_converter(model: Any) -> Any:
    """Return a ``TFLiteConverter`` whose settings are still to be made.

    ``TFLiteConverter.from_keras_model`` traces each layer several times to save it, which takes
    most of the time of a conversion. Batch and size are those of the model's input.
    """
    tensorflow, _ = load_tensorflow()
    names = model.output_names
    taken = [tensorflow.TensorSpec(each.shape, each.dtype, name=each.name) for each in model.inputs]

    def serve(*images: Any) -> dict[str, Any]:
        given = images[0] if len(images) == 1 else list(images)
        answers = tensorflow.nest.flatten(model(given, training=False))
        return dict(zip(names, answers, strict=True))

    owner = tensorflow.Module()
    owner.variables_of_model = model.variables
    function = compile_function(serve, input_signature=taken).get_concrete_function()
    return tensorflow.lite.TFLiteConverter.from_concrete_functions([function], owner)
