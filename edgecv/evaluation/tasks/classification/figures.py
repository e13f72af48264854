"""Further metrics of a classifier: balanced accuracy, F1 and top-5."""

import math

import numpy as np

from edgecv.core.data import Labels, Predictions

TOP = 5


def balanced_accuracy(predictions: Predictions, labels: Labels) -> float:
    """Return the mean over the classes of the fraction of their images that are right.

    >>> balanced_accuracy(np.eye(2)[[0, 0, 0, 0]], np.array([0, 0, 0, 1]))
    0.5
    """
    right, _, wanted = _counts(predictions, labels)
    present = wanted > 0
    return float(np.mean(right[present] / wanted[present]))


def macro_f1(predictions: Predictions, labels: Labels) -> float:
    """Return the mean of F1 over the classes of the labels and of the answers.

    >>> round(macro_f1(np.eye(2)[[0, 0, 0, 0]], np.array([0, 0, 0, 1])), 4)
    0.4286
    """
    right, given, wanted = _counts(predictions, labels)
    present = given + wanted > 0
    return float(np.mean(2 * right[present] / (given + wanted)[present]))


def top_five(predictions: Predictions, labels: Labels) -> float:
    """Return the fraction of images whose class is among the five likeliest; NaN for few classes.

    Of classes that are equally likely, the first counts as likelier, as in the answer itself.
    """
    if predictions.shape[1] <= TOP:
        return math.nan
    own = np.take_along_axis(predictions, labels[:, None], axis=1)
    above = np.sum(predictions > own, axis=1)
    earlier = np.arange(predictions.shape[1]) < labels[:, None]
    return float(np.mean(above + np.sum((predictions == own) & earlier, axis=1) < TOP))


def _counts(predictions: Predictions, labels: Labels) -> tuple[Labels, Labels, Labels]:
    """Return the numbers of right, given and wanted answers of each class."""
    answers = predictions.argmax(axis=1)
    classes = predictions.shape[1]
    right, given, wanted = (
        np.bincount(each, minlength=classes)
        for each in (labels[answers == labels], answers, labels)
    )
    return right, given, wanted
