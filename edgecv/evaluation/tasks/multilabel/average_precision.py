"""Average precision of each label, also of images drawn anew."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Predictions

Wanted = NDArray[np.bool_]
"""True where an image has a label: bool (N, K)."""


def mean_average_precision(
    predictions: Predictions, wanted: Wanted
) -> Callable[[NDArray[np.int64]], float]:
    """Return the mean average precision of some images by their rows: int (N,) -> 0..1.

    The area under precision over recall, without interpolation: images of equal probability count
    together. Labels that no image has are left out; 0 where there are none at all.

    >>> values, labels = np.array([[0.9], [0.8], [0.7]]), np.array([[True], [False], [True]])
    >>> round(mean_average_precision(values, labels)(np.arange(3)), 4)
    0.8333
    """
    order = np.argsort(-predictions, axis=0, kind="stable")
    values = np.take_along_axis(predictions, order, axis=0)
    hits = np.take_along_axis(wanted, order, axis=0)
    is_last = np.ones(values.shape, bool)  # Of those with an equal probability.
    is_last[:-1] = values[1:] != values[:-1]

    def of(rows: NDArray[np.int64]) -> float:
        counts = np.bincount(rows, minlength=len(order))[order]
        found = np.where(is_last, np.cumsum(counts * hits, axis=0), 0)
        taken = np.cumsum(counts, axis=0)
        recalled = np.maximum.accumulate(found, axis=0)
        gained = np.diff(recalled, axis=0, prepend=0)
        total = recalled[-1]
        precision = found / np.maximum(taken, 1)
        areas = (precision * gained).sum(axis=0)[total > 0] / total[total > 0]
        return float(areas.mean()) if len(areas) else 0.0

    return of
