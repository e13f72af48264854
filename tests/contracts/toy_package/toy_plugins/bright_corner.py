"""A data set."""

from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from edgecv.core.data import Dataset, Images, Labels, Shape
from edgecv.core.errors import InputError
from edgecv.core.plugins import DatasetSource, Progress
from edgecv.datasets.splits import partition

CORNERS = ("top left", "top right", "bottom left", "bottom right")


class BrightCorner(DatasetSource):
    """Noise with one corner a little brighter, which is the class."""

    name: ClassVar[str] = "bright_corner"
    mirrors: ClassVar[bool] = False

    @classmethod
    def at(cls, path: Path, *, skip_bad_images: bool = False) -> Self:
        """Raise InputError: the images come from no path."""
        raise InputError(f"--data {path}", "bright_corner comes from no path")

    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        """Make the images, always the same."""
        train, test = _made(600, shape, 0), _made(200, shape, 1)
        return partition(self.name, CORNERS, *train, *test, validation=self.validation, seed=seed)


def _made(count: int, shape: Shape, seed: int) -> tuple[Images, Labels]:
    random = np.random.default_rng(seed)
    images = random.integers(0, 180, (count, *shape)).astype(np.uint8)
    labels = np.arange(count, dtype=np.int64) % len(CORNERS)
    height, width = shape[0] // 2, shape[1] // 2
    for image, label in zip(images, labels, strict=True):
        down, right = divmod(int(label), 2)
        image[down * height :, right * width :][:height, :width] += 70
    return images, labels
