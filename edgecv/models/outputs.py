"""The outputs of a Keras model: their names, and what its last layer gives."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from edgecv.core.data import Outputs, Predictions
from edgecv.core.keras_types import KerasModel, Tensor
from edgecv.models.tf import keras, tensorflow

PROBABILITIES = "probabilities"
"""Name of the output of a classifier in exported files."""
OUTPUT = "output"
"""Name of any other output that is the only one of a file."""
RANDOM_IMAGES = 8
TOLERANCE = 1e-3
NUMBERS = "the model gives numbers that are no probabilities"

Ending = Literal["probabilities", "sigmoid", "numbers"]
"""Kinds of outputs: probabilities of classes, each output between 0 and 1, or other numbers."""


def output_names(model: KerasModel) -> tuple[str, ...]:
    """Return the names of a model's outputs, in their order: the keys of a dict, or their layers'.

    TensorFlow orders the values of a dict by their keys.
    """
    nested: Any = model.output
    if isinstance(nested, Mapping):
        return tuple(str(key) for key in sorted(nested))
    return tuple(str(name) for name in model.output_names)


def with_outputs(
    model: KerasModel, tensors: Sequence[Tensor], names: Sequence[str] | None = None
) -> KerasModel:
    """Return a model with the inputs of ``model``: one output, or a mapping of several by name.

    ``names``: where not given, those that the outputs of ``model`` have. A mapping keeps them when
    layers are renamed, wrapped or added at the end.
    """
    if len(tensors) == 1:
        return keras.Model(model.inputs, tensors[0], name=model.name)
    named = dict(zip(names or output_names(model), tensors, strict=True))
    return keras.Model(model.inputs, named, name=model.name)


def outputs_by_name(model: KerasModel, names: Sequence[str] | None = None) -> dict[str, Tensor]:
    """Return the outputs of a model by ``names``, or by its own; of one output by its name."""
    own = output_names(model)
    found = dict(zip(own, model.outputs, strict=True))
    if names is None:
        return found
    return {name: found.get(name, model.outputs[place]) for place, name in enumerate(names)}


def by_name(model: KerasModel) -> KerasModel:
    """Return a model of several outputs as one that gives a mapping of them by name."""
    is_named = len(model.outputs) == 1 or isinstance(model.output, Mapping)
    return model if is_named else with_outputs(model, model.outputs)


def named_outputs(model: KerasModel, values: Any) -> Outputs:
    """Return what a model has given for images, by the names of its outputs."""
    arrays = [each.numpy() for each in tensorflow.nest.flatten(values)]
    if len(arrays) == 1:
        return Outputs.one(arrays[0])
    return Outputs(dict(zip(output_names(model), arrays, strict=True)))


def file_output_names(model: KerasModel) -> tuple[str, ...]:
    """Return the names of the outputs in an exported file."""
    if len(model.outputs) > 1:
        return output_names(model)
    return (PROBABILITIES if ending_of(model)[0] == "probabilities" else OUTPUT,)


def ending_of(model: KerasModel) -> tuple[Ending, str]:
    """Return the kind of a model's outputs, and a sentence on it. Several outputs are numbers."""
    last = model.layers[-1]
    activation = getattr(getattr(last, "layer", last), "activation", None)
    is_row_or_map = len(model.outputs) == 1 and len(model.outputs[0].shape) in (2, 4)
    if len(model.outputs) == 1:
        if isinstance(last, keras.layers.Softmax) or activation is keras.activations.softmax:
            return "probabilities", "the model gives probabilities"
        if activation is keras.activations.sigmoid:
            return "sigmoid", f"the model ends in a sigmoid ({last.name})"
    if not is_row_or_map or (model.outputs[0].shape[-1] == 1 and activation is not None):
        return "numbers", NUMBERS
    values = _random_outputs(model)
    if values.shape[-1] != 1 and sum_to_one(values):
        return "probabilities", f"the model gives probabilities, by {last.name}"
    if values.shape[1:] == (1,) and _between_zero_and_one(values):
        return "sigmoid", f"the model gives one probability, by {last.name}"
    return "numbers", NUMBERS


def _random_outputs(model: KerasModel) -> Predictions:
    shape = (RANDOM_IMAGES, *model.inputs[0].shape[1:])
    images = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    values: Predictions = model(images, training=False).numpy()
    return values


def sum_to_one(values: Predictions) -> bool:
    """Return True if outputs are probabilities of one class: (N, ..., K)."""
    return bool(values.min() >= 0 and np.abs(values.sum(axis=-1) - 1).max() <= TOLERANCE)


def _between_zero_and_one(values: Predictions) -> bool:
    return bool(values.min() >= 0 and values.max() <= 1)
