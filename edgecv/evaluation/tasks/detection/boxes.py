"""Boxes that a model gives, the best first, and how far boxes overlap."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecv.core.targets import NO_BOX

Floats = NDArray[np.float64]
MOST_BOXES = 100
"""Boxes of an image that count, as in COCO."""
AT_ONCE = 256
"""Images whose boxes are compared at a time."""
MOST_CANDIDATES = 1000
"""Boxes of an image among which those that overlap are left out."""


@dataclass(frozen=True)
class Boxes:
    """Boxes of N images, a row an image, the best first; rows are filled with class -1."""

    classes: NDArray[np.int64]
    """int64 (N, M)."""
    scores: Floats
    """float64 (N, M), 0 where there is no box."""
    corners: Floats
    """Left, top, right, bottom: float64 (N, M, 4)."""

    def __len__(self) -> int:
        return len(self.classes)

    def above(self, score: float) -> "Boxes":
        """Return the boxes of at least a score, in the same places."""
        return Boxes(
            np.where(self.scores >= score, self.classes, NO_BOX), self.scores, self.corners
        )

    def of(self, rows: NDArray[np.int64]) -> "Boxes":
        """Return the boxes of the images at ``rows``."""
        return Boxes(self.classes[rows], self.scores[rows], self.corners[rows])


def portions(images: int) -> list[NDArray[np.int64]]:
    """Return the rows of the images whose boxes are compared at a time."""
    return np.array_split(np.arange(images), -(-images // AT_ONCE))


def overlaps(one: Floats, other: Floats) -> Floats:
    """Return intersection over union: (..., A, 4), (..., B, 4) -> (..., A, B); 0 without area.

    >>> overlaps(np.array([[0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2]])).round(3).tolist()
    [[0.333]]
    """
    one, other = one[..., :, np.newaxis, :], other[..., np.newaxis, :, :]
    low, high = np.maximum(one[..., :2], other[..., :2]), np.minimum(one[..., 2:], other[..., 2:])
    both = (high - low).clip(0).prod(axis=-1)
    areas = [(each[..., 2:] - each[..., :2]).clip(0).prod(axis=-1) for each in (one, other)]
    union = areas[0] + areas[1] - both
    found: Floats = np.where(union > 0, both / np.where(union > 0, union, 1), 0.0)
    return found


def overlaps_of_one(one: Floats, others: Floats) -> Floats:
    """Return what ``overlaps`` does for one box, column by column: (4,), (B, 4) -> (B,)."""
    left, top, right, bottom = others.T
    wide = (np.minimum(one[2], right) - np.maximum(one[0], left)).clip(0)
    both = wide * (np.minimum(one[3], bottom) - np.maximum(one[1], top)).clip(0)
    area = max(one[2] - one[0], 0.0) * max(one[3] - one[1], 0.0)
    union = area + (right - left).clip(0) * (bottom - top).clip(0) - both
    found: Floats = np.where(union > 0, both / np.where(union > 0, union, 1), 0.0)
    return found


def best(classes: NDArray[np.int64], scores: Floats, corners: Floats, least: float) -> Boxes:
    """Return the best boxes of each image above a score: (N, A), (N, A), (N, A, 4)."""
    scores = np.where((scores >= least) & (classes > NO_BOX), scores, 0.0)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :MOST_BOXES]
    classes = np.take_along_axis(classes, order, axis=1)
    scores = np.take_along_axis(scores, order, axis=1)
    corners = np.take_along_axis(corners, order[..., np.newaxis], axis=1)
    return Boxes(np.where(scores > 0, classes, NO_BOX), scores, corners.astype(np.float64))


def without_overlaps(corners: Floats, scores: Floats, least: float, most_overlap: float) -> Boxes:
    """Return the best boxes that do not overlap others of their class: (N, A, 4), (N, A, K).

    A box may be of several classes. Those with a score below ``least`` are left out.
    """
    kept = [_of_an_image(*each, least, most_overlap) for each in zip(corners, scores, strict=True)]
    most = max(1, *(len(each[1]) for each in kept)) if kept else 1
    classes = np.full((len(kept), most), NO_BOX)
    found = Boxes(classes, np.zeros(classes.shape), np.zeros((*classes.shape, 4)))
    for row, (numbers, values, boxes) in enumerate(kept):
        count = len(values)
        found.classes[row, :count], found.scores[row, :count] = numbers, values
        found.corners[row, :count] = boxes
    return found


def _of_an_image(
    corners: Floats, scores: Floats, least: float, most_overlap: float
) -> tuple[NDArray[np.int64], Floats, Floats]:
    places, classes = np.nonzero(scores >= max(least, np.finfo(float).tiny))
    values = scores[places, classes].astype(np.float64)
    order = np.argsort(-values, kind="stable")[:MOST_CANDIDATES]
    classes, values, boxes = classes[order], values[order], corners[places[order]].astype(float)
    left, kept = np.arange(len(values)), list[int]()
    while len(kept) < MOST_BOXES and left.size:
        first, left = left[0], left[1:]
        kept.append(int(first))
        rivals = np.flatnonzero(classes[left] == classes[first])
        near = overlaps_of_one(boxes[first], boxes[left[rivals]]) > most_overlap
        left = np.delete(left, rivals[near])
    return classes[kept], values[kept], boxes[kept]


def agree(
    one: Boxes, other: Boxes, score: float, lower: float, overlap: float
) -> NDArray[np.bool_]:
    """Return True for each image with the same boxes: bool (N,).

    Every box of at least ``score`` has one of its class in the other images' boxes that overlaps it
    enough and has at least the ``lower`` score.
    """
    found = np.ones(len(one), bool)
    for rows in portions(len(one)):
        pair = [_first(each.of(rows).above(lower)) for each in (one, other)]
        shared = overlaps(pair[0].corners, pair[1].corners) >= overlap
        shared &= pair[0].classes[:, :, np.newaxis] == pair[1].classes[:, np.newaxis]
        shared &= pair[0].classes[:, :, np.newaxis] != NO_BOX
        for boxes, axis in zip(pair, (2, 1), strict=True):
            is_shown = boxes.above(score).classes != NO_BOX
            found[rows] &= (shared.any(axis=axis) | ~is_shown).all(axis=1)
    return found


def _first(boxes: Boxes) -> Boxes:
    """Return boxes without the places at the end where no image has one."""
    most = int((boxes.classes != NO_BOX).sum(axis=1).max(initial=0))
    return Boxes(boxes.classes[:, :most], boxes.scores[:, :most], boxes.corners[:, :most])
