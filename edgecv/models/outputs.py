"""The outputs of a Keras model: their names, and what its last layer gives."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from edgecv.core.keras_types import KerasModel
from edgecv.models.tf import keras

PROBABILITIES = "probabilities"
"""Name of the output of a classifier in exported files."""
OUTPUT = "output"
"""Name of any other output that is the only one of a file."""
RANDOM_IMAGES = 8
TOLERANCE = 1e-3

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
    if is_row_or_map and model.outputs[0].shape[-1] != 1 and _sum_to_one(model):
        return "probabilities", f"the model gives probabilities, by {last.name}"
    return "numbers", "the model gives numbers that are no probabilities"


def _sum_to_one(model: KerasModel) -> bool:
    """Return True if the outputs for random images are probabilities."""
    shape = (RANDOM_IMAGES, *model.inputs[0].shape[1:])
    images = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    values = model(images, training=False).numpy()
    return bool(values.min() >= 0 and np.abs(values.sum(axis=-1) - 1).max() <= TOLERANCE)
