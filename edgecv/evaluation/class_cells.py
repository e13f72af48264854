"""Cells of a confusion matrix, and images by their score: for the results of a model by class."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.class_results import ClassResult, ConfusionCell

MOST_CELLS = 1000
"""Cells of a confusion matrix in a report: all of one of 32 classes."""


def most_confused(cells: Mapping[int, int], classes: int) -> tuple[ConfusionCell, ...]:
    """Return the cells with most images: label times classes plus answer -> images.

    >>> most_confused({1: 3, 2: 9}, classes=2)[0]
    ConfusionCell(label=1, answer=0, images=9)
    """
    ordered = sorted(cells, key=lambda cell: (-cells[cell], cell))[:MOST_CELLS]
    return tuple(ConfusionCell(cell // classes, cell % classes, cells[cell]) for cell in ordered)


def scored_classes(
    wanted: NDArray[Any], given: NDArray[Any], right: NDArray[Any], scores: NDArray[np.float64]
) -> tuple[ClassResult, ...]:
    """Return the classes with their counts and scores: (K,) each, NaN for a score not known."""
    known = [None if np.isnan(each) else float(each) for each in scores]
    counts = [each.astype(np.int64).tolist() for each in (wanted, given, right)]
    columns = zip(range(len(known)), *counts, known, strict=True)
    return tuple(ClassResult(*each) for each in columns)


def lowest(scores: NDArray[np.float64], most: int) -> tuple[int, ...]:
    """Return the images with the lowest scores, the lowest first: those that are not all right.

    >>> lowest(np.array([0.5, 1.0, 0.2]), 24)
    (2, 0)
    """
    order = np.argsort(scores, kind="stable")
    return tuple(order[scores[order] < 1][:most].tolist())
