"""Conversion of a Keras model to a float32 ONNX model: the same weights give the same bytes."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import numpy as np

from edgecv.core.data import Shape
from edgecv.core.errors import StepError
from edgecv.core.keras_types import KerasModel
from edgecv.core.text import first_line, listed
from edgecv.formats.export_checks import SHOWN
from edgecv.formats.onnx.canonical import INPUT, canonical, serialized
from edgecv.formats.onnx.graph import add_constant, add_node, quiet_logs, read_model, replace_node
from edgecv.formats.onnx.graph_types import Graph, ModelProto
from edgecv.models.outputs import file_output_names
from edgecv.models.tf import tensorflow

OPSET = 17
"""The operator set of the files: enough for float32 and 8 bits, and read by runtimes since 2022."""
_last: WeakKeyDictionary[KerasModel, tuple[str, bytes]] = WeakKeyDictionary()
"""The last converted model of this process: a digest of its weights, and its content."""


def convert(model: KerasModel, shape: Shape, where: str) -> ModelProto:
    """Return the model as a float32 ModelProto: "image" (batch, H, W, C) -> its outputs.

    Only names and order differ from tf2onnx's result, which has batch normalization folded.
    Folding the rescaling too would gain 3%, but move the twin away from the baseline. A model that
    is asked for again with the same weights, as float32 and int8 files of it are, is converted
    once. Raises StepError if the model cannot be converted.
    """
    import onnx

    weights = hashlib.sha256(repr(tuple(shape)).encode())
    for each in model.get_weights():
        weights.update(np.ascontiguousarray(each).data)
    key = weights.hexdigest()
    known, content = _last.get(model, ("", b""))
    if known != key:
        content = serialized(_converted(model, shape, where))
        _last.clear()
        _last[model] = key, content
    return onnx.ModelProto.FromString(content)


def _converted(model: KerasModel, shape: Shape, where: str) -> ModelProto:
    names = file_output_names(model)
    image = tensorflow.TensorSpec((None, *shape), tensorflow.float32, name=INPUT)
    with quiet_logs(), _grouped_convolutions_as_operators():
        import tf2onnx

        try:
            # from_function would turn constants that some layers hold into inputs.
            converted, _ = tf2onnx.convert.from_keras(model, input_signature=(image,), opset=OPSET)
        except Exception as error:  # its errors have no other common base class
            raise StepError(
                where, f"tf2onnx cannot convert this model: {first_line(error)}"
            ) from error
    converted_model = read_model(converted)
    _write_erfc_as_erf(converted_model.graph)
    result = canonical(converted_model, where, outputs=names)
    _check_operators(result, where)
    return result


@contextmanager
def _grouped_convolutions_as_operators() -> Iterator[None]:
    """Let tf-keras write a grouped convolution as one operator, while a model is converted.

    It has XLA compile them, as TensorFlow has no kernel for them on CPUs; tf2onnx cannot write the
    compiled function, and the operator is only written down here.
    """
    from tf_keras.src.layers.convolutional.base_conv import Conv

    compiled = Conv._jit_compiled_convolution_op
    Conv._jit_compiled_convolution_op = lambda layer, *given: layer.convolution_op(*given)
    try:
        yield
    finally:
        Conv._jit_compiled_convolution_op = compiled


def _write_erfc_as_erf(graph: Graph) -> None:
    """Replace Erfc, which TensorFlow uses for gelu, by ONNX operators: erfc(x) = 1 - erf(x)."""
    for node in [node for node in graph if node.op_type == "Erfc"]:
        one = add_constant(graph, f"{node.outputs[0].name}_one", np.float32(1))
        erf = add_node(graph, "Erf", node.inputs, node)
        replace_node(graph, node, add_node(graph, "Sub", [one, erf], node))


def _check_operators(model: ModelProto, where: str) -> None:
    # tf2onnx writes an unknown operator as if ONNX had it, and reports it only in its log.
    import onnx

    unknown = sorted({each.op_type for each in model.graph.node if not onnx.defs.has(each.op_type)})
    if unknown:
        raise StepError(
            where,
            f"tf2onnx cannot write {listed(unknown, SHOWN)}",
            remedy="replace the layers that need it, or choose the tflite format",
        )
