"""Backbone: the layers of a trained model that another network starts from."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from edgecv.core.errors import InputError, unknown_name
from edgecv.core.keras_types import KerasLayer, KerasModel, Tensor
from edgecv.core.plugins import Head
from edgecv.core.text import counted
from edgecv.models.architectures.blocks import headed
from edgecv.models.preprocessing import pixel_kernel
from edgecv.models.tf import keras

ROW, MAP = 2, 4
"""Axes of a row of features, (N, F), and of a map, (N, H, W, F)."""


@dataclass(frozen=True)
class Backbone:
    """A network with a new head, and the layers of it that are trained already."""

    model: KerasModel
    layers: tuple[KerasLayer, ...]
    """The layers with weights, those within nested models too."""
    sentence: str
    """The end of the backbone, and the layers that were left out."""

    @contextmanager
    def frozen(self, *, all_weights: bool) -> Iterator[None]:
        """Keep its batch normalization in inference mode; with ``all_weights`` all of it is frozen.

        Its statistics are those of many images, which a few new ones would only disturb.
        """
        before = [layer.trainable for layer in self.layers]
        for layer in self.layers:
            if all_weights or isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
        try:
            yield
        finally:
            for layer, is_trained in zip(self.layers, before, strict=True):
                layer.trainable = is_trained


def with_new_head(
    model: KerasModel, head: Head, features: str, layer: str | None, where: str
) -> Backbone:
    """Return the backbone of a model with the head of another task.

    ``features``: the "row" or "map" that the head takes; ``layer``: the last one of the backbone,
    by default what the last dense layer, or 1x1 convolution, takes. Raises InputError where the
    model has no such features.
    """
    tensor = _named(model, layer, where) if layer is not None else _before_head(model, where)
    own = tensor.node.layer
    body = keras.Model(model.inputs, tensor)
    needed = {id(each) for each in body.layers}
    left_out = [each.name for each in model.layers if id(each) not in needed]
    shape = "x".join(str(side) for side in tensor.shape[1:])
    sentence = f"the backbone ends at {own.name} ({shape})"
    if left_out:
        sentence += f"; new layers take the place of {', '.join(left_out[-3:])}"
    thaw(body)
    if features == "row" and len(tensor.shape) == MAP:
        tensor = keras.layers.GlobalAveragePooling2D(name="backbone_pool")(tensor)
    if len(tensor.shape) != (ROW if features == "row" else MAP):
        raise InputError(
            where,
            f"{own.name} gives {shape} for an image, and the head takes a {features} of features",
            remedy="name another layer by layer = under [baseline.backbone]",
        )
    ends = head()
    if both := [each.name for each in body.layers if each.name in _names(ends)]:
        raise InputError(
            where,
            f"its backbone has a layer called {both[0]}, and the new head has one of this name",
            remedy="end the backbone before it, by layer = under [baseline.backbone]",
        )
    network = keras.Model(model.inputs, headed(tensor, ends), name=model.name)
    layers = [each for each in body._flatten_layers(include_self=False) if not _is_model(each)]
    return Backbone(network, tuple(each for each in layers if each.weights), sentence)


def _names(ends: Sequence[KerasLayer] | Mapping[str, Sequence[KerasLayer]]) -> set[str]:
    """Return the names of the layers of a head."""
    chains = ends.values() if isinstance(ends, Mapping) else [ends]
    return {layer.name for chain in chains for layer in chain}


def thaw(model: KerasModel) -> None:
    """Let all layers train, in place, but for a convolution of ours that prepares the pixels.

    Files keep what their own training has frozen, and a head that stands on frozen layers alone
    could not be fine-tuned with them.
    """
    pixels = pixel_kernel(model)
    for layer in model.layers:
        if layer is not pixels:
            layer.trainable = True


def with_weights(
    model: KerasModel, head: Head, weights: Mapping[str, Sequence[Any]], where: str
) -> Backbone:
    """Return a network of ours with this head, whose other layers get weights by name.

    Raises InputError where layers and weights do not fit each other.
    """
    own = _names(head())
    body = [layer for layer in model.layers if layer.weights and layer.name not in own]
    names = {layer.name: layer.name for layer in model.layers}
    by_class = _names_by_class(model)
    by_name = all(each.name in weights for each in body)
    if not by_name and all(by_class[each.name] in weights for each in body):
        names = by_class
    left = dict(weights)
    for layer in body:
        shapes = [tuple(each.shape) for each in layer.weights]
        found = left.pop(names[layer.name], None)
        if found is None:
            raise InputError(
                where,
                f"has no weights for {layer.name} ({_text(shapes)}); it has"
                f" {', '.join(weights) or 'none'}",
                remedy="give the --architecture that they were trained in",
            )
        if [each.shape for each in found] != shapes:
            raise InputError(
                where,
                f"has weights of {_text([each.shape for each in found])} for {layer.name}, which"
                f" takes {_text(shapes)}",
                remedy="give the options and the --input-size that they were trained with",
            )
        layer.set_weights(found)
    for name in left.keys() - {names.get(layer, layer) for layer in own}:
        text = _text([each.shape for each in left[name]])
        raise InputError(where, f"has weights of {name} ({text}) that fit no layer")
    return Backbone(
        model, tuple(body), f"{counted(len(body), 'layer')} have the weights of {where}"
    )


def _text(shapes: Sequence[Sequence[int]]) -> str:
    return ", ".join("x".join(map(str, shape)) for shape in shapes)


def _names_by_class(model: KerasModel) -> dict[str, str]:
    """Return the name that tf-keras' ``.weights.h5`` has for each layer: conv2d, conv2d_1."""
    from tf_keras.src.utils.generic_utils import to_snake_case

    found, numbers = dict[str, str](), Counter[str]()
    for layer in model.layers:
        kind = to_snake_case(type(layer).__name__)
        found[layer.name] = f"{kind}_{numbers[kind]}" if numbers[kind] else kind
        numbers[kind] += 1
    return found


def _is_model(layer: Any) -> bool:
    return isinstance(layer, keras.Model)


def _named(model: KerasModel, name: str, where: str) -> Tensor:
    """Return the output of a layer by its name. Raises InputError where there is none."""
    names = [each.name for each in model.layers]
    if name not in names:
        raise unknown_name(where, f'has no layer "{name}"', name, names)
    return model.get_layer(name).get_output_at(0)


def _before_head(model: KerasModel, where: str) -> Tensor:
    """Return what the last dense layer, or 1x1 convolution, of a model takes; else its output."""
    if len(model.outputs) != 1:
        raise InputError(
            where,
            f"has {counted(len(model.outputs), 'output')}: none shows where its backbone ends",
            remedy="name it by layer = under [baseline.backbone]",
        )
    tensor = model.outputs[0]
    while True:
        last = tensor.node.layer
        is_head = isinstance(last, keras.layers.Dense) or (
            isinstance(last, keras.layers.Conv2D)
            and last.kernel_size == (1, 1)
            and last.activation in (keras.activations.linear, keras.activations.softmax)
        )
        if is_head:
            return tensor.node.keras_inputs[0]
        if _is_model(last) and _ends_in_classes(last):
            raise InputError(
                where,
                f"ends in {last.name}, a model within it: its layers cannot be told apart",
                remedy="name the last layer of the backbone by layer = under [baseline.backbone]",
            )
        if last.weights or isinstance(last, keras.layers.InputLayer) or _is_model(last):
            return model.outputs[0]
        if len(tensor.node.keras_inputs) != 1:
            return model.outputs[0]
        tensor = tensor.node.keras_inputs[0]


def _ends_in_classes(model: KerasModel) -> bool:
    activation = getattr(model.layers[-1], "activation", None)
    return isinstance(model.layers[-1], keras.layers.Softmax | keras.layers.Dense) or (
        activation in (keras.activations.softmax, keras.activations.sigmoid)
    )
