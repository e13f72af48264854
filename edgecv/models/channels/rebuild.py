"""Removal of channels from a model: smaller dense kernels, no masks."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.models.channels.graph import Alive, ChannelGraph
from edgecv.models.channels.layer import LayerChannels
from edgecv.models.tf import keras


def rebuild(model: KerasModel, graph: ChannelGraph, alive: Alive) -> KerasModel:
    """Return a new model with the kept channels only: the same layers, names and topology."""
    config = copy.deepcopy(model.get_config())
    entering = {
        model: [graph.kept_shape(number, alive) for number in numbers]
        for model, numbers in graph.nested.items()
    }
    _narrow(config, model, graph, alive, entering)
    smaller = type(model).from_config(config)
    for old, new in zip(_leaves(model), _leaves(smaller), strict=True):
        if old.weights:
            new.set_weights(kept_weights(graph.layer(old), alive))
    return smaller


def zeroed(model: KerasModel, graph: ChannelGraph, alive: Alive) -> list[NDArray[Any]]:
    """Return ``model``'s weights, with zeros in all that make the removed channels."""
    by_variable: dict[int, NDArray[Any]] = {}
    for known in graph.layers.values():
        values = known.layer.get_weights()
        for value, axes in zip(values, known.weights, strict=False):
            for number, axis in enumerate(axes):
                if axis is not None and axis.makes:
                    value[(*[slice(None)] * number, ~alive[axis.ids])] = 0
        by_variable |= {id(v): x for v, x in zip(known.layer.weights, values, strict=True)}
    return [by_variable[id(variable)] for variable in model.weights]


def kept_weights(known: LayerChannels, alive: Alive) -> list[NDArray[Any]]:
    """Return the weights of one layer along the kept channels."""
    kept: list[NDArray[Any]] = known.layer.get_weights()
    for which, axes in enumerate(known.weights):
        for number, axis in enumerate(axes):
            if axis is not None:
                kept[which] = np.compress(alive[axis.ids], kept[which], axis=number)
    return kept


def _narrow(
    config: dict[str, Any],
    model: KerasModel,
    graph: ChannelGraph,
    alive: Alive,
    entering: dict[int, list[tuple[int, ...]]],
) -> None:
    """Write the kept numbers of channels into the configuration of a model, in place.

    ``entering``: by id of a nested model, the shapes of its inputs.
    """
    names = [tensor.node.layer.name for tensor in model.inputs]
    shapes = dict(zip(names, entering.get(id(model), ()), strict=False))
    for table in config["layers"]:
        # What Keras would build a layer with at once: the shapes of before.
        table.pop("build_config", None)
        options = table["config"]
        if table["class_name"] == "InputLayer":
            if options["name"] in shapes:
                options["batch_input_shape"] = (None, *shapes[options["name"]])
            continue
        layer = model.get_layer(options["name"])
        if _is_model(layer):
            _narrow(options, layer, graph, alive, entering)
        else:
            known = graph.layer(layer)
            options |= {option: int(alive[ids].sum()) for option, ids in known.counts.items()}
            if "target_shape" in options and options["target_shape"][-1] != -1:
                kept = graph.kept_shape(graph.output_of(known.path), alive)
                options["target_shape"] = (*options["target_shape"][:-1], kept[-1])


def _is_model(layer: KerasLayer) -> bool:
    return isinstance(layer, keras.Model) and layer._is_graph_network


def _leaves(model: KerasModel) -> Iterator[Any]:
    """Yield each layer that is not a model, in the order of the configuration."""
    for layer in model.layers:
        if _is_model(layer):
            yield from _leaves(layer)
        else:
            yield layer
