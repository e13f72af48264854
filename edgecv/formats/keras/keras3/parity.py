"""Parity of a rebuilt model with its original in Keras 3, measured layer by layer.

Outputs alone can hide a wrong layer: of an untrained classifier they are all nearly the same. So
the output of every layer for one image is compared too, and the first that differs is named.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import InputError, StepError
from edgecv.core.keras_types import KerasModel
from edgecv.core.text import first_line, short_name
from edgecv.formats.keras.keras3.child import in_batches, recording
from edgecv.formats.keras.keras3.original import OriginalModel, OriginalOutputs
from edgecv.models.tf import tensorflow

LARGEST_DIFFERENCE = 1e-4
"""The tolerance of outputs, relative to the largest of them where that is more than 1."""
LARGEST_LAYER_DIFFERENCE = 1e-3
"""The tolerance of a layer, relative to its largest value: rounding of many layers adds up."""
LARGEST_SHARE, ROUNDING = 1e-2, 2e-6
"""The tolerance of a model without layers to compare: of the difference of its outputs from image
to image, and of their size."""
MOST_IMAGES, LEAST_IMAGES = 16, 4
VALUES_OF_IMAGES = 2**20
"""The most values of all images together: large images are fewer."""
SEED = 2024
OPEN_SIDE = 96
"""Height and width of the images where a model leaves them open."""

Array = NDArray[np.float32]


class NotEqual(InputError):
    """A rebuilt model differs from its original."""


@dataclass(frozen=True)
class RebuildParity:
    """The difference of a converted model from its original, on images of the range it expects.

    ``largest_difference``: of the outputs. ``largest_layer_difference``: of a layer's output,
    relative to its largest value. ``policies``: precisions of the original; both models were run in
    float32 instead. ``unbuildable``: why the model was converted as it is, and not rebuilt.
    """

    images: int
    largest_difference: float
    layers: int = 0
    largest_layer_difference: float = 0.0
    policies: tuple[str, ...] = ()
    unbuildable: str = ""

    def sentences(self) -> tuple[str, ...]:
        """Return sentences for the report.

        >>> RebuildParity(16, 1.2e-7, 19).sentences()[0]
        'rebuilt from Keras 3: outputs differ by up to 1.2e-07 on 16 random images, 19 layers agree'
        """
        difference = (
            f"outputs differ by up to {self.largest_difference:.2g} on {self.images} random images"
        )
        if self.unbuildable:
            difference = (
                f"converted as it is, by the export of Keras 3 ({self.unbuildable}): {difference}"
            )
        else:
            difference = f"rebuilt from Keras 3: {difference}, {self.layers} layers agree"
        return difference, *policy_notes(self.policies)


def policy_notes(policies: Sequence[str]) -> tuple[str, ...]:
    """Return the note on precisions that became float32; empty if there are none."""
    return (f"{', '.join(policies)} of the original became float32",) if policies else ()


def keras3_parity(
    original: OriginalModel,
    archive: Path,
    model: KerasModel,
    ends: Mapping[str, Any],
    policies: tuple[str, ...] = (),
) -> RebuildParity:
    """Compare a rebuilt model with its original. Raises InputError if they differ.

    ``archive`` is what was checked; ``ends`` maps layers of the original to those of the model.
    Without any, as in a graph, outputs must differ by far less than from one image to another.
    """
    results = []
    for images in _image_sets(model):
        original.ask(archive, images)
        found = _run(original.path, model, ends, images)
        expected = original.answer()
        places = _differences(expected.layers, found.layers)
        difference, is_near = _largest(expected.outputs, found.outputs)
        worst = max((each for _, each in places), default=0.0)
        if worst > LARGEST_LAYER_DIFFERENCE:
            raise _not_equal(original.path, difference, places)
        if not ends and not _follows(expected.outputs, found.outputs):
            raise _not_equal(original.path, difference, [])
        parity = RebuildParity(len(images[0]), difference, len(places), worst, policies)
        results.append((not is_near, difference, parity))
    # A model without rescaling expects one of two ranges. On the other, large logits can magnify
    # rounding beyond the limit, so the better result counts; all layers must agree on both.
    is_far, difference, parity = min(results, key=lambda each: each[:2])
    if is_far:
        raise _not_equal(original.path, difference, [])
    return parity


def _run(
    path: Path, model: KerasModel, ends: Mapping[str, Any], images: Sequence[Array]
) -> OriginalOutputs:
    try:
        return run_rebuilt(model, ends, images)
    except Exception as error:  # TensorFlow may lack a kernel, or memory
        found = f"the model rebuilt in tf-keras cannot be run: {first_line(error)}"
        raise StepError(str(path), found) from error


def run_rebuilt(
    model: KerasModel, ends: Mapping[str, Any], images: Sequence[Array]
) -> OriginalOutputs:
    """Run a tf-keras model on images, an array each input, and record its layers."""
    layers = [(path, each) for path, each in ends.items() if not hasattr(each, "layers")]

    def call(batch: list[Array]) -> list[Array]:
        tensors = [tensorflow.constant(each) for each in batch]
        given = model(tensorflow.nest.pack_sequence_as(model.input, tensors), training=False)
        return [np.asarray(each, np.float32) for each in tensorflow.nest.flatten(given)]

    with recording(layers) as recorder:
        outputs = in_batches(call, images)
    return OriginalOutputs(outputs, dict(zip(recorder.names, recorder.arrays, strict=True)))


def _image_sets(model: KerasModel) -> list[list[Array]]:
    """Return random images of 0..255, and of 0..1 too for a model without rescaling."""
    random = np.random.default_rng(SEED)
    sides = [
        [OPEN_SIDE if s is None else int(s) for s in tensor.shape[1:]] for tensor in model.inputs
    ]
    values = sum(math.prod(each) for each in sides)
    count = min(MOST_IMAGES, max(LEAST_IMAGES, VALUES_OF_IMAGES // values))
    shapes = [(count, *each) for each in sides]
    pixels = [random.integers(0, 256, shape).astype(np.float32) for shape in shapes]
    if _rescales(model):
        return [pixels]
    return [pixels, [random.uniform(0, 1, shape).astype(np.float32) for shape in shapes]]


def _rescales(model: KerasModel) -> bool:
    """Return True if pixels are scaled before the first layer that has a kernel."""
    for layer in model._flatten_layers(include_self=False):
        if type(layer).__name__ in ("Rescaling", "Normalization"):
            return True
        if "Conv" in type(layer).__name__ or type(layer).__name__ == "Dense":
            return False
    return False


def _largest(expected: Sequence[Array], found: Sequence[Array]) -> tuple[float, bool]:
    """Return the largest difference of outputs, and whether all are small for their size."""
    if [each.shape for each in expected] != [each.shape for each in found]:
        return float("inf"), False
    largest, is_near = 0.0, True
    for one, other in zip(expected, found, strict=True):
        difference = _difference(one, other)
        scale = max(1.0, float(np.abs(one).max(initial=0)))
        largest = max(largest, difference)
        is_near &= difference <= LARGEST_DIFFERENCE * scale
    return largest, is_near


def _follows(expected: Sequence[Array], found: Sequence[Array]) -> bool:
    """Return True if outputs differ by far less than the expected ones do between images.

    Those of an untrained classifier, which are all nearly the same, would hide a wrong layer.
    """
    for one, other in zip(expected, found, strict=True):
        difference = _difference(one, other)
        size = np.nan_to_num(np.abs(one)).max(initial=0)
        spread = np.nan_to_num(np.ptp(one, axis=0)).max(initial=0)
        if difference > LARGEST_SHARE * float(spread) + ROUNDING * float(size):
            return False
    return True


def _difference(one: Array, other: Array) -> float:
    """Return the largest difference of two arrays; NaN and infinity equal themselves."""
    if one.shape != other.shape:
        return float("inf")
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    if same.all():
        return 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(one - other)[~same]
    return float(difference.max()) if np.isfinite(difference).all() else float("inf")


def _differences(
    expected: Mapping[str, Array], found: Mapping[str, Array]
) -> list[tuple[str, float]]:
    """Return each layer that both recorded, in order, and its difference relative to its size."""
    both = [(path, one, found[path]) for path, one in expected.items() if path in found]
    return [
        (path, _difference(one, other) / max(float(np.abs(one).max(initial=0)), 1e-3))
        for path, one, other in both
    ]


def _not_equal(path: Path, difference: float, places: list[tuple[str, float]]) -> NotEqual:
    first = next((each for each in places if each[1] > LARGEST_LAYER_DIFFERENCE), None)
    where = f"; the first layer that differs is {short_name(first[0])}" if first else ""
    return NotEqual(
        str(path),
        f"the converted model differs from the original by {difference:.2g}{where}",
        accepted=f"differences up to {LARGEST_DIFFERENCE}",
        remedy="report this: it is a bug",
    )
