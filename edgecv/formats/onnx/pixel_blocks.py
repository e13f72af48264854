"""The first convolution of an int8 graph over blocks of pixels.

ONNX Runtime's fast integer convolution takes channels in fours. With three it copies each patch of
the image first, which costs more than the products do. A row of 4 pixels of 3 channels is 12
numbers without a gap: a Reshape makes one pixel of 12 channels of it, and a convolution that gives
4 pixels at once computes the same sums, with zeros between the weights. The file keeps the kernel
as it is: a runtime folds the operators on it when it opens the file.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgecv.formats.onnx.conversions import stored_constant
from edgecv.formats.onnx.graph import (
    CONVERSIONS,
    FUSED,
    add_constant,
    add_node,
    attribute_of,
    constant,
    only_consumer,
)
from edgecv.formats.onnx.graph_types import Graph, Node, Value
from edgecv.formats.onnx.prepare import CHANNELS_FIRST, moves_channels

CHANNELS = 4
"""Channels that the fast kernel takes and gives are multiples of this."""
FEWEST_OUTPUTS = 16
CHANNELS_LAST = (0, 2, 3, 1)
BLOCK_AXES = (3, 0, 5, 1, 2, 4)
"""(O, C, KH, outputs, KB, pixels) -> (outputs, O, pixels, C, KH, KB): a kernel over blocks."""


@dataclass(frozen=True)
class Blocks:
    """The columns of a convolution, over blocks of ``pixels``: it gives ``outputs`` a block.

    ``left``, ``right``: blocks beside a block that its outputs see too; ``offset``: the place of
    the kernel's first column for the first of the outputs.
    """

    pixels: int
    outputs: int
    stride: int
    left: int
    right: int
    offset: int

    @property
    def length(self) -> int:
        """Blocks that a kernel sees."""
        return self.left + 1 + self.right


@dataclass(frozen=True)
class FirstConvolution:
    """The first convolution of a graph, as far as blocks depend on it.

    ``moved``: the operator that moves the image's channels to the front; ``quantize``: the one that
    rounds what it gives; ``image``: (H, W, C); ``kernel``: (O, C, KH, KW); ``pads``: top, left,
    bottom, right.
    """

    node: Node
    moved: Node
    quantize: Node
    image: tuple[int, int, int]
    kernel: tuple[int, int, int, int]
    pads: tuple[int, int, int, int]
    strides: tuple[int, int]

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of what it gives."""
        height, width = (
            (self.image[axis] + self.pads[axis] + self.pads[axis + 2] - self.kernel[axis + 2])
            // self.strides[axis]
            + 1
            for axis in (0, 1)
        )
        return height, width


def take_blocks(graph: Graph) -> None:
    """Let the first convolution of a quantized graph take blocks of pixels.

    It stays as it is where its channels are a multiple of 4, or blocks would give columns that do
    not exist. Columns that nothing behind it depends on are not computed.
    """
    first = _first_convolution(graph)
    blocks = None if first is None else _blocks(first)
    if first is None or blocks is None:
        return
    height, width, channels = first.image
    number = width // blocks.pixels
    needed = -(-_needed(first.quantize.outputs[0], first.sides[1]) // blocks.outputs)
    given = max(needed, number - blocks.right)
    outputs = first.kernel[0] * blocks.outputs
    if given * blocks.outputs > first.sides[1] or outputs < FEWEST_OUTPUTS or outputs % CHANNELS:
        return
    _reshape_image(graph, first, (height, number, channels * blocks.pixels))
    _repeat_kernel(graph, first, blocks)
    first.node.attributes.clear()
    set_integers(first.node, "kernel_shape", (first.kernel[2], blocks.length))
    ends = first.pads[0], blocks.left, first.pads[2], given + blocks.right - number
    set_integers(first.node, "pads", ends)
    set_integers(first.node, "strides", (first.strides[0], 1))
    shape = first.sides[0], given * blocks.outputs, first.kernel[0]
    _reshape_output(graph, first.quantize, shape)


def quantize_behind(value: Value) -> Node | None:
    """Return the QuantizeLinear behind a convolution and its activation; None at an output."""
    taker = only_consumer(value)
    while taker is not None and taker.op_type in FUSED:
        taker = only_consumer(taker.outputs[0])
    if taker is None or taker.op_type != "QuantizeLinear" or taker.outputs[0].is_graph_output():
        return None
    return taker


def set_integers(node: Node, name: str, values: tuple[int, ...]) -> None:
    """Set an attribute that is several integers."""
    import onnx_ir

    node.attributes[name] = onnx_ir.AttrInt64s(name, [int(each) for each in values])


def _first_convolution(graph: Graph) -> FirstConvolution | None:
    """Return the first convolution if it alone takes the image, in integers and symmetric ones."""
    node = next((each for each in graph if each.op_type == "Conv"), None)
    moved = None if node is None else _moved_image(node, graph.inputs[0])
    if node is None or moved is None:
        return None
    found, quantize = stored_constant(node.inputs[1]), quantize_behind(node.outputs[0])
    if found is None or found[1] is None or quantize is None:
        return None
    image, kernel = graph.inputs[0].shape[1:], found[0].shape
    is_plain = attribute_of(node, "group", 1) == 1 and not found[1].zero_points.any()
    is_plain &= set(attribute_of(node, "dilations", (1,))) == {1}
    if not is_plain or not all(isinstance(side, int) for side in image) or kernel[1] != image[2]:
        return None
    pads, strides = _padding(node, kernel[2:], image[:2])
    return FirstConvolution(node, moved, quantize, tuple(image), kernel, pads, strides)


def _moved_image(node: Node, image: Value) -> Node | None:
    """Return what moves the channels of the image forward, if only conversions are beside it."""
    value, moved = node.inputs[0], None
    while value is not image:
        maker = value.producer()
        if maker is None or only_consumer(value) is None:
            return None
        if moves_channels(maker, image) and moved is None:
            moved = maker
        elif maker.op_type not in (*CONVERSIONS, *(() if moved is None else ("Sub",))):
            return None
        value = maker.inputs[0]
    return moved


def _padding(
    node: Node, kernel: tuple[int, ...], sides: tuple[int, ...]
) -> tuple[tuple[int, int, int, int], tuple[int, int]]:
    strides = tuple(attribute_of(node, "strides", (1, 1)))
    kind = attribute_of(node, "auto_pad", "NOTSET")
    if kind not in ("SAME_UPPER", "SAME_LOWER"):
        return attribute_of(node, "pads", (0,) * 4) if kind == "NOTSET" else (0,) * 4, strides
    both = [
        max((-(-side // step) - 1) * step + length - side, 0)
        for side, step, length in zip(sides, strides, kernel, strict=True)
    ]
    less, more = [each // 2 for each in both], [each - each // 2 for each in both]
    return (*less, *more) if kind == "SAME_UPPER" else (*more, *less), strides


def _blocks(first: FirstConvolution) -> Blocks | None:
    """Return the blocks of a row, None if it has no whole number of them, or a stride is none."""
    channels, stride, padding = first.image[2], first.strides[1], first.pads[1]
    pixels = CHANNELS // math.gcd(CHANNELS, channels)
    if pixels == 1 or first.image[1] % pixels or pixels % stride:
        return None
    outputs, left = pixels // stride, -(-padding // pixels)
    last = (outputs - 1) * stride - padding + first.kernel[3] - 1
    return Blocks(pixels, outputs, stride, left, max(last // pixels, 0), left * pixels - padding)


def _needed(value: Value, width: int) -> int:
    """Return how many columns of a tensor (N, C, H, W) of that width the graph depends on."""
    node = None if value.is_graph_output() else only_consumer(value)
    if node is not None and node.op_type in (*CONVERSIONS, *FUSED):
        return _needed(node.outputs[0], width)
    if node is None or node.op_type not in ("MaxPool", "Conv") or len(node.outputs) > 1:
        return width
    kernel, strides = (attribute_of(node, name, (1, 1)) for name in ("kernel_shape", "strides"))
    if node.op_type == "Conv":  # Its attribute may be left out.
        weights = stored_constant(node.inputs[1])
        kernel = (width, width) if weights is None else weights[0].shape[2:]
    is_plain = attribute_of(node, "auto_pad", "NOTSET") in ("NOTSET", "VALID")
    is_plain &= not any(attribute_of(node, "pads", ())) and not attribute_of(node, "ceil_mode", 0)
    if not is_plain or set(attribute_of(node, "dilations", (1,))) != {1}:
        return width
    behind = _needed(node.outputs[0], (width - kernel[1]) // strides[1] + 1)
    return int((behind - 1) * strides[1] + kernel[1])


def _reshape_image(graph: Graph, first: FirstConvolution, shape: tuple[int, ...]) -> None:
    before, moved = first.moved.inputs[0], first.moved
    blocks = add_node(graph, "Reshape", [before, _integers(graph, 0, *shape)], moved)
    scales = first.node.inputs[0].producer().inputs[1:]
    rounded = _rounded(graph, blocks, scales, moved)
    channels = add_node(graph, "Transpose", [rounded], moved, perm=CHANNELS_FIRST)
    moved.outputs[0].replace_all_uses_with(channels)
    graph.remove(moved, safe=True)


def _repeat_kernel(graph: Graph, first: FirstConvolution, blocks: Blocks) -> None:
    """Repeat the kernel for each output of a block, one stride further each time."""
    outputs, channels, height, width = first.kernel
    dequantize = first.node.inputs[1].producer()
    row = blocks.length * blocks.pixels
    # Written in rows one stride longer than they are read: each starts a stride later.
    after = row + blocks.stride - blocks.offset - width
    parts = outputs, channels, height, blocks.outputs, blocks.length, blocks.pixels
    repeated = outputs * blocks.outputs, channels * blocks.pixels, height, blocks.length
    codes = dequantize.inputs[0]
    for kind, *given in (
        ("Pad", (0, 0, 0, blocks.offset, 0, 0, 0, after)),
        ("Tile", (1, 1, 1, blocks.outputs)),
        ("Slice", (0,), (blocks.outputs * row,), (3,)),
        ("Reshape", parts),
        ("Transpose",),
        ("Reshape", repeated),
    ):
        perm = {"perm": BLOCK_AXES} if kind == "Transpose" else {}
        constants = [_integers(graph, *each) for each in given]
        codes = add_node(graph, kind, [codes, *constants], dequantize, **perm)
    dequantize.replace_input_with(0, codes)
    times, tiled = _integers(graph, blocks.outputs), dict[Value, Value]()
    for taken in first.node.inputs[1:]:
        maker = taken.producer()
        for place, each in enumerate(maker.inputs):
            values = constant(each)
            if values is not None and values.shape == (outputs,):
                if each not in tiled:
                    tiled[each] = add_node(graph, "Tile", [each, times], dequantize)
                maker.replace_input_with(place, tiled[each])


def _reshape_output(graph: Graph, quantize: Node, shape: tuple[int, ...]) -> None:
    codes, ends = quantize.outputs[0], quantize.inputs[1:]
    uses = [(use.node, use.idx) for use in codes.uses()]
    before = uses[0][0]
    blocks = add_node(graph, "DequantizeLinear", [codes, *ends], before)
    last = add_node(graph, "Transpose", [blocks], before, perm=CHANNELS_LAST)
    last = _rounded(graph, last, ends, before)
    pixels = add_node(graph, "Reshape", [last, _integers(graph, 0, *shape)], before)
    pixels = _rounded(graph, pixels, ends, before)
    first = add_node(graph, "Transpose", [pixels], before, perm=CHANNELS_FIRST)
    rounded = add_node(graph, "QuantizeLinear", [first, *ends], before)
    for node, place in uses:
        node.replace_input_with(place, rounded)


def _rounded(graph: Graph, value: Value, scales: Sequence[Value], before: Node) -> Value:
    codes = add_node(graph, "QuantizeLinear", [value, *scales], before)
    return add_node(graph, "DequantizeLinear", [codes, *scales], before)


def _integers(graph: Graph, *values: int) -> Value:
    return add_constant(graph, f"blocks_{len(graph.initializers)}", np.array(values, np.int64))
