"""Masks of polygons and run lengths: the pixels whose centres lie inside."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecv.core.targets import IGNORED
from edgecv.core.text import counted
from edgecv.datasets.annotations.annotated import Size
from edgecv.datasets.image_tree.decoding import BadImage

MOST_POINTS = 20_000
"""Most corners of a polygon."""
MOST_BITS = 40
"""Most bits of a run length."""
Points = NDArray[np.float64]
"""Corners of a polygon in pixels: float64 (K, 2), x and y."""
Runs = NDArray[np.int64]
"""Lengths of runs outside and inside in turns, down the columns: int64 (R,)."""


@dataclass(frozen=True)
class Region:
    """The pixels of one object."""

    value: int
    """Its class in the mask."""
    polygons: tuple[Points, ...] = ()
    runs: Runs | None = None
    is_relative: bool = False
    """True if the corners are fractions of the image's sides."""

    def pixels(self, size: Size) -> NDArray[np.bool_]:
        """Return True for its pixels in an image of a width and height: bool (h, w)."""
        if self.runs is not None:
            return _of_runs(self.runs, size)
        inside = np.zeros(size[::-1], bool)
        for points in self.polygons:
            inside |= filled(points * size if self.is_relative else points, size)
        return inside


def masks_unread(lacking: int, objects: int, classes: int) -> str:
    """Return a note that masks are not read, as some objects have none, or classes are too many.

    Nothing where no object has a mask, or all are read.
    """
    if 0 < lacking < objects:
        return f"masks were not read: {counted(lacking, 'object')} without any"
    if lacking < objects and classes >= IGNORED:
        return f"masks were not read: they hold {IGNORED - 1} classes, there are {classes:,}"
    return ""


def mask_of(regions: Sequence[Region], size: Size) -> NDArray[np.uint8]:
    """Return the mask of regions, small ones on large ones on ignored ones: uint8 (h, w)."""
    mask = np.zeros(size[::-1], np.uint8)
    found = [(region.pixels(size), region.value) for region in regions]
    order = sorted(found, key=lambda each: (each[1] != IGNORED, -int(each[0].sum())))
    for inside, value in order:
        mask[inside] = value
    return mask


def filled(points: Points, size: Size) -> NDArray[np.bool_]:
    """Return the pixels with centres inside of a polygon: (K, 2) -> bool (h, w).

    A ray from the left enters and leaves it at its edges.
    """
    width, height = size
    if len(points) > MOST_POINTS:
        raise BadImage(f"a polygon has {len(points):,} corners, at most {MOST_POINTS:,} are read")
    crossings = np.zeros((height, width + 1), np.int32)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        low, high = min(y0, y1), max(y0, y1)
        first, last = (int(np.ceil(np.clip(y, 0, height) - 0.5)) for y in (low, high))
        rows = np.arange(first, last)
        x = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0)) if len(rows) else rows
        np.add.at(crossings, (rows, np.ceil(x - 0.5).clip(0, width).astype(np.int64)), 1)
    inside: NDArray[np.bool_] = np.cumsum(crossings[:, :width], axis=1) % 2 == 1
    return inside


def _of_runs(runs: Runs, size: Size) -> NDArray[np.bool_]:
    width, height = size
    if (runs < 0).any() or runs.sum() != width * height:
        raise BadImage("the run lengths of a mask are not those of its image")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def uncompressed(text: str) -> Runs:
    """Return the run lengths in COCO's text form: five bits a character, each a difference.

    >>> uncompressed("52203").tolist()
    [5, 2, 2, 2, 5]
    """
    runs: list[int] = []
    value = bits = 0
    for code in text.encode("latin-1", "replace"):
        part = code - 48
        value |= (part & 31) << bits
        bits += 5
        if bits > MOST_BITS:
            raise BadImage("the run lengths of a mask are no numbers")
        if part & 32:
            continue
        if part & 16:
            value -= 1 << bits
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        if abs(runs[-1]) >> MOST_BITS:
            raise BadImage("the run lengths of a mask are no numbers")
        value = bits = 0
    return np.array(runs, np.int64)
