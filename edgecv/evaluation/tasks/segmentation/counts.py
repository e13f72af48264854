"""Pixels of each class in masks and answers, image by image: every metric is computed from them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Targets
from edgecv.core.targets import IGNORED
from edgecv.evaluation.tasks.segmentation.maps import Maps

Numbers = NDArray[np.int64]
Fractions = NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """Pixels that a mask knows, by image and class: int64 (N, K), or summed over images (K,)."""

    hits: Numbers
    """Pixels of the class that were given it."""
    given: Numbers
    """Pixels that were given the class."""
    wanted: Numbers
    """Pixels of the class."""

    def of(self, rows: NDArray[np.int64]) -> "Counts":
        """Return the sums over some images, which may be there several times: (K,)."""
        return Counts(*(each[rows].sum(axis=0) for each in (self.hits, self.given, self.wanted)))

    @property
    def total(self) -> "Counts":
        """Sums over all images: (K,)."""
        return self.of(np.arange(len(self.hits)))

    @property
    def iou(self) -> Fractions:
        """Intersection over union of each class; NaN where no mask has the class."""
        return self._fractions(self.hits, self.given + self.wanted - self.hits)

    @property
    def iou_of_all(self) -> Fractions:
        """The same, and 0 where a class was given that a mask has not; 1 where neither has it."""
        union = self.given + self.wanted - self.hits
        found: Fractions = np.where(union > 0, self.hits / np.maximum(1, union), 1.0)
        return found

    @property
    def dice(self) -> Fractions:
        """Twice the intersection over both areas; NaN where no mask has the class."""
        return self._fractions(2 * self.hits, self.given + self.wanted)

    @property
    def right(self) -> Fractions:
        """Fraction of the pixels that were given their class; NaN where none is known."""
        known = self.wanted.sum(axis=-1)
        hits = self.hits.sum(axis=-1)
        found: Fractions = np.where(known > 0, hits / np.maximum(1, known), np.nan)
        return found

    def _fractions(self, part: Numbers, whole: Numbers) -> Fractions:
        found: Fractions = np.where(self.wanted > 0, part / np.maximum(1, whole), np.nan)
        return found


def mean(fractions: Fractions, of_none: float = 1.0) -> Fractions:
    """Return means over the classes that occur, (..., K) -> (...): ``of_none`` where none does.

    >>> mean(np.array([[0.5, np.nan], [np.nan, np.nan]])).tolist()
    [0.5, 1.0]
    """
    is_there = ~np.isnan(fractions)
    sums, counts = np.where(is_there, fractions, 0.0).sum(axis=-1), is_there.sum(axis=-1)
    found: Fractions = np.where(counts > 0, sums / np.maximum(1, counts), of_none)
    return found


def count(answers: Maps, masks: Targets) -> Counts:
    """Count the pixels of answers beside masks: uint8 (N, H, W) both."""
    known = masks != IGNORED
    classes = 1 + max(int(np.where(known, masks, 0).max()), int(answers.max()))
    image = np.arange(len(masks))[:, np.newaxis, np.newaxis] * classes

    def by_class(values: Targets, counted: NDArray[np.bool_]) -> Numbers:
        cells = np.bincount((image + values)[counted], minlength=len(masks) * classes)
        return cells.reshape(len(masks), classes)

    return Counts(
        hits=by_class(masks, known & (answers == masks)),
        given=by_class(answers, known),
        wanted=by_class(masks, known),
    )


def confusion(answers: Maps, masks: Targets, classes: int) -> Numbers:
    """Return the pixels of all images by mask and answer: int64 (classes, classes)."""
    known = masks != IGNORED
    cells = masks[known].astype(np.int64) * classes + answers[known]
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)
