"""Gemm as the quantizer takes it: no factors, and a bias of one number an output."""

import numpy as np

from edgecv.formats.onnx.graph import add_constant, attribute_of, constant, input_of
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
