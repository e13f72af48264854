"""Maps that are no better than one class everywhere prove nothing."""

import numpy as np

from edgecv.core.data import Targets
from edgecv.core.plugins import Proof
from edgecv.evaluation.tasks.classification.proof import (
    NOTHING,
    ONE_ANSWER,
    REMEDY,
    proof_of_metric,
)
from edgecv.evaluation.tasks.segmentation.counts import Counts, count, mean
from edgecv.evaluation.tasks.segmentation.maps import Maps


def proof_of(answers: Maps, masks: Targets | None) -> Proof:
    """Return if maps prove anything: uint8 (N, H, W); masks of the same shape, or None."""
    if masks is None:
        is_one = (answers == answers[:1, :1, :1]).all(axis=(1, 2)).mean()
        text = f"gives one class to all pixels of {is_one:.1%} of the images"
        holds = bool(is_one < ONE_ANSWER)
        reason = text if holds else f"{text}: {NOTHING}; {REMEDY}"
        return Proof(float(is_one), ONE_ANSWER, reason, holds)
    found, constant = count(answers, masks), best_constant(masks)
    value, guessing = (float(mean(each.total.iou)) for each in (found, constant))
    text = f"has a mIoU of {value:.1%}, and one class everywhere {guessing:.1%}"
    gains = mean(found.iou) - mean(constant.iou)
    return proof_of_metric(value, guessing, gains, text, REMEDY)


def best_constant(masks: Targets) -> Counts:
    """Return the counts of answers that give the commonest class to every pixel: (N, K)."""
    wanted = count(np.zeros_like(masks), masks).wanted
    given, commonest = np.zeros_like(wanted), wanted.sum(axis=0).argmax()
    given[:, commonest] = wanted.sum(axis=1)
    return Counts(np.minimum(given, wanted), given, wanted)
