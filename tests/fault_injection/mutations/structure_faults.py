"""Faults between layers: their weights, biases or channels in the wrong place, a part left out."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx_faults
import tflite_faults
from planting import Planted


class TFLiteLayers:
    """The layers of an int8 .tflite file, to be exchanged."""

    def __init__(self, content: bytes) -> None:
        self.editor = tflite_faults.Editor(content)
        self.count = len(self.editor.kernels)
        for operator in self.editor.graph.operators:
            operator.inputs = np.array(operator.inputs)

    def shape(self, layer: int) -> tuple[int, ...]:
        tensor = self.editor.tensor(int(self.editor.kernels[layer].inputs[1]))
        return tuple(int(side) for side in tensor.shape)

    def exchange(self, first: int, second: int) -> None:
        one, other = (self.editor.kernels[each] for each in (first, second))
        for place in (1, 2):
            one.inputs[place], other.inputs[place] = other.inputs[place], one.inputs[place]

    def use(self, layer: int, other: int, place: int) -> None:
        """Give a layer the weights (place 1) or the biases (place 2) of another one."""
        kernels = self.editor.kernels
        if place == 1:
            kernels[layer].inputs[1] = kernels[other].inputs[1]
            return
        codes, scale = self.editor.biases(other), self.editor.scales(other, 2)
        own = self.editor.scales(layer, 2)
        self.editor.set(layer, 2, np.rint(codes * scale / own).astype(np.int32))

    def permute(self, layer: int, order: Any) -> None:
        axis = 3 if self.kind(layer) == "DEPTHWISE_CONV_2D" else 0
        self.editor.set(
            layer, 1, np.ascontiguousarray(self.editor.weights(layer).take(order, axis))
        )
        self.editor.set(layer, 2, self.editor.biases(layer)[order])
        for place in (1, 2):
            scales = self.editor.scales(layer, place)
            scales[:] = scales[order]

    def permute_inputs(self, layer: int) -> None:
        weights = self.editor.weights(layer)
        order = np.random.default_rng(layer).permutation(weights.shape[-1])
        self.editor.set(layer, 1, np.ascontiguousarray(weights[..., order]))

    def kind(self, layer: int) -> str:
        operators = list(self.editor.graph.operators)
        return str(self.editor.kinds[operators.index(self.editor.kernels[layer])])

    def sums(self) -> list[Any]:
        """Return the sums of two branches."""
        operators = zip(self.editor.graph.operators, self.editor.kinds, strict=True)
        buffers = self.editor._model.buffers
        return [
            operator
            for operator, kind in operators
            if kind == "ADD"
            and all(
                buffers[self.editor.tensor(int(each)).buffer].data is None
                for each in operator.inputs
            )
        ]

    def lose_sum(self) -> None:
        """Let the last sum of two branches take one of them twice."""
        inputs = self.sums()[-1].inputs
        inputs[1] = inputs[0]

    def content(self) -> bytes:
        return self.editor.content()


class OnnxLayers:
    """The layers of an int8 .onnx file, to be exchanged."""

    def __init__(self, content: bytes) -> None:
        self.editor = onnx_faults.Editor(content)
        self.count = len(self.editor.kernels)

    def shape(self, layer: int) -> tuple[int, ...]:
        node = self.editor.kernels[layer]
        group = next((each.i for each in node.attribute if each.name == "group"), 1)
        return (*self.editor.values(self.editor.reader(layer, 1), 0).shape, group)

    def exchange(self, first: int, second: int) -> None:
        one, other = (self.editor.kernels[each] for each in (first, second))
        for place in range(1, len(one.input)):
            one.input[place], other.input[place] = other.input[place], one.input[place]

    def use(self, layer: int, other: int, place: int) -> None:
        if place == 1:
            self.editor.kernels[layer].input[1] = self.editor.kernels[other].input[1]
            return
        mine, yours = self.editor.reader(layer, 2), self.editor.reader(other, 2)
        reals = self.editor.values(yours, 0) * self.editor.values(yours, 1)
        self.editor.set(mine, 0, np.rint(reals / self.editor.values(mine, 1)).astype(np.int32))

    def permute(self, layer: int, order: Any) -> None:
        for place in (1, 2):
            node = self.editor.reader(layer, place)
            axis = 1 if place == 1 and self.editor.outputs_last(layer) else 0
            self.editor.set(node, 0, self.editor.values(node, 0).take(order, axis))
            scales = self.editor.values(node, 1)
            if scales.size > 1:
                self.editor.set(node, 1, scales[order])

    def permute_inputs(self, layer: int) -> None:
        node = self.editor.reader(layer, 1)
        weights = self.editor.values(node, 0)
        axis = 0 if self.editor.outputs_last(layer) else 1
        order = np.random.default_rng(layer).permutation(weights.shape[axis])
        self.editor.set(node, 0, weights.take(order, axis))

    def sums(self) -> list[Any]:
        """Return the sums of two branches."""
        return [
            node
            for node in self.editor.model.graph.node
            if node.op_type == "Add"
            and all(
                self.editor.makers[each].input[0] not in self.editor.constants
                for each in node.input
                if each in self.editor.makers
            )
        ]

    def lose_sum(self) -> None:
        inputs = self.sums()[-1].input
        inputs[1] = inputs[0]

    def content(self) -> bytes:
        return self.editor.content()


LAYERS: dict[str, Any] = {"tflite": TFLiteLayers, "onnx": OnnxLayers}


def between_layers(file_format: str, content: bytes) -> Iterator[Planted]:
    """Give faults of the places of layers in an int8 file of any network."""
    layers = LAYERS[file_format](content)
    shapes = [layers.shape(number) for number in range(layers.count)]
    pairs = [
        (a, b) for a in range(len(shapes)) for b in range(a + 1, len(shapes))
        if shapes[a] == shapes[b]
    ]  # fmt: skip

    def edit(change: Callable[[Any], object]) -> Callable[[bytes], bytes]:
        def plant(given: bytes) -> bytes:
            edited = LAYERS[file_format](given)
            change(edited)
            return bytes(edited.content())

        return plant

    for a, b in dict.fromkeys((pairs[0], pairs[-1])):
        name = f"{a} {b}"
        yield Planted(
            "layers swapped", name, "weights", "the layers .* are swapped",
            edit(lambda each, a=a, b=b: each.exchange(a, b)),
        )  # fmt: skip
        yield Planted(
            "weights of another layer", name, "weights", "the weights of .* are those of",
            edit(lambda each, a=a, b=b: each.use(a, b, 1)),
        )  # fmt: skip
        yield Planted(
            "biases of another layer", name, "weights", "the biases of .* are those of",
            edit(lambda each, a=a, b=b: each.use(a, b, 2)),
        )  # fmt: skip
    for layer in (1, len(shapes) // 2):
        outputs = shapes[layer][-1] if file_format == "tflite" else shapes[layer][0]
        order = np.random.default_rng(layer).permutation(outputs)
        is_last = file_format == "tflite" and layers.kind(layer) == "DEPTHWISE_CONV_2D"
        if file_format == "tflite" and not is_last:
            order = np.random.default_rng(layer).permutation(shapes[layer][0])
        yield Planted(
            "channels permuted", f"layer {layer}", "weights", "channels .* are swapped",
            edit(lambda each, layer=layer, order=order: each.permute(layer, order)),
        )  # fmt: skip
    yield Planted(
        "inputs permuted", "", "weights", "takes channels .* in another order",
        edit(lambda each: each.permute_inputs(layers.count - 1)),
    )  # fmt: skip
    if not layers.sums():
        return
    yield Planted(
        "branch lost", "", "weights", "takes what .* gives, in the twin",
        edit(lambda each: each.lose_sum()),
    )  # fmt: skip


def without_activation(model: Any, number: int) -> Any:
    """Return the model without its ReLU of this number, and with the same weights."""
    from edgecv.models.tf import load_tensorflow

    _, keras = load_tensorflow()
    kinds = (keras.layers.ReLU, keras.layers.Activation)
    bent = [
        each.name
        for each in model.layers
        if isinstance(each, kinds) and "softmax" not in str(each.get_config())
    ]

    def other(layer: Any) -> Any:
        if layer.name == bent[number]:
            return keras.layers.Activation("linear", name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    changed = keras.models.clone_model(model, clone_function=other)
    changed.set_weights(model.get_weights())
    return changed
