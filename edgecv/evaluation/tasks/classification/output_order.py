"""Order of the outputs that fits the labels better than the one that the data has."""

from collections.abc import Sequence

import numpy as np

from edgecv.core.errors import InputError
from edgecv.core.records import Labels, Predictions

LEAST_GAIN = 0.05
STANDARD_DEVIATIONS = 5
"""Another order that is right on so many more of the images is no accident: of all orders the best
of a model that only guesses is better by about two, with ten classes."""
CLEARLY_BETTER = 0.15
REALLY_GOOD = 0.5
"""Images, of all, that an order must be right on before a run stops for it: a model that is hardly
trained has favourites, and fits some other order by more than chance, and is no good there too."""
MOST_NAMES = 20


def better_order(
    predictions: Predictions, labels: Labels, class_names: Sequence[str]
) -> tuple[tuple[str, ...], float] | None:
    """Return the order of the outputs that fits the labels best, and the accuracy with it.

    predictions: float32 (N, K), labels: int64 (N,). None where the order that they are in is
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
    """Say where another order of the outputs would be right more often; None where none would.

    Raises InputError where it clearly would, and the model is a good one then: the classes of the
    data are not the model's outputs.
    """
    better = better_order(predictions, labels, class_names)
    if better is None:
        return None
    names, accuracy = better
    now = float(np.mean(predictions.argmax(axis=1) == labels))
    words = (
        f"is right on {now:.1%} of the images, and would be on {accuracy:.1%} if its outputs stood "
        f"for {', '.join(names[:MOST_NAMES])}{', ...' if len(names) > MOST_NAMES else ''}"
    )
    if accuracy >= REALLY_GOOD and accuracy > now + CLEARLY_BETTER:
        raise InputError(
            where, words, remedy="give --labels FILE with the name of each output, a line each"
        )
    return f"the baseline {words}: are the classes in the model's order? --labels gives it"
