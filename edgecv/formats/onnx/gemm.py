"""Dense layers as the quantizer takes them: with a bias of one number an output."""

import numpy as np

from edgecv.formats.onnx.graph import (
    FUSED,
    add_constant,
    attribute_of,
    constant,
    input_of,
    only_consumer,
)
from edgecv.formats.onnx.graph_types import Graph, Node


def fold_gemm_factors(graph: Graph) -> None:
    """Fold alpha and beta of each Gemm into its constants, and give each output its own bias.

    ONNX broadcasts the bias and the quantizer does not: scales a channel do not fit one number.
    """
    for node in graph:
        if node.op_type == "Gemm":
            _fold(graph, node)


def _fold(graph: Graph, node: Node) -> None:
    weights, bias = constant(node.inputs[1]), constant(input_of(node, 2))
    alpha, beta = (float(attribute_of(node, name, 1.0)) for name in ("alpha", "beta"))
    if weights is None:
        return
    outputs = weights.shape[0 if attribute_of(node, "transB", 0) else 1]
    if alpha != 1:
        scaled = (weights.astype(np.float64) * alpha).astype(np.float32)
        node.replace_input_with(1, add_constant(graph, f"{node.name}_weights", scaled))
        node.attributes.pop("alpha")
    if bias is None or bias.size not in (1, outputs) or (beta == 1 and bias.shape == (outputs,)):
        return
    row = np.broadcast_to(bias.astype(np.float64).ravel() * beta, (outputs,)).astype(np.float32)
    node.replace_input_with(2, add_constant(graph, f"{node.name}_bias", row))
    node.attributes.pop("beta", None)


def move_reshapes_back(graph: Graph) -> None:
    """Move the Reshape between a dense kernel and its bias or relu behind them.

    Keras has one there on more than two axes. Kernel, bias and relu in a row have one range, as in
    a TFLite file; apart, the kernel's output would get one that training has not seen.
    """
    for node in list(graph):
        weights = constant(node.inputs[1]) if node.op_type == "MatMul" else None
        reshape = only_consumer(node.outputs[0], "Reshape")
        if weights is None or weights.ndim != 2 or reshape is None:
            continue
        while _is_of_dense(only_consumer(reshape.outputs[0]), reshape, weights.shape[1]):
            _swap(graph, reshape, only_consumer(reshape.outputs[0]))


def _is_of_dense(node: Node | None, reshape: Node, outputs: int) -> bool:
    """Return True for a relu, and for the addition of a number an output."""
    if node is None or node.outputs[0].is_graph_output():
        return False
    if node.op_type == "Add":
        return any(
            each is not reshape.outputs[0]
            and (values := constant(each)) is not None
            and values.shape == (outputs,)
            for each in node.inputs
        )
    return node.op_type in FUSED


def _swap(graph: Graph, reshape: Node, taker: Node) -> None:
    before, reshaped, after = reshape.inputs[0], reshape.outputs[0], taker.outputs[0]
    for place, value in enumerate(taker.inputs):
        if value is reshaped:
            taker.replace_input_with(place, before)
    after.replace_all_uses_with(reshaped)
    reshape.replace_input_with(0, after)
    after.shape = before.shape
    graph.remove(reshape)
    graph.insert_after(taker, reshape)
