"""Folding of batch normalization into the layer before it, as converters do: exact in inference."""

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.models.tf import keras
from edgecv.techniques.rewrites.plain_layers import normalization_of
from edgecv.techniques.rewrites.replay import makers_of, nodes_of

Weights = list[NDArray[Any]]
CHANNELS_OF = {
    "Dense": (0, -1),
    "Conv2D": (0, -1),
    "Conv2DTranspose": (0, -2),
    "SeparableConv2D": (1, -1),
    "DepthwiseConv2D": (0, None),
}
"""The number of the weight that makes the outputs, and its output axis; None: the last two."""


@dataclass(frozen=True)
class FoldablePair:
    """A layer, and the layer behind it that can be folded into it."""

    layer: KerasLayer
    taken_up: Any
    rank: int
    """The number of axes of the tensor between them, with the batch."""


def fold(model: KerasModel) -> tuple[KerasModel, tuple[str, ...]]:
    """Return a copy without batch normalization where it can be folded, and what was folded.

    It can be folded if it stands directly behind a convolution or dense layer whose output nothing
    else takes, and both are used once. Other layers keep their names. The changed kernels lose
    weight decay and constraints, which were meant for weights before a normalization.
    """
    pairs = [
        pair
        for pair in _pairs(model, lambda layer: type(layer) is keras.layers.BatchNormalization)
        if [axis % pair.rank for axis in pair.taken_up.axis] == [pair.rank - 1]
    ]
    folded = {pair.layer.name: _folded(pair) for pair in pairs}
    changes = {name: _options(model.get_layer(name)) for name in folded}
    result = _without(model, pairs, changes)
    for layer in result.layers:
        layer.set_weights(folded.get(layer.name) or model.get_layer(layer.name).get_weights())
    return result, tuple(pair.taken_up.name for pair in pairs)


def fuse_relus(model: KerasModel) -> KerasModel:
    """Return a copy in which each relu behind a linear layer is this layer's own activation."""
    pairs = _pairs(model, _is_relu)
    result = _without(model, pairs, {pair.layer.name: {"activation": "relu"} for pair in pairs})
    for layer in result.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    return result


def folded_note(names: Sequence[str]) -> str:
    """Return the note on folded layers for the report."""
    return f"folded into the layer before it, exactly: {', '.join(names)}"


def normalizations_in(model: KerasModel) -> Iterator[str]:
    """Yield the name of each batch normalization, also of those in nested models."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from normalizations_in(layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            yield layer.name


def _pairs(model: KerasModel, is_wanted: Callable[[Any], bool]) -> list[FoldablePair]:
    """Return the wanted layers that alone take the output of a linear layer, each with it."""
    nodes = nodes_of(model)
    uses = Counter(id(node.layer) for node in nodes)
    takers = Counter(id(tensor) for node in nodes for tensor in node.keras_inputs)
    takers.update(id(tensor) for tensor in model.outputs)
    makers = makers_of(model)
    found = {}
    for node in nodes:
        if not is_wanted(node.layer) or len(node.keras_inputs) != 1:
            continue
        (taken,) = node.keras_inputs
        layer = makers[id(taken)].layer
        is_alone = takers[id(taken)] == uses[id(layer)] == uses[id(node.layer)] == 1
        if is_alone and _is_linear_kernel(layer):
            found[layer.name] = FoldablePair(layer, node.layer, len(taken.shape))
    return [found[layer.name] for layer in model.layers if layer.name in found]


def _is_linear_kernel(layer: KerasLayer) -> bool:
    return (
        type(layer) in [getattr(keras.layers, name) for name in CHANNELS_OF]
        and layer.activation is keras.activations.linear
        and getattr(layer, "data_format", "channels_last") == "channels_last"
    )


def _is_relu(layer: KerasLayer) -> bool:
    if type(layer) is keras.layers.Activation:
        return layer.activation is keras.activations.relu
    if type(layer) is not keras.layers.ReLU:
        return False
    return layer.max_value is None and not layer.negative_slope and not layer.threshold


def _folded(pair: FoldablePair) -> Weights:
    """Return the weights of a layer with a normalization folded into it."""
    layer = pair.layer
    factor, mean, beta = normalization_of(pair.taken_up)
    weights: Weights = layer.get_weights()
    bias = weights.pop() if layer.use_bias else np.zeros(len(factor))
    which, axis = CHANNELS_OF[type(layer).__name__]
    kernel = weights[which].astype(np.float64)
    if axis is None:
        weights[which] = kernel * factor.reshape(kernel.shape[-2:])
    else:
        weights[which] = kernel * np.expand_dims(factor, list(range(1, -axis)))
    weights.append((bias - mean) * factor + beta)
    return [weight.astype(np.float32) for weight in weights]


def _options(layer: KerasLayer) -> dict[str, Any]:
    """Return the options that change with the weights of a layer."""
    own = ("_regularizer", "_constraint")
    return {"use_bias": True} | {name: None for name in layer.get_config() if name.endswith(own)}


def _without(
    model: KerasModel, pairs: list[FoldablePair], changes: dict[str, dict[str, Any]]
) -> KerasModel:
    """Return a new model without the folded layers, and with changed options of the others."""
    config = copy.deepcopy(model.get_config())
    makers = {pair.taken_up.name: pair.layer.name for pair in pairs}
    tables = [table for table in config["layers"] if table["config"]["name"] not in makers]
    for table in tables:
        # What Keras would build a layer with at once: there may be more weights now.
        table.pop("build_config", None)
        table["config"] |= changes.get(table["config"]["name"], {})
    renamed = _renamed({**config, "layers": None}, makers)
    for table in tables:
        if "inbound_nodes" in table:
            table["inbound_nodes"] = _renamed(table["inbound_nodes"], makers)
    return type(model).from_config({**renamed, "layers": tables})


def _renamed(value: Any, makers: dict[str, str]) -> Any:
    """Return a configuration in which tensors come from the layers that make them now.

    A tensor is written as the name of a layer, the number of its use and of its output.
    """
    if isinstance(value, dict):
        return {key: _renamed(each, makers) for key, each in value.items()}
    if not isinstance(value, list | tuple):
        return value
    if len(value) > 2 and isinstance(value[0], str) and value[0] in makers:
        return [makers[value[0]], *value[1:]]
    return [_renamed(each, makers) for each in value]
