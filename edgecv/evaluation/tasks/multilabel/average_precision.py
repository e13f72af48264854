"""Average precision of each label, also of images drawn anew."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Predictions

Wanted = NDArray[np.bool_]
"""True where an image has a label: bool (N, K)."""


def average_precisions(
    predictions: Predictions, wanted: Wanted
) -> Callable[[NDArray[np.int64]], NDArray[np.float64]]:
    """Return the average precision of each label of some images: int (N,) -> float64 (K,).

    The area under precision over recall, without interpolation: images of equal probability count
    together. NaN for a label that none of the images has.

    >>> values, labels = np.array([[0.9], [0.8], [0.7]]), np.array([[True], [False], [True]])
    >>> average_precisions(values, labels)(np.arange(3)).round(4).tolist()
    [0.8333]
    """
    order = np.argsort(-predictions, axis=0, kind="stable")
    values = np.take_along_axis(predictions, order, axis=0)
    hits = np.take_along_axis(wanted, order, axis=0)
    is_last = np.ones(values.shape, bool)  # Of those with an equal probability.
    is_last[:-1] = values[1:] != values[:-1]

    def of(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        counts = np.bincount(rows, minlength=len(order))[order]
        right = np.where(is_last, np.cumsum(counts * hits, axis=0), 0)
        taken = np.cumsum(counts, axis=0)
        recalled = np.maximum.accumulate(right, axis=0)
        gained = np.diff(recalled, axis=0, prepend=0)
        total = recalled[-1]
        precision = right / np.maximum(taken, 1)
        areas = (precision * gained).sum(axis=0) / np.maximum(total, 1)
        found: NDArray[np.float64] = np.where(total > 0, areas, np.nan)
        return found

    return of


def mean_average_precision(
    predictions: Predictions, wanted: Wanted
) -> Callable[[NDArray[np.int64]], float]:
    """Return the mean of the average precisions of some images by their rows: int (N,) -> 0..1.

    Labels that no image has are left out; 0 where there are none at all.
    """
    by_label = average_precisions(predictions, wanted)

    def of(rows: NDArray[np.int64]) -> float:
        areas = by_label(rows)
        known = areas[~np.isnan(areas)]
        return float(known.mean()) if len(known) else 0.0

    return of
