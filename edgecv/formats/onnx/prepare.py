"""Edits of a float32 graph before it is quantized: the rescaling, and ranges found in training."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.formats.onnx.canonical import Links, set_constant

HALF_STEP = 0.5 + 1e-6
MOVES = ("Squeeze", "Unsqueeze", "Reshape", "Flatten", "Transpose")
"""Operators that change no value: the quantizer has one range before and behind them."""
CHANNELS_FIRST = [0, 3, 1, 2]
ARITHMETIC = ("Mul", "Add", "Sub", "Div")

Affine = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Factor and offset of each channel."""
Range = tuple[np.float32, int]
"""Scale and zero point of a uint8 tensor."""


def fold_rescaling(graph: Any) -> int:
    """Fold what rescales the pixels into the first convolution; return the pixel that is zero.

    Afterwards the graph takes pixels minus that number, so a camera's bytes are its quantized
    input. ``factor * pixel + offset`` becomes ``factor * (pixel - zero)``, and what is left of the
    offset goes into the bias. That is exact, except at borders that are padded (padding is zero
    after the rescaling, whatever pixel that is) where the zero is no whole pixel: there it is at
    most half a step of a pixel off, which a quantized rescaling would be everywhere. Where it
    would be more, or no convolution follows, the rescaling stays and the answer is 0.
    """
    links = Links(graph)
    chain, next_node = _rescaling(graph, links)
    affine = _affine(chain, links, graph)
    if affine is None:
        return 0
    convolution = _foldable(next_node, links)
    if convolution is not None and _is_channels_first(chain):
        factor, offset = affine
        zero = _zero_pixel(factor, offset)
        rest = offset + factor * zero
        if not _is_padded(convolution) or (np.abs(rest) <= HALF_STEP * np.abs(factor)).all():
            _keep_moves(graph, chain, graph.input[0].name)
            _fold(graph, links, convolution, factor, rest)
            return zero
    if any(node.op_type in ("Sub", "Div") for node in chain):
        _write_as_multiply_and_add(graph, chain, affine)
    return 0


def _rescaling(graph: Any, links: Links) -> tuple[list[Any], Any | None]:
    """Return the arithmetic and moves that only pixels go through, and the node that follows."""
    chain: list[Any] = []
    node = links.only_consumer(graph.input[0].name)
    while node is not None and (node.op_type in ARITHMETIC or _moves_channels(node, links)):
        chain.append(node)
        node = links.only_consumer(node.output[0])
    return chain, node


def _foldable(node: Any | None, links: Links) -> Any | None:
    """Return a convolution whose weights and bias are constants, None where it is not one."""
    if node is None or node.op_type != "Conv" or attribute_of(node, "group", 1) != 1:
        return None
    return node if all(links.constant(name) is not None for name in node.input[1:]) else None


def _zero_pixel(factor: NDArray[np.float64], offset: NDArray[np.float64]) -> int:
    return int(np.clip(np.round(np.mean(-offset / factor)), 0, 255))


def _fold(
    graph: Any,
    links: Links,
    convolution: Any,
    factor: NDArray[np.float64],
    rest: NDArray[np.float64],
) -> None:
    weights, *biases = (links.constant(name) for name in convolution.input[1:])
    assert weights is not None
    exact = weights.astype(np.float64)
    bias = exact.sum(axis=(2, 3)) @ rest + (biases[0] if biases else 0)
    set_constant(graph, "folded_weights", (exact * factor[:, None, None]).astype(np.float32))
    set_constant(graph, "folded_bias", bias.astype(np.float32))
    convolution.input[:] = [convolution.input[0], "folded_weights", "folded_bias"]


def _write_as_multiply_and_add(graph: Any, chain: list[Any], affine: Affine) -> None:
    """Write the rescaling with the two operators that can be quantized."""
    import onnx

    for name, value in zip(("factor", "offset"), affine, strict=True):
        set_constant(graph, f"rescaling_{name}", value.astype(np.float32))
    image = graph.input[0].name
    _keep_moves(graph, chain, "rescaled")
    make = onnx.helper.make_node
    graph.node.insert(0, make("Mul", [image, "rescaling_factor"], ["multiplied"], "multiply"))
    graph.node.insert(1, make("Add", ["multiplied", "rescaling_offset"], ["rescaled"], "add"))


def _affine(chain: list[Any], links: Links, graph: Any) -> Affine | None:
    """Return what the chain does to each channel, None where it is not factor and offset."""
    channels = graph.input[0].type.tensor_type.shape.dim[3].dim_value
    factor, offset = np.ones(channels), np.zeros(channels)
    for number, node in enumerate(chain):
        if node.op_type not in ARITHMETIC:
            continue
        shape = (1, channels, 1, 1) if _is_channels_first(chain[:number]) else (1, 1, 1, channels)
        constant = links.constant(node.input[1])
        if constant is None or np.broadcast_shapes(constant.shape, shape) != shape:
            return None
        value = np.broadcast_to(constant, shape).reshape(channels).astype(np.float64)
        if node.op_type in ("Mul", "Div"):
            value = value if node.op_type == "Mul" else 1 / value
            factor, offset = factor * value, offset * value
        else:
            offset = offset + (value if node.op_type == "Add" else -value)
    return (factor, offset) if factor.all() else None


def _moves_channels(node: Any, links: Links) -> bool:
    """Tell whether a node takes the channels to the front: (N, H, W, C) -> (N, C, H, W)."""
    if node.op_type == "Transpose":
        return bool(attribute_of(node, "perm", []) == CHANNELS_FIRST)
    if node.op_type != "Reshape":
        return False
    # With a single channel, tf2onnx writes the same as a change of shape.
    shape = links.constant(node.input[1])
    return shape is not None and shape.shape == (4,) and bool(shape[1] == 1)


def _is_channels_first(chain: list[Any]) -> bool:
    return any(node.op_type not in ARITHMETIC for node in chain)


def _keep_moves(graph: Any, chain: list[Any], source: str) -> None:
    """Take the arithmetic out of the chain, and let the rest of it begin at ``source``."""
    current, end = source, chain[-1].output[0] if chain else source
    for node in chain:
        if node.op_type in ARITHMETIC:
            graph.node.remove(node)
        else:
            node.input[0] = current
            current = node.output[0]
    _rename_input(graph, end, current)


def _is_padded(convolution: Any) -> bool:
    padding = attribute_of(convolution, "auto_pad", b"NOTSET")
    return any(attribute_of(convolution, "pads", [])) or padding not in (b"NOTSET", b"VALID")


def attribute_of(node: Any, name: str, default: Any) -> Any:
    """Return the value of a node's attribute."""
    import onnx

    for attribute in node.attribute:
        if attribute.name == name:
            return onnx.helper.get_attribute_value(attribute)
    return default


def take_trained_ranges(graph: Any) -> dict[str, Range]:
    """Take out the quantization that quantization-aware training has left; return its ranges.

    Its pairs stand beside some tensors only; the quantizer puts a pair beside every one, and
    these ranges into those that training has found. Returns tensor -> scale and zero point.
    """
    links = Links(graph)
    ranges: dict[str, Range] = {}
    for node in list(graph.node):
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        scale = links.constant(node.input[1])
        zero_point = links.constant(node.input[2]) if len(node.input) > 2 else np.uint8(0)
        if node.input[0] in links.constants or scale is None or scale.size != 1:
            continue
        if node.op_type == "QuantizeLinear" and zero_point is not None:
            maker = links.producer.get(node.input[0])
            ranges[node.input[0]] = _trained_range(scale, np.asarray(zero_point), maker)
            # tf2onnx writes global pooling as pooling and Squeeze; the range is trained behind it.
            while maker is not None and maker.op_type in MOVES:
                moved, maker = maker.input[0], links.producer.get(maker.input[0])
                found = _trained_range(scale, np.asarray(zero_point), maker)
                ranges.setdefault(moved, found)
        _bypass(graph, node)
    return ranges


def _trained_range(
    scale: NDArray[np.float32], zero_point: NDArray[np.integer[Any]], maker: Any | None
) -> Range:
    step = float(scale.item())
    zero = int(zero_point.item()) + (128 if zero_point.dtype == np.int8 else 0)
    if maker is not None and maker.op_type in ("Relu", "Clip"):
        # The quantizer takes the activation out and trusts the range to end at zero, where it
        # does: a range that training has left open below would let negative values through.
        return np.float32(step * (255 - zero) / 255), 0
    return np.float32(step), zero


def _bypass(graph: Any, node: Any) -> None:
    given, taken = node.output[0], node.input[0]
    graph.node.remove(node)
    if given == graph.output[0].name:
        # The output keeps its name: whoever made what came in makes the output now.
        for other in graph.node:
            other.output[:] = [given if name == taken else name for name in other.output]
            other.input[:] = [given if name == taken else name for name in other.input]
        return
    _rename_input(graph, given, taken)


def _rename_input(graph: Any, before: str, after: str) -> None:
    for node in graph.node:
        node.input[:] = [after if name == before else name for name in node.input]
