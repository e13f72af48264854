"""What became of each class: differences, corrected for many looks, and confusions."""

import numpy as np
from numpy.typing import NDArray

from edgecv.core.paired_results import ClassDifference, ConfusionChange
from edgecv.core.records import Labels
from edgecv.evaluation.significance import mcnemar

SIGNIFICANCE = 0.05
LARGEST_CELLS = 5
Answers = NDArray[np.int64]
"""The likeliest class of each image: int64 (N,)."""


def class_differences(
    answers: Answers, baseline: Answers, labels: Labels
) -> tuple[ClassDifference, ...]:
    """Compare two models class by class, the worst first: int (N,), (N,), (N,)."""
    present, place = np.unique(labels, return_inverse=True)
    right, baseline_right = answers == labels, baseline == labels
    images = np.bincount(place)
    wins = np.bincount(place[right & ~baseline_right], minlength=len(present))
    losses = np.bincount(place[~right & baseline_right], minlength=len(present))
    points = (wins - losses) / images * 100
    p_values = mcnemar(wins, losses)
    corrected = holm(p_values)
    found = [
        ClassDifference(
            label=int(present[each]),
            images=int(images[each]),
            wins=int(wins[each]),
            losses=int(losses[each]),
            difference_points=float(points[each]),
            p_value=float(p_values[each]),
            corrected_p_value=float(corrected[each]),
            is_significant=bool(corrected[each] < SIGNIFICANCE),
        )
        for each in range(len(present))
    ]
    return tuple(sorted(found, key=lambda one: (one.difference_points, one.p_value, one.label)))


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p values corrected for how many there are: float (N,) -> float (N,).

    Holm (1979), "A simple sequentially rejective multiple test procedure": one of them is below
    0.05 in 5% of the cases at most, where nothing differs. scipy has other corrections only.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return corrected


def confusion_changes(
    answers: Answers, baseline: Answers, labels: Labels, classes: int
) -> tuple[ConfusionChange, ...]:
    """Return the wrong answers whose numbers changed most: int (N,), (N,), (N,)."""
    after, before = (_wrong_cells(each, labels, classes) for each in (answers, baseline))
    cells = np.union1d(list(after), list(before)).astype(np.int64).tolist()
    changes = [
        ConfusionChange(cell // classes, cell % classes, before.get(cell, 0), after.get(cell, 0))
        for cell in cells
    ]
    changed = [each for each in changes if each.candidate != each.baseline]
    changed.sort(key=lambda each: (-abs(each.candidate - each.baseline), each.label, each.answer))
    return tuple(changed[:LARGEST_CELLS])


def _wrong_cells(answers: Answers, labels: Labels, classes: int) -> dict[int, int]:
    """Count the wrong answers: label times classes plus answer -> images."""
    is_wrong = answers != labels
    cells, counts = np.unique(labels[is_wrong] * classes + answers[is_wrong], return_counts=True)
    return dict(zip(cells.tolist(), counts.tolist(), strict=True))
