"""A classifier that guesses, or gives one class to nearly all images, proves nothing."""

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Targets
from edgecv.core.plugins import Proof
from edgecv.core.text import counted
from edgecv.evaluation.statistics.binary_scores import chance_of_at_most, mcnemar

Answers = NDArray[np.int64]
"""The likeliest class of each image: int64 (N,)."""
Gains = NDArray[np.number]
ONE_ANSWER = 0.95
"""Nearly all images."""
SPREAD = 0.8
"""Labels are spread where the commonest one has less than this."""
MARGIN, MARGIN_OF_THE_REST = 0.05, 0.1
"""An accuracy must lie above guessing by 5 points, or by a tenth of all that lies above it."""
SIGNIFICANCE = 0.05
NOTHING = "nothing was proven"
REMEDY = "are these its images, --preprocess and --labels, and is it trained far enough?"


def proof_of(answers: Answers, labels: Targets | None) -> Proof:
    """Return if a classifier's answers prove anything: int (N,), int (N,) or None."""
    share = _commonest(answers)
    is_one = share >= ONE_ANSWER
    if labels is None:
        text = f"gives one answer to {share:.1%} of the images"
        reason = f"{text}: {NOTHING}; {REMEDY}" if is_one else text
        return Proof(share, ONE_ANSWER, reason, not is_one)
    if is_one and _commonest(labels) < SPREAD:
        reason = f"gives one answer to {share:.1%} of the images: {NOTHING}; {REMEDY}"
        return Proof(share, ONE_ANSWER, reason, False)
    return _better_than_guessing(answers, labels)


def _better_than_guessing(answers: Answers, labels: Targets) -> Proof:
    right, images = int(np.sum(answers == labels)), len(labels)
    accuracy, guessing = right / images, guessed(answers, labels)
    limit = limit_above(guessing)
    text = f"is right on {accuracy:.1%} of the images, and guessing on {guessing:.1%}"
    if accuracy <= limit:
        return Proof(accuracy, limit, f"{text}: {NOTHING}; {REMEDY}", False)
    if 1 - chance_of_at_most(right - 1, images, guessing) > SIGNIFICANCE:
        reason = f"{text}, which may be chance with {counted(images, 'image')}: {NOTHING}"
        return Proof(accuracy, limit, reason, False)
    return Proof(accuracy, limit, text, True)


def proof_of_metric(value: float, guessing: float, gains: Gains, text: str, remedy: str) -> Proof:
    """Return if a metric of a set is better than guessing, and more images say so than chance.

    ``gains``: of each image over guessing, (N,); ``text`` says both values.
    """
    limit = limit_above(guessing)
    if value <= limit:
        return Proof(value, limit, f"{text}: {NOTHING}; {remedy}", False)
    wins, losses = (gains > 0).sum(), (gains < 0).sum()
    if wins <= losses or mcnemar(np.array(wins), np.array(losses)) > SIGNIFICANCE:
        reason = f"{text}, which may be chance with {len(gains):,} images: {NOTHING}"
        return Proof(value, limit, reason, False)
    return Proof(value, limit, text, True)


def limit_above(guessing: float) -> float:
    """Return what a fraction must exceed to be better than guessing.

    >>> limit_above(0.1), round(limit_above(0.9), 4)
    (0.15000000000000002, 0.91)
    """
    return guessing + min(MARGIN, MARGIN_OF_THE_REST * (1 - guessing))


def guessed(answers: Answers, labels: Targets) -> float:
    """Return the accuracy of the same answers if they were given to the images at random.

    One answer for all images is as good as guessing, whatever part of the images has that label.

    >>> guessed(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1]))
    0.75
    """
    classes = int(max(answers.max(), labels.max())) + 1
    given, wanted = (np.bincount(each, minlength=classes) for each in (answers, labels))
    return float(given @ wanted) / len(labels) ** 2


def _commonest(classes: Targets) -> float:
    return float(np.unique(classes, return_counts=True)[1].max() / len(classes))
