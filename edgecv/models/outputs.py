"""The outputs of a Keras model by name."""

from collections.abc import Mapping
from typing import Any

from edgecv.core.keras_types import KerasModel


def output_names(model: KerasModel) -> tuple[str, ...]:
    """Return the names of a model's outputs, in their order: the keys of a dict, or their layers'.

    TensorFlow orders the values of a dict by their keys.
    """
    nested: Any = model.output
    if isinstance(nested, Mapping):
        return tuple(str(key) for key in sorted(nested))
    return tuple(str(name) for name in model.output_names)
