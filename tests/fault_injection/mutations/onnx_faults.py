"""Faults that are planted in a good int8 .onnx file, each as bytes to bytes."""

from typing import Any

import numpy as np
from tflite_faults import flipped, moved

from edgecv.formats.onnx.plain_pixels import read_in_pixels

KERNELS = ("Conv", "Gemm", "MatMul")


class Editor:
    """An int8 file in the QDQ form whose constants can be changed, each of them for itself.

    A first convolution over blocks of pixels is written as the plain one.
    """

    def __init__(self, content: bytes) -> None:
        import onnx_ir
        from onnx import numpy_helper

        self.model = onnx_ir.to_proto(read_in_pixels(content).model)
        self._helper = numpy_helper
        graph = self.model.graph
        self.constants = {each.name: each for each in graph.initializer}
        self.makers = {name: node for node in graph.node for name in node.output}
        self.takers: dict[str, list[Any]] = {}
        for node in graph.node:
            for name in node.input:
                self.takers.setdefault(name, []).append(node)
        self.kernels = [node for node in graph.node if node.op_type in KERNELS]

    def reader(self, layer: int, place: int) -> Any:
        """Return the DequantizeLinear of an input of a layer."""
        return self.makers[self.kernels[layer].input[place]]

    def values(self, node: Any, place: int) -> Any:
        return self._helper.to_array(self.constants[node.input[place]]).copy()

    def set(self, node: Any, place: int, values: Any) -> None:
        """Give a node a constant of its own: others may share the old one."""
        name = f"planted_{len(self.model.graph.initializer)}"
        tensor = self._helper.from_array(np.ascontiguousarray(values), name)
        self.model.graph.initializer.append(tensor)
        self.constants[name] = tensor
        node.input[place] = name

    def outputs_last(self, layer: int) -> bool:
        return self.kernels[layer].op_type != "Conv"

    def content(self) -> bytes:
        return bytes(self.model.SerializeToString())


def swapped_outputs(content: bytes, first: int, second: int) -> bytes:
    editor = Editor(content)
    weights, bias = editor.reader(-1, 1), editor.reader(-1, 2)
    order = np.arange(len(editor.values(bias, 0)))
    order[[first, second]] = order[[second, first]]
    editor.set(weights, 0, editor.values(weights, 0)[:, order])
    editor.set(weights, 1, editor.values(weights, 1)[order])
    for place in (0, 1):
        editor.set(bias, place, editor.values(bias, place)[order])
    return editor.content()


def channels_of(content: bytes, layer: int) -> int:
    """Return the channels of a layer that have scales of their own."""
    editor = Editor(content)
    return len(editor.values(editor.reader(layer, 1), 1))


def wrong_scale(content: bytes, layer: int, channel: Any, factor: float = 1.1) -> bytes:
    """Multiply the scale of a channel, or of several."""
    editor = Editor(content)
    node = editor.reader(layer, 1)
    scales = editor.values(node, 1)
    scales[channel] *= factor
    editor.set(node, 1, scales)
    return editor.content()


def wrong_input_scale(content: bytes, layer: int, factor: float = 1.1) -> bytes:
    editor = Editor(content)
    node = editor.reader(layer, 0)
    editor.set(node, 1, editor.values(node, 1) * np.float32(factor))
    return editor.content()


def moved_zero_point(content: bytes, layer: int, what: str = "both") -> bytes:
    """Move the zero point of what a layer gives by one: where it is rounded, read, or both."""
    editor = Editor(content)
    (rounding,) = editor.takers[editor.kernels[layer].output[0]]
    readers = editor.takers[rounding.output[0]]
    nodes = {"rounded": [rounding], "read": readers, "both": [rounding, *readers]}[what]
    for node in nodes:
        values = editor.values(node, 2)
        editor.set(node, 2, values + values.dtype.type(1))
    return editor.content()


def moved_weights_zero_point(content: bytes, layer: int) -> bytes:
    editor = Editor(content)
    node = editor.reader(layer, 1)
    editor.set(node, 2, editor.values(node, 2) + np.int8(1))
    return editor.content()


def swapped_colours(content: bytes, layer: int) -> bytes:
    editor = Editor(content)
    node = editor.reader(layer, 1)
    editor.set(node, 0, editor.values(node, 0)[:, ::-1])
    return editor.content()


def damaged_class(content: bytes, number: int, how: str) -> bytes:
    editor = Editor(content)
    node = editor.reader(-1, 1)
    weights = editor.values(node, 0)
    random = np.random.default_rng(number)
    weights[:, number] = {
        "zeroed": np.zeros_like(weights[:, number]),
        "shuffled": random.permutation(weights[:, number]),
        "noise": random.integers(-127, 128, len(weights)),
    }[how]
    editor.set(node, 0, weights)
    return editor.content()


def damaged_biases(content: bytes, layer: int) -> bytes:
    """Move three biases, each by another number of steps."""
    editor = Editor(content)
    node = editor.reader(layer, 2)
    editor.set(node, 0, moved(editor.values(node, 0)))
    return editor.content()


def flipped_weights(content: bytes, part: float, seed: int, how: str) -> bytes:
    editor = Editor(content)
    random = np.random.default_rng(seed)
    for layer in range(len(editor.kernels)):
        node = editor.reader(layer, 1)
        editor.set(node, 0, flipped(editor.values(node, 0), part, random, how))
    return editor.content()


def slowed(content: bytes, times: int) -> bytes:
    """Put poolings that change nothing behind the first convolution."""
    from onnx import helper

    editor = Editor(content)
    (rounding,) = editor.takers[editor.kernels[0].output[0]]
    (reader,) = editor.takers[rounding.output[0]]
    nodes, name = list(editor.model.graph.node), rounding.output[0]
    place = nodes.index(reader)
    idle = []
    for number in range(times):
        read, pooled, rounded = (f"{kind}_{number}" for kind in ("read", "pooled", "rounded"))
        idle += [
            helper.make_node("DequantizeLinear", [name, *reader.input[1:3]], [read]),
            helper.make_node("MaxPool", [read], [pooled], kernel_shape=[1, 1]),
            helper.make_node("QuantizeLinear", [pooled, *rounding.input[1:3]], [rounded]),
        ]
        name = rounded
    reader.input[0] = name
    del editor.model.graph.node[:]
    editor.model.graph.node.extend([*nodes[:place], *idle, *nodes[place:]])
    return editor.content()
