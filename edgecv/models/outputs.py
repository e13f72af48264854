"""The outputs of a Keras model: their names, and what its last layer gives."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from edgecv.core.data import Predictions
from edgecv.core.keras_types import KerasModel
from edgecv.models.tf import keras

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
