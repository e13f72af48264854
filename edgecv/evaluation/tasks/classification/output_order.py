"""Detection of another order of the outputs that matches the labels better."""

from collections.abc import Sequence

import numpy as np

from edgecv.core.data import Labels, Predictions
from edgecv.core.errors import InputError

LEAST_GAIN = 0.05
STANDARD_DEVIATIONS = 5
"""Improvement that makes another order significant: for a model that only guesses, with ten
classes, the best of all orders is better by about two."""
CLEARLY_BETTER = 0.15
REALLY_GOOD = 0.5
"""Accuracy that another order needs to stop a run: a barely trained model prefers some classes and
so matches another order better than chance, but is not accurate there either."""
MOST_NAMES = 20


def better_order(
    predictions: Predictions, labels: Labels, class_names: Sequence[str]
) -> tuple[tuple[str, ...], float] | None:
    """Return the order of the outputs that fits the labels best, and the accuracy with it.

    predictions: float32 (N, K), labels: int64 (N,). None where the present order is
    about as good.
    """
    from scipy.optimize import linear_sum_assignment

    classes = len(class_names)
    answers = predictions.argmax(axis=1)
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (answers, labels), 1)
    _, meant = linear_sum_assignment(counts, maximize=True)
    is_right, would_be = answers == labels, meant[answers] == labels
    wins, losses = int((would_be & ~is_right).sum()), int((is_right & ~would_be).sum())
    is_accident = wins - losses <= STANDARD_DEVIATIONS * np.sqrt(wins + losses)
    if is_accident or wins - losses <= LEAST_GAIN * len(labels):
        return None
    return tuple(class_names[each] for each in meant), float(would_be.mean())


def check_order(
    predictions: Predictions, labels: Labels, class_names: Sequence[str], where: str
) -> str | None:
    """Return a warning if another order of the outputs would be more accurate, else None.

    Raises InputError where it clearly would and the model is accurate then: the classes of the
    data do not match the model's outputs.
    """
    better = better_order(predictions, labels, class_names)
    if better is None:
        return None
    names, accuracy = better
    now = float(np.mean(predictions.argmax(axis=1) == labels))
    found = (
        f"is right on {now:.1%} of the images, and would be on {accuracy:.1%} if its outputs stood "
        f"for {', '.join(names[:MOST_NAMES])}{', ...' if len(names) > MOST_NAMES else ''}"
    )
    if accuracy >= REALLY_GOOD and accuracy > now + CLEARLY_BETTER:
        raise InputError(
            where, found, remedy="give --labels FILE with the name of each output, a line each"
        )
    return f"the baseline {found}: are the classes in the model's order? --labels gives it"
