"""Integer operators of an ONNX graph written as float ones between conversions, to be read.

ONNX Runtime's quantizer writes QLinearConv and its kind ("QOperator"), ConvInteger and its kind
(dynamic ranges), and its optimizer writes fused operators. In the QDQ form all are read alike.
"""

from collections.abc import Sequence

import numpy as np

from edgecv.formats.onnx.graph import (
    add_constant,
    add_node,
    attribute_of,
    constant,
    input_of,
    only_consumer,
)
from edgecv.formats.onnx.graph_types import Graph, Node, Value

PLAIN = {
    "FusedConv": "Conv",
    "NhwcFusedConv": "Conv",
    "FusedGemm": "Gemm",
    "FusedMatMul": "MatMul",
}
"""Operators of ONNX Runtime that apply an activation too: their attribute stays."""
KERNELS = {"QLinearConv": "Conv", "QLinearMatMul": "MatMul", "QGemm": "Gemm"}
PAIRS = {"QLinearAdd": "Add", "QLinearMul": "Mul"}
SINGLES = {
    "QLinearSigmoid": "Sigmoid",
    "QLinearLeakyRelu": "LeakyRelu",
    "QLinearSoftmax": "Softmax",
    "QLinearGlobalAveragePool": "GlobalAveragePool",
    "QLinearAveragePool": "AveragePool",
    "QLinearReduceMean": "ReduceMean",
}
DYNAMIC = {"ConvInteger": "Conv", "MatMulInteger": "MatMul"}
KEPT = (
    *("group", "pads", "strides", "dilations", "kernel_shape", "auto_pad", "transB", "transA"),
    *("alpha", "axis", "axes", "keepdims", "ceil_mode", "count_include_pad"),
)
CHANNELS_LAST = "channels_last"
"""The option of an operator over (N, H, W, C), which ONNX' own has not: it stays as it is."""


def write_as_qdq(graph: Graph, *, dynamic: bool = True) -> None:
    """Replace integer operators, in place; those of an unknown form stay as they are.

    ``dynamic``: also those that round what they take anew for each image, which is lost then.
    """
    for node in list(graph):
        kind = node.op_type
        if kind in PLAIN:
            node.op_type, node.domain = PLAIN[kind], ""
        elif kind in KERNELS:
            _write_kernel(graph, node)
        elif kind in PAIRS:
            _write(graph, node, PAIRS[kind], [_real(graph, node, 0), _real(graph, node, 3)], 6)
        elif kind in SINGLES and not attribute_of(node, CHANNELS_LAST, 0):
            _write(graph, node, SINGLES[kind], [_real(graph, node, 0)], 3)
        elif kind == "QLinearConcat":
            places = range(2, len(node.inputs), 3)
            _write(graph, node, "Concat", [_real(graph, node, place) for place in places], 0)
        elif dynamic and kind in DYNAMIC:
            _write_dynamic(graph, node)


def _write(graph: Graph, node: Node, kind: str, taken: Sequence[Value | None], scale: int) -> None:
    """Replace a node by a float one; ``scale``: the number of the input that is its own scale."""
    kept = {name: node.attributes[name].value for name in KEPT if name in node.attributes}
    value = add_node(graph, kind, taken, node, **kept)
    value.name = f"{node.outputs[0].name}_real"
    own = input_of(node, scale)
    if own is not None:
        given = [value, own, input_of(node, scale + 1)]
        value = add_node(graph, "QuantizeLinear", given, node)
    _take_place_of(node.outputs[0], value)
    graph.remove(node, safe=True)


def _take_place_of(before: Value, value: Value) -> None:
    """Give a value the name and the takers of another one."""
    before.name, value.name = f"{before.name}_integer", before.name
    before.replace_all_uses_with(value, replace_graph_outputs=True)


def _real(graph: Graph, node: Node, place: int, axis: int = 1) -> Value | None:
    """Return an input with its scale and its zero point behind it, as reals."""
    value = input_of(node, place)
    if value is None:
        return None
    given = [value, input_of(node, place + 1), input_of(node, place + 2)]
    return add_node(graph, "DequantizeLinear", given, node, axis=axis)


def _write_kernel(graph: Graph, node: Node) -> None:
    is_conv = node.op_type == "QLinearConv"
    is_gemm = node.op_type == "QGemm"
    axis = 0 if is_conv or attribute_of(node, "transB", 0) else 1
    taken = [_real(graph, node, 0), _real(graph, node, 3, axis)]
    # QGemm has its bias before its scale, QLinearConv behind it.
    bias = input_of(node, 6 if is_gemm else 8)
    if bias is not None:
        taken.append(_bias(graph, node, bias))
    _write(graph, node, KERNELS[node.op_type], taken, 7 if is_gemm else 6)


def _bias(graph: Graph, node: Node, bias: Value) -> Value:
    """Return a bias of integers as reals: its scale is that of the input and of the weights."""
    scales, weights = constant(input_of(node, 1)), constant(input_of(node, 4))
    if scales is None or weights is None:
        return bias
    name = f"{node.outputs[0].name}_bias"
    factor = attribute_of(node, "alpha", 1.0)  # QGemm adds its bias before this product.
    steps = (factor * scales.ravel()[0] * weights.ravel()).astype(np.float32)
    if steps.size == 1:
        steps = steps[0]
    given = [
        bias,
        add_constant(graph, f"{name}_scale", steps),
        add_constant(graph, f"{name}_zero", np.zeros_like(steps, np.int32)),
    ]
    return add_node(graph, "DequantizeLinear", given, node, axis=0)


def _write_dynamic(graph: Graph, node: Node) -> None:
    """Replace an integer operator with its Cast and the product with both scales."""
    taken, codes = node.inputs[0], node.inputs[1]
    source = None if taken is None else taken.producer()
    cast = only_consumer(node.outputs[0], "Cast")
    scaling = None if cast is None else only_consumer(cast.outputs[0], "Mul")
    if source is None or source.op_type != "DynamicQuantizeLinear" or cast is None:
        return
    if scaling is None:
        return
    product = next(each for each in scaling.inputs if each is not cast.outputs[0]).producer()
    if product is None or product.op_type != "Mul":
        return
    scale = next((each for each in product.inputs if constant(each) is not None), None)
    if scale is None:
        return
    axis = 0 if node.op_type == "ConvInteger" else 1
    weights = add_node(
        graph, "DequantizeLinear", [codes, scale, input_of(node, 3)], node, axis=axis
    )
    kept = {name: node.attributes[name].value for name in KEPT if name in node.attributes}
    value = add_node(graph, DYNAMIC[node.op_type], [source.inputs[0], weights], scaling, **kept)
    _take_place_of(scaling.outputs[0], value)
    for each in (scaling, cast, node):
        graph.remove(each, safe=True)
