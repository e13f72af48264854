"""Adaptation of a foreign ONNX model to edgecv's form: it takes pixels (batch, H, W, C).

Names, axis order, preprocessing and a softmax become part of the graph. Its layers do not change,
so the result is the float32 twin of the original.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgecv.core.data import Shape
from edgecv.core.errors import InputError
from edgecv.core.files import read_regular
from edgecv.core.output_shape import ModelShapes
from edgecv.core.preprocessing import Preprocessing, affine_of
from edgecv.formats.image_axes import batch_axis
from edgecv.formats.onnx.canonical import BATCH, canonical, serialized
from edgecv.formats.onnx.foreign import check_batch, check_graph, in_this_version
from edgecv.formats.onnx.graph import (
    add_constant,
    add_node,
    attribute_of,
    constant,
    only_consumer,
    read_model,
)
from edgecv.formats.onnx.graph_types import Graph, ModelProto, Node, Value
from edgecv.formats.onnx.prepare import takes_rescaling
from edgecv.models.outputs import PROBABILITIES

ROW = 2
"""The number of axes of an output that is one row of numbers per image."""


@dataclass(frozen=True)
class OnnxNetwork:
    """A network of a foreign ONNX file: "image" (batch, H, W, C), 0..255 -> "probabilities"."""

    content: bytes
    shape: Shape

    @classmethod
    def at(cls, path: Path) -> Self:
        """Return the network in a file that ``adapted`` has made."""
        import onnx

        content = path.read_bytes()
        image = onnx.ModelProto.FromString(content).graph.input[0].type.tensor_type
        height, width, channels = (int(each.dim_value) for each in image.shape.dim[1:])
        return cls(content, (height, width, channels))

    def model(self) -> ModelProto:
        """Return the float32 ModelProto."""
        import onnx

        return onnx.ModelProto.FromString(self.content)


class Ends(ModelShapes):
    """Input and outputs of a foreign model, as found by running it."""

    is_classifier: bool
    """True if its row of numbers becomes "probabilities"."""
    axes: str
    """The order of the input's axes: N images, H height, W width, C channels."""
    batch: int
    """Images of one run; -1 where the file leaves it open."""
    run_shapes: Annotated[
        tuple[Annotated[tuple[int, ...], Field(strict=False)], ...], Field(strict=False)
    ]
    """Shape of each output of a run, with all its axes."""
    activation: Literal["", "Softmax", "Sigmoid"]
    """The operator that is added behind the output; empty for none."""
    preprocess: Preprocessing

    def batch_axis(self, place: int) -> int:
        """Return the axis of an output along which the images of a run lie: see ``batch_axis``."""
        return batch_axis(self.run_shapes[place], self.axes, self.batch) or 0


def adapted(path: Path, ends: Ends) -> tuple[bytes, int]:
    """Return the bytes of the adapted model of a file, and its number of parameters.

    Raises StepError if it cannot be adapted, InputError if it takes no batch.
    """
    import onnx

    where = str(path)
    if "N" not in ends.axes:
        raise InputError(
            where,
            "takes one image, without an axis for a batch",
            accepted="inputs of any number of images",
            remedy="export the model again with an open batch as the first axis",
        )
    model = in_this_version(onnx.ModelProto.FromString(read_regular(path)), where)
    check_graph(model.graph, where)
    _name_ends(model.graph, ends)
    names = (PROBABILITIES,) if ends.is_classifier else [each.name for each in ends.outputs]
    named = canonical(model, where, outputs=names)
    floats = [each for each in named.graph.initializer if each.data_type == onnx.TensorProto.FLOAT]
    parameters = sum(int(np.prod(each.dims)) for each in floats)
    model = read_model(named)
    _open_batch(model.graph, ends.batch)
    _take_pixels(model.graph, ends, where)
    for place in range(len(ends.outputs)):
        _give_reals(model.graph, place, ends)
    result = canonical(model, where, outputs=names)
    check_batch(result, ends.shape, where)
    return serialized(result), parameters


def _name_ends(graph: Graph, ends: Ends) -> None:
    """Set the known shapes of input and outputs, which an exporter may have left open."""
    import onnx_ir

    lengths = dict(zip("NHWC", (BATCH, *ends.shape), strict=True))
    graph.inputs[0].shape = onnx_ir.Shape([lengths[axis] for axis in ends.axes])
    for place, value in enumerate(graph.outputs):
        sides: list[int | str] = list(ends.outputs[place].shape)
        sides.insert(ends.batch_axis(place), BATCH)
        value.shape = onnx_ir.Shape(sides)


def _open_batch(graph: Graph, batch: int) -> None:
    """Let each Reshape of one image, or of a fixed batch, take any number of images.

    Those of other values, such as a grid of places, keep their shape.
    """
    of_image = {graph.inputs[0]}
    for node in graph:
        if of_image.isdisjoint(node.inputs) or node.op_type in ("Shape", "Size"):
            continue
        of_image.update(node.outputs)
        shape = constant(node.inputs[1]) if node.op_type == "Reshape" else None
        if shape is None or shape.ndim != 1 or len(shape) < 2:
            continue
        # -1 stays: it is open, and need not be the images alone.
        if shape[0] < 1 or shape[0] not in (1, batch):
            continue
        if attribute_of(node, "allowzero", 0) == 0:
            opened = np.array([0, *shape[1:]], np.int64)
            node.replace_input_with(1, add_constant(graph, f"{node.name}_shape", opened))


def _take_pixels(graph: Graph, ends: Ends, where: str) -> None:
    """Insert the preprocessing of pixels (batch, H, W, C) in front of the graph."""
    import onnx_ir

    scale, offset, order = affine_of(ends.preprocess, ends.shape[2], where)
    is_turned = order != sorted(order)
    if is_turned and _turn_first_kernel(graph, ends, order):
        scale, offset, is_turned = scale[order], offset[order], False
    image, first = graph.inputs[0], graph[0]
    uses, current = list(image.uses()), image
    if is_turned:
        places = add_constant(graph, "order", np.array(order, np.int64))
        current = add_node(graph, "Gather", [current, places], first, axis=3)
    is_one = np.ptp(scale) == 0 == np.ptp(offset)
    by_channel = not is_one and ends.axes == "NCHW" and not takes_rescaling(only_consumer(image))
    if not by_channel:
        current = _rescaled(graph, current, first, scale, offset)
    current = _turned_axes(graph, current, first, ends)
    if by_channel:
        # A product and a sum of each channel would take several times as long.
        kernel = add_constant(graph, "scale", scale.astype(np.float32).reshape(-1, 1, 1, 1))
        bias = add_constant(graph, "offset", offset.astype(np.float32))
        options = {"group": len(scale), "kernel_shape": [1, 1]}
        current = add_node(graph, "Conv", [current, kernel, bias], first, **options)
    if image.dtype != onnx_ir.DataType.FLOAT:
        current = add_node(graph, "Cast", [current], first, to=int(image.dtype))
    for use in uses:
        use.node.replace_input_with(use.idx, current)
    image.dtype, image.shape = onnx_ir.DataType.FLOAT, onnx_ir.Shape([BATCH, *ends.shape])


def _rescaled(
    graph: Graph,
    pixels: Value,
    first: Node,
    scale: NDArray[np.float64],
    offset: NDArray[np.float64],
) -> Value:
    """Return pixels (batch, H, W, C) times a scale plus an offset, of all channels or of each."""
    for name, operator, value, nothing in (
        ("scale", "Mul", scale, 1.0),
        ("offset", "Add", offset, 0.0),
    ):
        if (value != nothing).any():
            numbers = value[:1] if np.ptp(value) == 0 else value
            values = add_constant(graph, name, numbers.astype(np.float32).reshape(1, 1, 1, -1))
            pixels = add_node(graph, operator, [pixels, values], first)
    return pixels


def _turned_axes(graph: Graph, pixels: Value, first: Node, ends: Ends) -> Value:
    """Return pixels (batch, H, W, C) with the axes of the model's own input."""
    axes = "NHWC"
    if "C" not in ends.axes:
        last = add_constant(graph, "channel_axis", np.array([3], np.int64))
        pixels, axes = add_node(graph, "Squeeze", [pixels, last], first), "NHW"
    if axes == ends.axes:
        return pixels
    places = [axes.index(axis) for axis in ends.axes]
    return add_node(graph, "Transpose", [pixels], first, perm=places)


def _turn_first_kernel(graph: Graph, ends: Ends, order: list[int]) -> bool:
    """Reorder the input channels of the first convolution's kernel; return True if there is one."""
    first = only_consumer(graph.inputs[0], "Conv")
    if first is None or ends.axes != "NCHW":
        return False
    kernel = constant(first.inputs[1])
    if kernel is None or attribute_of(first, "group", 1) != 1:
        return False
    turned = np.ascontiguousarray(kernel[:, order])
    first.replace_input_with(1, add_constant(graph, "turned_kernel", turned))
    return True


def _give_reals(graph: Graph, place: int, ends: Ends) -> None:
    """Make an output float32 with the batch in front: (batch, ...), of the shape in ``ends``."""
    import onnx_ir

    answer, shape = graph.outputs[place], ends.outputs[place].shape
    rank = len(ends.run_shapes[place])
    if answer.dtype != onnx_ir.DataType.FLOAT:
        answer = add_node(graph, "Cast", [answer], to=int(onnx_ir.DataType.FLOAT))
    if first := ends.batch_axis(place):
        others = [each for each in range(rank) if each != first]
        answer = add_node(graph, "Transpose", [answer], perm=[first, *others])
    if len(shape) == 1 and rank != ROW:
        answer = add_node(graph, "Flatten", [answer], axis=1)
    if ends.activation:
        axis = {"axis": 1} if ends.activation == "Softmax" else {}
        answer = add_node(graph, ends.activation, [answer], **axis)
    answer.dtype = onnx_ir.DataType.FLOAT
    answer.shape = onnx_ir.Shape([BATCH, *shape])
    graph.outputs[place] = answer
