"""The pixels of each class in maps and masks."""

import numpy as np
from numpy.typing import NDArray

from edgecv.core.class_results import ClassResults
from edgecv.core.data import Targets
from edgecv.core.targets import IGNORED
from edgecv.evaluation.class_cells import most_confused, scored_classes
from edgecv.evaluation.tasks.segmentation.counts import confusion
from edgecv.evaluation.tasks.segmentation.maps import Maps


def class_results(answers: Maps, masks: Targets, classes: int) -> ClassResults:
    """Return pixels, intersection over union and confusion: uint8 (N, H, W) both.

    A model may give classes that the data has not: their pixels are wrong, and in no cell.
    """
    known = masks[masks != IGNORED]
    wanted = np.bincount(known, minlength=classes)[:classes]
    matrix = confusion(answers, np.where(answers < classes, masks, IGNORED), classes)
    given, right = matrix.sum(axis=0), matrix.diagonal()
    iou = np.where(wanted > 0, right / np.maximum(1, wanted + given - right), np.nan)
    wrong = np.where(np.eye(classes, dtype=bool), 0, matrix)
    return ClassResults(
        classes=scored_classes(wanted, given, right, iou),
        confusion=most_confused(_cells(wrong), classes),
        wrong_cells=int(np.count_nonzero(wrong)),
        metric="IoU",
        unit="pixels",
    )


def _cells(matrix: NDArray[np.int64]) -> dict[int, int]:
    places = np.flatnonzero(matrix)
    return dict(zip(places.tolist(), matrix.ravel()[places].tolist(), strict=True))
