"""Selection of a model's kernels by the patterns of a recipe, and a copy to change.

Depthwise kernels are left whole: nine weights per channel are too few to choose from.
"""

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from edgecv.core.artifact import Layer
from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasModel
from edgecv.core.text import listed
from edgecv.models.kernels import kernels_of, layers_without_kernels
from edgecv.models.preprocessing import is_pixel_name, pixel_kernel
from edgecv.models.tf import keras

T = TypeVar("T")


def chosen(
    model: KerasModel, exclude: Sequence[str], targets: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """Return the kernels that are not excluded.

    Raises InputError if a pattern matches no layer, or where nothing is left.
    """
    kernels = kernels_of(model)
    if (pixels := pixel_kernel(model)) is not None:
        kernels.pop(pixels.name, None)  # One weight a channel: without it the channel is gone.
    if not kernels:
        raise InputError(where, "the model has no layer with a kernel to work on")
    for pattern in (*exclude, *targets):
        if not any(fnmatchcase(name, pattern) for name in kernels):
            raise InputError(where, f'"{pattern}" matches no layer', accepted=", ".join(kernels))
    left = {name: kernel for name, kernel in kernels.items() if not is_excluded(name, exclude)}
    if not left:
        raise InputError(where, "every layer is excluded", accepted="a pattern that leaves some")
    return left


def note_left_whole(model: KerasModel, note: Callable[[str], None]) -> None:
    """Note the layers of kinds that techniques on kernels leave as they are."""
    kinds, pixels = dict[str, list[str]](), pixel_kernel(model)
    for name, kind in layers_without_kernels(model).items():
        if pixels is not None and name == pixels.name:
            continue
        kinds.setdefault(kind, []).append(name)
    if kinds:
        found = (f"{listed(names, 8)} ({kind})" for kind, names in kinds.items())
        note(f"left whole: {'; '.join(found)}")


def is_left_whole(layer: Layer, exclude: Sequence[str]) -> bool:
    """Return True for a layer of a file that no technique on kernels changes.

    Those are depthwise ones, excluded ones, the 1x1 convolution that prepares pixels, and weights
    that are no layer's of the model that it works on.
    """
    if not layer.is_known:
        return True
    *sides, inputs, outputs = layer.shape
    is_of_pixels = is_pixel_name(layer.name) and set(sides) == {1} and inputs == outputs
    return layer.is_depthwise or is_of_pixels or is_excluded(layer.name, exclude)


def is_excluded(name: str, exclude: Sequence[str]) -> bool:
    """Return True if one of the patterns matches the name of a layer."""
    return any(fnmatchcase(name, pattern) for pattern in exclude)


def target_of(name: str, targets: Mapping[str, T], otherwise: T) -> T:
    """Return the target of the first pattern that matches the name of a layer."""
    found = (target for pattern, target in targets.items() if fnmatchcase(name, pattern))
    return next(found, otherwise)


def clone(model: KerasModel) -> KerasModel:
    """Return a model with the same layers and weights that shares nothing with ``model``."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy
