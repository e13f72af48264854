"""Wrong answers of a classifier, by the true and the predicted class."""

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Labels
from edgecv.core.paired_results import ConfusionChange

LARGEST_CELLS = 5
Answers = NDArray[np.int64]
"""The likeliest class of each image: int64 (N,)."""


def confusion_changes(
    answers: Answers, baseline: Answers, labels: Labels, classes: int
) -> tuple[ConfusionChange, ...]:
    """Return the wrong answers whose numbers changed most: int (N,), (N,), (N,)."""
    after, before = (wrong_cells(each, labels, classes) for each in (answers, baseline))
    cells = np.union1d(list(after), list(before)).astype(np.int64).tolist()
    changes = [
        ConfusionChange(cell // classes, cell % classes, before.get(cell, 0), after.get(cell, 0))
        for cell in cells
    ]
    changed = [each for each in changes if each.candidate != each.baseline]
    changed.sort(key=lambda each: (-abs(each.candidate - each.baseline), each.label, each.answer))
    return tuple(changed[:LARGEST_CELLS])


def wrong_cells(answers: Answers, labels: Labels, classes: int) -> dict[int, int]:
    """Count the wrong answers: label times classes plus answer -> images."""
    is_wrong = answers != labels
    cells, counts = np.unique(labels[is_wrong] * classes + answers[is_wrong], return_counts=True)
    return dict(zip(cells.tolist(), counts.tolist(), strict=True))
