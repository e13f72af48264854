"""Scenes of handwritten digits, with targets of every kind."""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgecv.core.data import SPLITS, Dataset, Shape, Split, Targets
from edgecv.core.errors import InputError
from edgecv.core.plugins import Progress
from edgecv.core.targets import NO_BOX, together
from edgecv.datasets.embedded import EmbeddedSource
from edgecv.datasets.image_tree.decoding import check_shape
from edgecv.datasets.splits import CALIBRATION_IMAGES, CALIBRATION_PERCENT, hashed

SEED = 20_260
"""Seed of the digits of each split and of all scenes, not the run's."""
TEST_SHARE = 5
"""Scenes, and digits, for each one of the test split."""
LEAST_SIDE = 32
INK = 96
"""Opacity, of 255, from which on a pixel belongs to a digit."""
CLASSES = 10
POINTS = ("centre", "top_left", "top_right", "bottom_right", "bottom_left")
_Integers = NDArray[np.int64]


class Scenes(EmbeddedSource):
    """Scenes of handwritten digits on random backgrounds, with masks, boxes, keypoints, counts.

    The digits are those of scikit-learn; no network is needed. No digit image is in two splits,
    and every machine and every seed of a run has the same scenes, drawn at the size of the model.
    ``mask``: background and ten classes. ``boxes``: every digit. ``class`` and ``keypoints``
    (centre and corners of its box): of the largest digit. ``classes``: the digits that are there.
    ``numbers``: their count.
    """

    name: ClassVar[str] = "scenes"
    origin: ClassVar[str] = "the scenes are made by edgecv"
    mirrors: ClassVar[bool] = False
    scenes: int = Field(default=3000, ge=100, le=100_000)
    """Number of scenes; one in five is for the test."""
    most_digits: int = Field(default=3, ge=1, le=5)
    """Largest number of digits in a scene."""

    def most_calibration_images(self) -> int:
        """Return the number of calibration scenes."""
        return self._shares(self.scenes)["calibration"]

    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        """Draw the scenes: see DatasetSource."""
        where = f"--data {self.name}"
        check_shape(shape, where)
        if min(shape[:2]) < LEAST_SIDE:
            raise InputError(
                where,
                f"the model takes images of {shape[0]}x{shape[1]}",
                accepted=f"sides of at least {LEAST_SIDE} pixels",
            )
        inks, classes = _digits()
        counts = self._shares(self.scenes)
        splits: dict[str, Any] = {}
        done = 0
        for number, (name, pool) in enumerate(self._pools(classes).items()):
            draws = Draws(SEED + 1 + number)
            made = Canvas(shape, counts[name], self.most_digits)
            for row in range(counts[name]):
                if row % 64 == 0:
                    progress(done + row, self.scenes)
                made.draw(row, draws, inks, classes, pool)
            splits[name] = made.split()
            done += counts[name]
        progress(done, done)
        digits = tuple(str(number) for number in range(CLASSES))
        names = {"mask": ("background", *digits), "keypoints": POINTS, "numbers": ("count",)}
        return Dataset(self.name, digits, **splits, target_names=names)

    def _shares(self, total: int) -> dict[str, int]:
        """Return the number of each split for a total of scenes, or of digits of a class."""
        test = total // TEST_SHARE
        calibration = min(CALIBRATION_IMAGES, (total - test) * CALIBRATION_PERCENT // 100)
        validation = max(1, round((total - test) * self.validation))
        train = total - test - calibration - validation
        return dict(zip(SPLITS, (train, calibration, validation, test), strict=True))

    def _pools(self, classes: _Integers) -> dict[str, _Integers]:
        """Share the digit images among the splits, class by class: int64 (K,) each."""
        draws = Draws(SEED)
        parts: dict[str, list[_Integers]] = {name: [] for name in SPLITS}
        for number in range(CLASSES):
            rows = np.flatnonzero(classes == number)
            rows = rows[np.argsort(draws.raw(len(rows)), kind="stable")]
            ends = np.cumsum(list(self._shares(len(rows)).values()))[:-1]
            for name, part in zip(SPLITS, np.split(rows, ends), strict=True):
                parts[name].append(part)
        return {name: np.concatenate(found) for name, found in parts.items()}


class Draws:
    """Random integers of a seed, the same for every machine and version of NumPy."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)  # only the raw bits of a generator never change

    def raw(self, count: int) -> NDArray[np.uint64]:
        """Return random integers of 64 bits: uint64 (count,)."""
        found: NDArray[np.uint64] = self._bits.random_raw(count)
        return found

    def between(self, least: int, most: int) -> int:
        """Return a random integer from ``least`` to ``most``."""
        return least + int(self.raw(1)[0]) % (most - least + 1)

    def some(self, shape: tuple[int, ...], most: int) -> _Integers:
        """Return an array of random integers from 0 to ``most``, at most 255."""
        count = int(np.prod(shape))
        eights = self.raw(-(-count // 8)).astype("<u8").view(np.uint8)[:count]
        return eights.astype(np.int64).reshape(shape) * (most + 1) >> 8


class Canvas:
    """The images and targets of the scenes of a split, while they are drawn."""

    def __init__(self, shape: Shape, count: int, most_digits: int) -> None:
        self.shape = shape
        self.most_digits = most_digits
        self.images = np.zeros((count, *shape), np.uint8)
        self.masks = np.zeros((count, *shape[:2]), np.uint8)
        self.boxes = np.zeros((count, most_digits, 5), np.float32)
        self.boxes[:, :, 0] = NO_BOX

    def draw(
        self, row: int, draws: Draws, inks: _Integers, classes: _Integers, pool: _Integers
    ) -> None:
        """Draw one scene of the digits of a pool."""
        pixels = _background(draws, self.shape)
        for number, (top, left, side) in enumerate(
            _places(draws, self.shape, draws.between(1, self.most_digits))
        ):
            # the largest digit is of each class in turn, so that no split lacks one
            fitting = pool[classes[pool] == row % CLASSES] if number == 0 else pool
            digit = int(fitting[draws.between(0, len(fitting) - 1)])
            opacity = enlarged(inks[digit][:, :, None], side, side) * 255 // 16
            part = pixels[top : top + side, left : left + side]
            ink = _ink(draws, int(part.sum()) // part.size, self.shape[2])
            part[:] = (part * (255 - opacity) + ink * opacity + 127) // 255
            is_ink = opacity[:, :, 0] >= INK
            self.masks[row, top : top + side, left : left + side][is_ink] = classes[digit] + 1
            rows, columns = (np.flatnonzero(is_ink.any(axis=axis)) for axis in (1, 0))
            ends = left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1
            self.boxes[row, number] = (classes[digit], *ends)
        self.images[row] = pixels

    def split(self) -> Split:
        """Return the scenes with targets of every kind."""
        kinds, is_there = self.boxes[:, :, 0].astype(np.int64), self.boxes[:, :, 0] != NO_BOX
        classes = np.zeros((len(kinds), CLASSES + 1), np.uint8)
        np.put_along_axis(classes, kinds, 1, axis=1)  # -1, no box, is the column that is left out
        targets: dict[str, Targets] = {
            "class": kinds[:, 0],
            "classes": classes[:, :CLASSES],
            "numbers": is_there.sum(axis=1, keepdims=True).astype(np.float32),
            "mask": self.masks,
            "boxes": self.boxes,
            "keypoints": _keypoints(self.boxes[:, 0, 1:]),
        }
        return hashed(self.images, together(targets))


def enlarged(values: _Integers, height: int, width: int) -> _Integers:
    """Resize an array by bilinear interpolation in integers: int64 (H, W, C)."""
    rows, columns = _weights(values.shape[0], height), _weights(values.shape[1], width)
    high = (rows @ values.reshape(len(values), -1)).reshape(height, *values.shape[1:])
    return columns @ high // (4 * height * width)


def _weights(size: int, larger: int) -> _Integers:
    """Return the weight of each value in each new one: int64 (larger, size), rows of 2 * larger."""
    weights = np.zeros((larger, size), np.int64)
    below, part = np.divmod((2 * np.arange(larger) + 1) * size - larger, 2 * larger)
    for place, weight in ((below, 2 * larger - part), (below + 1, part)):
        np.add.at(weights, (np.arange(larger), place.clip(0, size - 1)), weight)
    return weights


def _background(draws: Draws, shape: Shape) -> _Integers:
    """Draw a smooth field of colours with noise on it: int64 (H, W, C), 0..255."""
    height, width, channels = shape
    spread, noise = draws.between(0, 100), draws.between(0, 60)
    base = draws.some((1, 1, channels), 255 - spread)
    grid = base + draws.some((draws.between(2, 5), draws.between(2, 5), channels), spread)
    smooth = enlarged(grid, height, width)
    return (smooth + draws.some(shape, noise) - noise // 2).clip(0, 255)


def _places(draws: Draws, shape: Shape, count: int) -> Iterator[tuple[int, int, int]]:
    """Yield top, left and side of squares that do not overlap; the first is the largest."""
    height, width, _ = shape
    least = min(height, width)
    taken = np.zeros((height, width), bool)
    for number in range(count):
        low, high = (7, 9) if number == 0 else (4, 6)
        for _ in range(20):
            side = draws.between(least * low // 16, least * high // 16)
            top, left = draws.between(0, height - side), draws.between(0, width - side)
            square = taken[top : top + side, left : left + side]
            if not square.any():
                square[:] = True
                yield top, left, side
                break


def _ink(draws: Draws, background: int, channels: int) -> _Integers:
    """Draw a colour that stands out from a background: int64 (C,)."""
    contrast = draws.between(80, 127)
    ink = background + contrast if background < 128 else background - contrast
    return (ink + draws.some((channels,), 40) - 20).clip(0, 255)


def _keypoints(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the centre and the corners of boxes, all visible: (N, 4) -> float32 (N, 5, 3)."""
    left, top, right, bottom = boxes.T
    x = np.stack([(left + right) / 2, left, right, right, left], axis=1)
    y = np.stack([(top + bottom) / 2, top, top, bottom, bottom], axis=1)
    return np.stack([x, y, np.ones_like(x)], axis=2)


def _digits() -> tuple[_Integers, _Integers]:
    """Return the ink of the digits, int64 (N, 8, 8), 0..16, and their classes, int64 (N,)."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return found.images.astype(np.int64), found.target.astype(np.int64)
