"""Handwritten digits that come with scikit-learn."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
from pydantic import Field

from edgecv.core.data import Dataset, Shape
from edgecv.core.errors import InputError
from edgecv.core.plugins import Progress
from edgecv.datasets.cache import cached
from edgecv.datasets.decoded import Decoded
from edgecv.datasets.embedded import EmbeddedSource
from edgecv.datasets.image_tree.decoding import check_shape

SIDE = 8
"""Height and width of a digit in pixels."""
TEST_FRACTION = 0.25
CALIBRATION_IMAGES = 202
"""Number of calibration images after the split."""
TEST_SEED = 0
"""Seed of the test split, not the run's: every run uses the same test images."""


class Digits(EmbeddedSource):
    """1,797 handwritten digits of 8x8 pixels, embedded in scikit-learn: no network is needed.

    They are resized to the shape of the model. A quarter of each class, always the same, is the
    test split.
    """

    name: ClassVar[str] = "digits"
    origin: ClassVar[str] = "the digits come with edgecv"
    mirrors: ClassVar[bool] = False
    has_classes_alone: ClassVar[bool] = True
    validation: float = Field(default=0.1, gt=0, lt=0.5)

    def most_calibration_images(self) -> int:
        """Return the constant number of calibration images."""
        return CALIBRATION_IMAGES

    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        """Resize the digits: see DatasetSource."""
        from importlib.metadata import PackageNotFoundError, version

        where = f"--data {self.name}"
        check_shape(shape, where)
        try:
            library = version("scikit-learn")
        except PackageNotFoundError:
            raise InputError(
                where, "scikit-learn is not installed", remedy="pip install scikit-learn"
            ) from None
        # cached because importing scikit-learn takes seconds
        notes = _size_notes(shape)
        decoded = cached(
            lambda _: replace(_decode(shape, progress), notes=notes),
            *(self.name, library, *shape, "; ".join(notes)),
        )
        return decoded.split(self.name, where, self.validation, seed)


def _decode(shape: Shape, progress: Progress) -> Decoded:
    from PIL import Image
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    height, width, _ = shape
    digits = load_digits()
    labels = digits.target.astype(np.int64)
    images = np.empty((len(labels), *shape), np.uint8)
    progress(0, len(labels))
    for row, ink in enumerate(digits.images):  # float64 (8, 8), 0..16
        small = Image.fromarray(np.rint(ink * (255 / 16)).astype(np.uint8))
        large = small.resize((width, height), Image.Resampling.BILINEAR)
        images[row] = np.asarray(large)[:, :, None]  # the same for every channel
    progress(len(labels), len(labels))
    train, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_FRACTION, stratify=labels, random_state=TEST_SEED
    )
    return Decoded(
        tuple(str(name) for name in digits.target_names),
        images[train],
        labels[train],
        images[test],
        labels[test],
    )


def _size_notes(shape: Shape) -> tuple[str, ...]:
    height, width, _ = shape
    if (height, width) == (SIDE, SIDE):
        return ()
    done = "enlarged" if min(height, width) >= SIDE else "resized"
    return (f"handwritten digits of {SIDE}x{SIDE} pixels were {done} to {height}x{width}",)
