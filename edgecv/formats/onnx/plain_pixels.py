"""A graph whose first convolution takes blocks of pixels, read as the plain one it computes."""

from typing import NamedTuple

from edgecv.formats.onnx.graph import attribute_of, constant, input_of, only_consumer, read_model
from edgecv.formats.onnx.graph_types import Graph, Model, ModelProto, Node, Value
from edgecv.formats.onnx.pixel_blocks import BLOCK_AXES, quantize_behind, set_integers

OF_KERNEL = ("DequantizeLinear", "Reshape", "Transpose", "Reshape", "Slice", "Tile", "Pad")
ROUNDING = ("DequantizeLinear", "QuantizeLinear")
OF_IMAGE = (*ROUNDING, "Transpose", *ROUNDING, "Reshape")
BEHIND = ("DequantizeLinear", "Transpose", *reversed(ROUNDING), "Reshape")
BEHIND = (*BEHIND, *reversed(ROUNDING), "Transpose", "QuantizeLinear")
"""The operators around a convolution over blocks: against the flow, and behind it with the flow."""


class PlainModel(NamedTuple):
    """A model whose first convolution takes pixels."""

    model: Model
    had_blocks: bool
    """True if its file has it take blocks of pixels."""

    @property
    def graph(self) -> Graph:
        """The graph of the model."""
        return self.model.graph


def read_in_pixels(model: ModelProto | bytes) -> PlainModel:
    """Return a model as onnx-ir's, with a convolution over blocks as the plain one."""
    found = read_model(model)
    return PlainModel(found, _write_in_pixels(found.graph))


def _write_in_pixels(graph: Graph) -> bool:
    """Replace a convolution over blocks of pixels by the plain one; return True if there is one."""
    for node in graph:
        kernel = _makers(input_of(node, 1), OF_KERNEL) if node.op_type == "Conv" else ()
        image = _makers(node.inputs[0], OF_IMAGE) if kernel else ()
        quantize = quantize_behind(node.outputs[0])
        behind = () if quantize is None else _takers(quantize.outputs[0], BEHIND)
        if not kernel or not image or not behind or quantize is None:
            continue
        if tuple(attribute_of(kernel[2], "perm", ())) != BLOCK_AXES:
            continue
        if _set_attributes(node, kernel, image[-1], behind[4]):
            _take_out(graph, node, kernel, image)
            behind[-1].outputs[0].replace_all_uses_with(quantize.outputs[0])
            for each in reversed(behind):
                graph.remove(each, safe=True)
            return True
    return False


def _makers(value: Value | None, kinds: tuple[str, ...]) -> tuple[Node, ...]:
    """Return the operators of these kinds that a tensor comes from, the last one first."""
    way: list[Node] = []
    for kind in kinds:
        maker = None if value is None else value.producer()
        if maker is None or maker.op_type != kind:
            return ()
        way.append(maker)
        value = maker.inputs[0]
    return tuple(way)


def _takers(value: Value, kinds: tuple[str, ...]) -> tuple[Node, ...]:
    """Return the operators of these kinds that alone take a tensor, one behind the other."""
    way: list[Node] = []
    for kind in kinds:
        taker = only_consumer(value, kind)
        if taker is None:
            return ()
        way.append(taker)
        value = taker.outputs[0]
    return tuple(way)


def _set_attributes(node: Node, kernel: tuple[Node, ...], image: Node, pixels: Node) -> bool:
    """Set kernel, padding and strides of the plain convolution; return False if they are unknown.

    ``image``, ``pixels``: the Reshape to blocks, and the one to pixels.
    """
    padding, parts, row, sides = (
        constant(each.inputs[1]) for each in (kernel[6], kernel[3], image, pixels)
    )
    codes = constant(kernel[6].inputs[0])
    if codes is None or padding is None or parts is None or row is None or sides is None:
        return False
    width, length = codes.shape[3], parts[5]
    stride = padding[3] + width + padding[7] - parts[4] * length
    top, before, bottom, _ = attribute_of(node, "pads", (0,) * 4)
    left = before * length - padding[3]
    # Columns that nothing depends on are left out behind blocks: not all of the image is seen.
    right = max((sides[2] - 1) * stride + width - left - row[2] * length, 0)
    set_integers(node, "kernel_shape", codes.shape[2:])
    set_integers(node, "pads", (top, left, bottom, right))
    set_integers(node, "strides", (attribute_of(node, "strides", (1, 1))[0], stride))
    return True


def _take_out(graph: Graph, node: Node, kernel: tuple[Node, ...], image: tuple[Node, ...]) -> None:
    """Remove the operators that make blocks of the image, and repeat kernel and bias."""
    kernel[0].replace_input_with(0, kernel[-1].inputs[0])
    image[2].replace_input_with(0, image[-1].inputs[0])
    removed = [*kernel[1:], *image[3:]]
    for taken in node.inputs[1:]:
        maker = None if taken is None else taken.producer()
        for place, each in enumerate(() if maker is None else maker.inputs):
            tile = None if each is None else each.producer()
            if maker is not None and tile is not None and tile.op_type == "Tile":
                maker.replace_input_with(place, tile.inputs[0])
                removed.append(tile)
    for unused in dict.fromkeys(removed):
        graph.remove(unused, safe=True)
