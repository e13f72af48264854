"""Average precision as COCO counts it, of images that may be drawn several times.

Boxes are matched with the true ones once, image by image. A figure of some images is a sum over
what was matched in them, so that a bootstrap of 2,000 draws takes seconds.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Targets
from edgecv.core.targets import NO_BOX
from edgecv.evaluation.tasks.detection.boxes import Boxes, Floats, overlaps, portions

IOUS = np.linspace(0.5, 0.95, 10)
"""Overlaps from which on a box is found; the average of all is COCO's AP, the first is AP50."""
RECALLS = np.linspace(0, 1, 101)
"""Fractions of the true boxes at which the precision is read."""


@dataclass(frozen=True)
class Matched:
    """Boxes of a model that were matched with the true ones at each overlap."""

    boxes: Boxes
    hits: NDArray[np.bool_]
    """True for a box that is a true one: bool (overlaps, N, M)."""
    wanted: NDArray[np.int64]
    """True boxes of each image and class: int64 (N, K)."""

    def figures(self, score: float) -> tuple[Floats, Floats, Floats]:
        """Return hits, boxes given and boxes wanted, by image and class: float64 (N, K) each.

        Of the boxes of at least a score; the hits are the mean over the overlaps.
        """
        images, classes = self.wanted.shape
        given = self.boxes.above(score).classes
        cell = np.arange(images)[:, np.newaxis] * classes + given
        is_box = (given >= 0) & (given < classes)

        def summed(values: Floats) -> Floats:
            cells = np.bincount(cell[is_box], values[is_box], minlength=images * classes)
            return cells.astype(np.float64).reshape(images, classes)

        everything = np.ones(given.shape)
        return summed(self.hits.mean(axis=0)), summed(everything), self.wanted.astype(float)

    @cached_property
    def _curves(self) -> "_Curves":
        return _Curves.of(self)

    def precisions(self, times: NDArray[np.int64] | None = None) -> Floats:
        """Return the average precision of each overlap and class: float64 (overlaps, K).

        ``times`` that each image is drawn: int64 (N,); once where not given. NaN for a class
        without true boxes in these images.
        """
        drawn = np.ones(len(self.wanted)) if times is None else times.astype(float)
        return self._curves.precisions(drawn, drawn @ self.wanted)


def match(boxes: Boxes, truth: Targets, classes: int) -> Matched:
    """Match boxes with the true ones: float32 (N, most, 5), in the unit of the boxes.

    The best box takes the true one of its class that it overlaps most, if nobody has taken it.
    """
    parts = [_hits(boxes.of(rows), truth[rows]) for rows in portions(len(boxes))]
    wanted = (truth[:, :, 0, np.newaxis] == np.arange(classes)).sum(axis=1)
    return Matched(boxes, np.concatenate(parts, axis=1), wanted)


def _hits(boxes: Boxes, truth: Targets) -> NDArray[np.bool_]:
    shared = overlaps(boxes.corners, truth[..., 1:].astype(np.float64))
    is_own = (boxes.classes[..., np.newaxis] == truth[:, np.newaxis, :, 0]) & (
        boxes.classes[..., np.newaxis] != NO_BOX
    )
    free = np.ones((len(IOUS), *truth.shape[:2]), bool)
    hits = np.zeros((len(IOUS), *boxes.classes.shape), bool)
    least = np.minimum(IOUS, 1 - 1e-10)[:, np.newaxis, np.newaxis]
    for place in range(boxes.classes.shape[1]):
        fitting = free & is_own[:, place] & (shared[:, place] >= least)
        # The last of equal overlaps, as COCO takes it.
        values = np.where(fitting, shared[:, place], -1.0)[..., ::-1]
        chosen = values.shape[-1] - 1 - values.argmax(axis=-1)
        hits[:, :, place] = fitting.any(axis=-1)
        taken = np.arange(truth.shape[1]) == chosen[..., np.newaxis]
        free &= ~(taken & hits[:, :, place, np.newaxis])
    return hits


@dataclass(frozen=True)
class _Curves:
    """The boxes of all images by class and score, and the hits among them by overlap."""

    shape: tuple[int, int]
    """Overlaps and classes."""
    images: NDArray[np.int64]
    """Image of each box."""
    places: NDArray[np.int64]
    """Box of each hit."""
    first: NDArray[np.int64]
    """First box of the hit's class."""
    curve: NDArray[np.int64]
    """Number of the hit's overlap and class: they ascend."""

    @classmethod
    def of(cls, matched: Matched) -> "_Curves":
        """Return the curves of all images. Boxes of one score are in the order of the images."""
        overlaps, classes = len(matched.hits), matched.wanted.shape[1]
        kinds = matched.boxes.classes.ravel()
        chosen = np.flatnonzero((kinds >= 0) & (kinds < classes))
        order = np.lexsort((-matched.boxes.scores.ravel()[chosen], kinds[chosen]))
        chosen = chosen[order]
        numbers, places = np.nonzero(matched.hits.reshape(overlaps, -1)[:, chosen])
        kind = kinds[chosen][places]
        first = np.searchsorted(kinds[chosen], kind)
        images = chosen // max(1, matched.boxes.classes.shape[1])
        return cls((overlaps, classes), images, places, first, numbers * classes + kind)

    def precisions(self, times: Floats, wanted: Floats) -> Floats:
        """Return the average precision of each overlap and class: see ``Matched.precisions``.

        A hit counts as often as its image is drawn. The precision at a recall is the largest that
        any greater recall has, so boxes that are no hits change nothing but the precision.
        """
        overlaps, classes = self.shape
        found = np.where(wanted > 0, np.zeros(self.shape), np.nan)
        if not len(self.curve):
            return found
        each = times[self.images]
        given = np.concatenate([[0.0], np.cumsum(each)])
        given = given[self.places + 1] - given[self.first]
        starts = np.flatnonzero(np.diff(self.curve, prepend=-1))
        lengths = np.diff(starts, append=len(self.curve))
        drawn = each[self.places]
        hits = np.cumsum(drawn)
        hits -= np.repeat(hits[starts] - drawn[starts], lengths)
        precision = np.where(given > 0, hits / np.maximum(given, 1), 0.0)
        # One running maximum for all curves: those that come first, from the end, lie lower.
        lift = 2.0 * (overlaps * classes - self.curve)
        largest = np.maximum.accumulate((precision + lift)[::-1])[::-1] - lift
        shares = hits / np.maximum(wanted, 1)[self.curve % classes]
        reached = np.searchsorted(RECALLS, shares, side="right")
        steps = np.diff(reached, prepend=0)
        steps[starts] = reached[starts]
        sums = np.add.reduceat(largest * steps, starts) / len(RECALLS)
        found.ravel()[self.curve[starts]] += sums
        return found
