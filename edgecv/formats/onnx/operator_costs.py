"""The multiply-accumulates of an operator of an ONNX graph."""

import math

from edgecv.formats.dtypes import count
from edgecv.formats.onnx.checked_graph import CheckedGraph
from edgecv.formats.onnx.graph import KERNEL_INPUT, attribute_of
from edgecv.formats.onnx.graph_types import Node

CONVOLUTIONS = frozenset("Conv FusedConv NhwcFusedConv ConvInteger QLinearConv".split())
NOT_COUNTED = frozenset(
    """
    LSTM GRU RNN Einsum DeformConv DFT STFT Attention MultiHeadAttention QAttention MatMulNBits
    Scan Loop If SequenceMap
    """.split()
)
"""Operators that multiply or contain others, and whose multiply-accumulates are not counted."""
STANDARD_DOMAINS = ("", "ai.onnx")
Shape = tuple[int, ...] | None
KNOWN_DOMAINS = (*STANDARD_DOMAINS, "com.microsoft", "ai.onnx.ml")
WITHOUT_PRODUCTS = frozenset(
    """
    QuantizeLinear DequantizeLinear DynamicQuantizeLinear QLinearAdd QLinearMul QLinearSigmoid
    QLinearLeakyRelu QLinearSoftmax QLinearConcat QLinearAveragePool QLinearGlobalAveragePool
    QLinearReduceMean QLinearWhere NhwcMaxPool Gelu FastGelu BiasGelu QuickGelu GridSample Pad
    LayerNormalization SimplifiedLayerNormalization SkipLayerNormalization BiasSoftmax Unique
    SkipSimplifiedLayerNormalization EmbedLayerNormalization GroupNorm SkipGroupNorm BiasAdd
    ArrayFeatureExtractor Binarizer CategoryMapper Imputer LabelEncoder Normalizer OneHotEncoder
    Scaler ZipMap
    """.split()
)
"""Operators of other domains that are known to multiply no matrices."""


def macs_of(node: Node, file: CheckedGraph) -> int | None:
    """Return the multiply-accumulates of an operator; None if they are unknown."""
    kind = node.op_type
    if kind in NOT_COUNTED or node.domain not in KNOWN_DOMAINS or has_subgraphs(node):
        return None
    if kind not in KERNEL_INPUT:
        return 0 if node.domain in STANDARD_DOMAINS or kind in WITHOUT_PRODUCTS else None
    entering = file.shape_of(node.inputs[0])
    kernel = file.shape_of(node.inputs[KERNEL_INPUT[kind]])
    made = count(file.shape_of(node.outputs[0]))
    if kind in CONVOLUTIONS or kind == "ConvTranspose":
        # A transposed convolution applies its kernel at each position of the input.
        places = made if kind in CONVOLUTIONS else count(entering)
        known = count(kernel) is not None and places is not None
        return (places or 0) * math.prod((kernel or ())[1:]) if known else None
    inner = _inner(node, entering, kernel)
    return None if made is None or inner is None else made * inner


def has_subgraphs(node: Node) -> bool:
    """Return True for an operator that runs graphs of its own, such as If."""
    return any(each.type.name in ("GRAPH", "GRAPHS") for each in node.attributes.values())


def _inner(node: Node, entering: Shape, kernel: Shape) -> int | None:
    """Return the length of the side over which a product of matrices sums."""
    for shape, turned, place in ((entering, "transA", -1), (kernel, "transB", -2)):
        if shape:
            other = -3 - place if attribute_of(node, turned, 0) else place
            side = shape[other if len(shape) > 1 else -1]
            if side >= 0:
                return side
    return None
