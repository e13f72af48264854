"""Boxes that are no better than those of other images prove nothing."""

import numpy as np

from edgecv.core.data import Targets
from edgecv.core.plugins import Proof
from edgecv.core.targets import NO_BOX
from edgecv.evaluation.tasks.classification.proof import NOTHING, ONE_ANSWER, proof_of_metric
from edgecv.evaluation.tasks.detection.average_precision import Matched, match
from edgecv.evaluation.tasks.detection.boxes import Boxes

REMEDY = "are these its images, --preprocess and decoder?"


def proof_of(boxes: Boxes, truth: Targets | None, score: float) -> Proof:
    """Return if boxes prove anything: they find more than the boxes of another image do.

    ``truth``: float32 (N, most, 5), None where it is not known. ``score`` of boxes that are shown.
    """
    if truth is None:
        found = float((boxes.above(score).classes != NO_BOX).any(axis=1).mean())
        text = f"finds a box of a score of {score:g} or more in {found:.1%} of the images"
        holds = found > 1 - ONE_ANSWER
        return Proof(
            found, 1 - ONE_ANSWER, text if holds else f"{text}: {NOTHING}; {REMEDY}", holds
        )
    classes = 1 + int(max(boxes.classes.max(initial=0), truth[:, :, 0].max()))
    own = match(boxes, truth, classes)
    # Half of the set away: neighbours may be frames of one film.
    away = np.roll(np.arange(len(boxes)), max(1, len(boxes) // 2))
    other = match(boxes.of(away), truth, classes)
    value, guessing = (average(each, 1) for each in (own, other))
    text = f"has an AP50 of {value:.1%}, and with the boxes of other images {guessing:.1%}"
    # Images in which more of the true boxes are found, and fewer.
    gains = own.hits[0].sum(axis=1) - other.hits[0].sum(axis=1)
    return proof_of_metric(value, guessing, gains, text, REMEDY)


def average(
    matched: Matched, overlaps: int | None = None, times: np.ndarray | None = None
) -> float:
    """Return the mean average precision of the first overlaps (1: AP50), or of all.

    0 without true boxes.
    """
    found = matched.precisions(times)[:overlaps]
    known = ~np.isnan(found)
    return float(found[known].mean()) if known.any() else 0.0
