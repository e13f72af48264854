"""The graph of an ONNX model as onnx-ir links it: producers, consumers, constants, quantization.

The one reader of ONNX graphs: exporter, runtime, inspection and checks use it. ``node.inputs``,
``value.producer()`` and ``value.uses()`` are onnx-ir's. Files of other makers are read in child
processes only, and tensors that lie in other files are never opened.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.text import first_line
from edgecv.formats.onnx.graph_types import Graph, Model, ModelProto, Node, Value
from edgecv.formats.onnx.library import load_onnx_ir

KERNELS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that multiply by a kernel: their second input."""
RECURRENT = ("LSTM", "GRU", "RNN")
"""ONNX Runtime's quantizer leaves their weights in float32."""
FLOAT_KERNELS = tuple(
    "Conv FusedConv NhwcFusedConv ConvTranspose Gemm FusedGemm MatMul FusedMatMul".split()
)
QUANTIZED_KERNELS = ("QLinearConv", "QLinearMatMul", "QGemm")
INTEGER_KERNELS = (
    *QUANTIZED_KERNELS,
    *"ConvInteger MatMulInteger MatMulIntegerToFloat DynamicQuantizeMatMul".split(),
)
KERNEL_INPUT = {
    **dict.fromkeys([*FLOAT_KERNELS, *INTEGER_KERNELS, "MatMulNBits"], 1),
    **dict.fromkeys(QUANTIZED_KERNELS, 3),
}
"""The number of the input that is the kernel, also of ONNX Runtime's own operators."""
OWN_DOMAINS = ("", "ai.onnx")
"""Two names of ONNX' own set of operators."""
CONVERSIONS = ("QuantizeLinear", "DequantizeLinear")
FUSED = ("Relu", "Clip")
"""Activations that quantization fuses into the operator before them."""
GIVES_LISTS = (
    *("SplitToSequence", "SequenceConstruct", "SequenceEmpty", "SequenceInsert", "SequenceErase"),
    *("SequenceMap", "Optional"),
)
"""Operators whose output is a list of tensors, or may be none."""
INT8_SHIFT = 128
"""The offset from int8 codes to uint8 codes."""


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Keep the libraries' logs off the screen; what matters of them is raised as an error."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


class DamagedGraph(ValueError):
    """A model that contradicts itself; the message is one line."""


class ForeignValues(ValueError):
    """A sound model with values that are no tensors; the message is a part of a sentence."""


def read_model(model: ModelProto | bytes) -> Model:
    """Return a ModelProto, or the bytes of one, as an onnx-ir model with Constant nodes lifted.

    Raises DamagedGraph if a tensor has two producers, or a type or an attribute is not known,
    ForeignValues for maps.
    """
    import onnx

    onnx_ir = load_onnx_ir()
    from onnx_ir.passes.common import LiftConstantsToInitializersPass

    proto = onnx.ModelProto.FromString(model) if isinstance(model, bytes) else model
    with quiet_logs():
        try:
            linked = onnx_ir.from_proto(proto)
            LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(linked)
        except (RuntimeError, TypeError, ValueError) as error:
            cause: BaseException = error
            while cause.__cause__ is not None:  # Each outer error repeats the place.
                cause = cause.__cause__
            if isinstance(cause, MemoryError | RecursionError):
                raise cause from None
            if isinstance(cause, NotImplementedError):
                raise ForeignValues("has values that are no tensors, such as maps") from error
            raise DamagedGraph(first_line(cause)) from error
    return linked


def image_input(graph: Graph) -> Value:
    """Return the first input that is not a constant: before IR version 4, weights were inputs."""
    return next(each for each in graph.inputs if each.const_value is None)


def only_consumer(value: Value, kind: str = "") -> Node | None:
    """Return the only node that takes a tensor; None if it is not the only one, or no ``kind``.

    One in a branch is none either: the other branch may be run.
    """
    nodes = [use.node for use in value.uses()]
    is_only = len(nodes) == 1 and nodes[0].graph is value.graph
    return nodes[0] if is_only and kind in ("", nodes[0].op_type) else None


def first_output(node: Node) -> Value | None:
    """Return the first tensor that a node gives; None if that is left out, or a list of tensors."""
    import onnx_ir

    value = next((each for each in node.outputs if each.name), None)
    kind = None if value is None else value.type
    is_list = isinstance(kind, onnx_ir.SequenceType | onnx_ir.OptionalType)
    return None if is_list or node.op_type in GIVES_LISTS else value


def constant(value: Value | None) -> NDArray[Any] | None:
    """Return the value of a constant; None if the tensor is computed or is in another file."""
    import onnx_ir
    from onnx import numpy_helper

    tensor = None if value is None else value.const_value
    if tensor is None or isinstance(tensor, onnx_ir.ExternalTensor):
        return None
    if isinstance(tensor, onnx_ir.serde.TensorProtoTensor):
        # onnx-ir gives zeros for a tensor that holds no values; onnx refuses it.
        return np.asarray(numpy_helper.to_array(tensor.raw))
    return np.asarray(tensor.numpy())


def input_of(node: Node, place: int) -> Value | None:
    """Return an input of a node, None if it is left out."""
    return node.inputs[place] if place < len(node.inputs) else None


def attribute_of(node: Node, name: str, default: Any) -> Any:
    """Return the value of a node's attribute."""
    found = node.attributes.get(name)
    return default if found is None else found.value


def add_constant(graph: Graph, name: str, values: Any) -> Value:
    """Add a constant to a graph, and return it."""
    import onnx_ir

    tensor = onnx_ir.tensor(np.asarray(values), name=name)
    value = onnx_ir.val(name, const_value=tensor)
    graph.register_initializer(value)
    return value


def add_node(
    graph: Graph,
    kind: str,
    inputs: Sequence[Value | None],
    before: Node | None = None,
    **given: Any,
) -> Value:
    """Add an operator at the end of a graph, or before another one, and return its output."""
    import onnx_ir

    node = onnx_ir.node(kind, inputs, given)
    if before is None:
        graph.append(node)
    else:
        graph.insert_before(before, node)
    return node.outputs[0]


def replace_node(graph: Graph, node: Node, value: Value) -> None:
    """Remove an operator from a graph, and replace its output by ``value``."""
    node.outputs[0].replace_all_uses_with(value, replace_graph_outputs=True)
    graph.remove(node, safe=True)
