"""Edits of a float32 graph before it is quantized: the rescaling of pixels."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from edgecv.formats.onnx.graph import (
    add_constant,
    add_node,
    attribute_of,
    constant,
    input_of,
    only_consumer,
)
from edgecv.formats.onnx.graph_types import Graph, Node, Value

HALF_STEP = 0.5 + 1e-6
CHANNELS_FIRST = (0, 3, 1, 2)
ARITHMETIC = ("Mul", "Add", "Sub", "Div")

Affine = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Factor and offset of each channel."""


def fold_rescaling(graph: Graph, trained: Collection[str] = ()) -> int:
    """Fold the rescaling of pixels into the first convolution; return the pixel that is zero.

    Afterwards the graph takes pixels minus that number, so a camera's bytes are its quantized
    input. ``factor * pixel + offset`` becomes ``factor * (pixel - zero)``, and the rest of the
    offset goes into the bias. This is exact except at padded borders, where a zero behind the
    rescaling may not be a whole pixel: the error there is at most half a step of a pixel, which a
    quantized rescaling has everywhere. If it would be larger, or no convolution follows, the
    rescaling stays and 0 is returned. ``trained``: tensors that have a trained range: a rescaling
    with one stays too.
    """
    image = graph.inputs[0]
    chain, next_node = _rescaling(image)
    affine = _affine(chain, image.shape[3])
    if affine is None or any(node.outputs[0].name in trained for node in chain):
        return 0
    convolution = _foldable(next_node)
    if convolution is not None and _is_channels_first(chain):
        factor, offset = affine
        zero = int(np.clip(np.round(np.mean(-offset / factor)), 0, 255))
        rest = offset + factor * zero
        if not _is_padded(convolution) or (np.abs(rest) <= HALF_STEP * np.abs(factor)).all():
            _keep_moves(graph, chain, image)
            _fold(graph, convolution, factor, rest)
            return zero
    if any(node.op_type in ("Sub", "Div") for node in chain):
        _write_as_multiply_and_add(graph, chain, affine)
    return 0


def _rescaling(image: Value) -> tuple[list[Node], Node | None]:
    """Return the arithmetic and layout nodes behind the input, and the node that follows them."""
    chain: list[Node] = []
    node = only_consumer(image)
    while node is not None and (
        node.op_type in ARITHMETIC
        or (moves_channels(node, image) and not _is_channels_first(chain))
    ):
        chain.append(node)
        node = only_consumer(node.outputs[0])
    return chain, node


def _foldable(node: Node | None) -> Node | None:
    """Return the node if it is a convolution with constant weights and bias, else None."""
    if node is None or node.op_type != "Conv" or attribute_of(node, "group", 1) != 1:
        return None
    return node if all(constant(each) is not None for each in node.inputs[1:]) else None


def takes_rescaling(node: Node | None) -> bool:
    """Return True for a convolution that any rescaling in front of it can be folded into."""
    found = _foldable(node)
    return found is not None and not _is_padded(found)


def _fold(
    graph: Graph, convolution: Node, factor: NDArray[np.float64], rest: NDArray[np.float64]
) -> None:
    weights, bias = constant(convolution.inputs[1]), constant(input_of(convolution, 2))
    assert weights is not None
    exact = weights.astype(np.float64)
    added = exact.sum(axis=(2, 3)) @ rest + (0 if bias is None else bias)
    folded = (exact * factor[:, None, None]).astype(np.float32)
    convolution.resize_inputs(3)
    convolution.replace_input_with(1, add_constant(graph, "folded_weights", folded))
    convolution.replace_input_with(2, add_constant(graph, "folded_bias", added.astype(np.float32)))


def _write_as_multiply_and_add(graph: Graph, chain: list[Node], affine: Affine) -> None:
    """Write the rescaling with the two operators that can be quantized."""
    factor, offset = (
        add_constant(graph, f"rescaling_{name}", value.astype(np.float32))
        for name, value in zip(("factor", "offset"), affine, strict=True)
    )
    multiplied = add_node(graph, "Mul", [graph.inputs[0], factor], chain[0])
    rescaled = add_node(graph, "Add", [multiplied, offset], chain[0])
    _keep_moves(graph, chain, rescaled)


def _affine(chain: list[Node], channels: int) -> Affine | None:
    """Return factor and offset of each channel; None if the chain is not affine."""
    factor, offset = np.ones(channels), np.zeros(channels)
    for number, node in enumerate(chain):
        if node.op_type not in ARITHMETIC:
            continue
        shape = (1, channels, 1, 1) if _is_channels_first(chain[:number]) else (1, 1, 1, channels)
        values = constant(node.inputs[1])
        if values is None or np.broadcast_shapes(values.shape, shape) != shape:
            return None
        value = np.broadcast_to(values, shape).reshape(channels).astype(np.float64)
        if node.op_type in ("Mul", "Div"):
            value = value if node.op_type == "Mul" else 1 / value
            factor, offset = factor * value, offset * value
        else:
            offset = offset + (value if node.op_type == "Add" else -value)
    return (factor, offset) if factor.all() else None


def moves_channels(node: Node, image: Value) -> bool:
    """Return True if a node moves an image's channels in front: (N, H, W, C) -> (N, C, H, W)."""
    if node.op_type == "Transpose":
        return tuple(attribute_of(node, "perm", ())) == CHANNELS_FIRST
    if node.op_type != "Reshape":
        return False
    # With a single channel, tf2onnx writes the same as a change of shape.
    shape = constant(node.inputs[1])
    height, width, channels = image.shape[1:]
    return channels == 1 and shape is not None and [*shape[1:]] == [1, height, width]


def _is_channels_first(chain: list[Node]) -> bool:
    return any(node.op_type not in ARITHMETIC for node in chain)


def _keep_moves(graph: Graph, chain: list[Node], source: Value) -> None:
    """Remove the arithmetic from the chain, and let the rest of it start at ``source``."""
    current = source
    for node in chain:
        if node.op_type in ARITHMETIC:
            continue
        node.replace_input_with(0, current)
        current = node.outputs[0]
    if chain and current is not chain[-1].outputs[0]:
        chain[-1].outputs[0].replace_all_uses_with(current)
    graph.remove([node for node in chain if node.op_type in ARITHMETIC], safe=True)


def _is_padded(convolution: Node) -> bool:
    padding = attribute_of(convolution, "auto_pad", "NOTSET")
    return any(attribute_of(convolution, "pads", ())) or padding not in ("NOTSET", "VALID")
