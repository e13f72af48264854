"""Images of random values, of the size that a model takes: for a file that comes without data."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from edgecv.core.data import UNKNOWN_LABEL, Dataset, Images, Shape
from edgecv.core.plugins import Progress
from edgecv.datasets.embedded import EmbeddedSource
from edgecv.datasets.splits import hashed

SQUARES = (2, 4, 8, 16, 64)
"""Squares along a side of an image: coarse ones move a network's answers more than fine ones."""


class Noise(EmbeddedSource):
    """Images of squares of random colours: enough to compare arithmetic, never quality.

    Every machine draws the same from the seed. Nothing is trained or calibrated on them.
    """

    name: ClassVar[str] = "noise"
    origin: ClassVar[str] = "random images are drawn by edgecv"
    has_labels: ClassVar[bool] = False
    is_real: ClassVar[bool] = False

    noise: int = Field(default=100, ge=2, le=10_000)
    """Number of images."""

    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        """Draw the images: see DatasetSource. All are for the test."""
        images = _drawn(self.noise, shape, seed)
        labels = np.full(len(images), UNKNOWN_LABEL, np.int64)
        none, test = hashed(images[:0], labels[:0]), hashed(images, labels)
        note = "the images are random squares: they compare arithmetic, and say nothing of quality"
        return Dataset(self.name, (), none, none, none, test, (note,), has_labels=False)


def _drawn(count: int, shape: Shape, seed: int) -> Images:
    """Return random images: uint8 (count, H, W, C)."""
    generator = np.random.Generator(np.random.PCG64(seed))
    high, wide, channels = shape
    images = np.empty((count, *shape), np.uint8)
    for place in range(count):
        squares = SQUARES[place % len(SQUARES)]
        values = generator.integers(0, 256, (squares, squares, channels), np.uint8)
        rows, columns = (np.arange(side) * squares // side for side in (high, wide))
        images[place] = values[rows][:, columns]
    return images
