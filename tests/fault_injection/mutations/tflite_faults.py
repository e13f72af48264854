"""Faults that are planted in a good int8 .tflite file, each as bytes to bytes."""

from collections.abc import Callable
from typing import Any

import numpy as np

KERNELS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


class Editor:
    """An int8 file whose tensors can be changed."""

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        self.graph = self._model.subgraphs[0]
        names = {value: key for key, value in vars(schema.BuiltinOperator).items()}
        codes = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in self._model.operatorCodes]
        self.kinds = [names[codes[each.opcodeIndex]] for each in self.graph.operators]
        self.kernels = [
            operator
            for operator, kind in zip(self.graph.operators, self.kinds, strict=True)
            if kind in KERNELS
        ]

    def tensor(self, number: int) -> Any:
        return self.graph.tensors[number]

    def weights(self, layer: int) -> Any:
        """Return a layer's weights, int8, to be changed in place by ``set``."""
        return self._read(int(self.kernels[layer].inputs[1]), np.int8)

    def biases(self, layer: int) -> Any:
        return self._read(int(self.kernels[layer].inputs[2]), np.int32)

    def set(self, layer: int, place: int, values: Any) -> None:
        buffer = self.tensor(int(self.kernels[layer].inputs[place])).buffer
        self._model.buffers[buffer].data = np.frombuffer(values.tobytes(), np.uint8)

    def scales(self, layer: int, place: int) -> Any:
        """Return the scales of an operator's input, one an output; a change is kept."""
        quantization = self.tensor(int(self.kernels[layer].inputs[place])).quantization
        quantization.scale = np.array(quantization.scale, np.float32)
        return quantization.scale

    def _read(self, number: int, kind: Any) -> Any:
        tensor = self.tensor(number)
        data = np.asarray(self._model.buffers[tensor.buffer].data, np.uint8)
        return np.frombuffer(data.tobytes(), kind).reshape([int(n) for n in tensor.shape]).copy()

    def content(self) -> bytes:
        import flatbuffers

        builder = flatbuffers.Builder(1024)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def swapped_outputs(content: bytes, first: int, second: int) -> bytes:
    editor = Editor(content)
    order = np.arange(len(editor.biases(-1)))
    order[[first, second]] = order[[second, first]]
    editor.set(-1, 1, editor.weights(-1)[order])
    editor.set(-1, 2, editor.biases(-1)[order])
    for place in (1, 2):
        scales = editor.scales(-1, place)
        scales[:] = scales[order]
    return editor.content()


def channels_of(content: bytes, layer: int) -> int:
    """Return the channels of a layer that have scales of their own."""
    return len(Editor(content).scales(layer, 1))


def wrong_scale(content: bytes, layer: int, channel: Any, factor: float = 1.1) -> bytes:
    """Multiply the scale of a channel, or of several."""
    editor = Editor(content)
    editor.scales(layer, 1)[channel] *= factor
    return editor.content()


def wrong_input_scale(content: bytes, layer: int, factor: float = 1.1) -> bytes:
    """Scale what a layer takes, and not the biases that were made for it."""
    editor = Editor(content)
    editor.scales(layer, 0)[:] *= factor
    return editor.content()


def moved_zero_point(content: bytes, layer: int) -> bytes:
    """Move the zero point of what a layer gives by one."""
    editor = Editor(content)
    quantization = editor.tensor(int(editor.kernels[layer].outputs[0])).quantization
    quantization.zeroPoint = np.array(quantization.zeroPoint, np.int64) + 1
    return editor.content()


def swapped_colours(content: bytes, layer: int) -> bytes:
    editor = Editor(content)
    editor.set(layer, 1, np.ascontiguousarray(editor.weights(layer)[..., ::-1]))
    return editor.content()


def damaged_class(content: bytes, number: int, how: str) -> bytes:
    editor = Editor(content)
    weights = editor.weights(-1)
    random = np.random.default_rng(number)
    weights[number] = {
        "zeroed": np.zeros_like(weights[number]),
        "shuffled": random.permutation(weights[number]),
        "noise": random.integers(-127, 128, weights[number].shape),
    }[how]
    editor.set(-1, 1, weights)
    return editor.content()


def damaged_biases(content: bytes, layer: int) -> bytes:
    """Move three biases, each by another number of steps."""
    editor = Editor(content)
    editor.set(layer, 2, moved(editor.biases(layer)))
    return editor.content()


def flipped_weights(content: bytes, part: float, seed: int, how: str) -> bytes:
    """Flip a bit or the sign of a part of the weights of every layer."""
    editor = Editor(content)
    random = np.random.default_rng(seed)
    for layer in range(len(editor.kernels)):
        weights = editor.weights(layer)
        editor.set(layer, 1, flipped(weights, part, random, how))
    return editor.content()


def slowed(content: bytes, times: int) -> bytes:
    """Put poolings that change nothing behind the first convolution."""
    import copy

    editor = Editor(content)
    operators = list(editor.graph.operators)
    pooling = operators[editor.kinds.index("MAX_POOL_2D")]
    source = int(pooling.inputs[0])
    for _ in range(times):
        tensor, idle = copy.deepcopy(editor.tensor(source)), copy.deepcopy(pooling)
        editor.graph.tensors.append(tensor)
        options = idle.builtinOptions
        options.filterHeight = options.filterWidth = options.strideH = options.strideW = 1
        idle.inputs = np.array([source], np.int32)
        source = len(editor.graph.tensors) - 1
        idle.outputs = np.array([source], np.int32)
        operators.insert(operators.index(pooling), idle)
    pooling.inputs = np.array([source], np.int32)
    editor.graph.operators = operators
    return editor.content()


def moved(biases: Any) -> Any:
    """Return biases with three of them moved, each by another number of steps."""
    found = biases.copy()
    found[[0, 3, 5]] += np.array([9000, -7000, 12000], biases.dtype)
    return found


def flipped(weights: Any, part: float, random: Any, how: str) -> Any:
    """Return int8 weights with a part of them flipped."""
    codes = weights.copy().reshape(-1)
    count = max(1, round(part * codes.size))
    chosen = random.choice(codes.size, count, replace=False)
    if how == "sign":
        codes[chosen] = -np.maximum(codes[chosen], -127)
    elif how == "top bit":
        codes.view(np.uint8)[chosen] ^= np.uint8(0x80)
    else:
        codes.view(np.uint8)[chosen] ^= (1 << random.integers(0, 8, count)).astype(np.uint8)
    return codes.reshape(weights.shape)


Fault = Callable[[bytes], bytes]
