"""Numbers, keypoints and boxes as one row of numbers an image, and which of them count."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Targets
from edgecv.core.targets import NO_BOX

Values = NDArray[np.float64]


@dataclass(frozen=True)
class WantedNumbers:
    """The numbers that are wanted of each image: float64 (N, K)."""

    values: Values
    counts: NDArray[np.bool_]
    """False for the numbers of a point that cannot be seen: bool (N, K)."""
    ranges: Values
    """Range of each number over the images, of points and boxes that of all: float64 (K,)."""
    scales: Values
    """Standard deviation of each number over the images, of points and boxes that of all."""

    def mean_errors(self, given: Values) -> tuple[Values, Values]:
        """Return the sum of absolute errors of each image, and the number of those: (N,), (N,)."""
        errors = np.abs(given - self.values) * self.counts
        return errors.sum(axis=1), self.counts.sum(axis=1)


def wanted_of(targets: Targets) -> WantedNumbers:
    """Return the numbers of targets: numbers (N, K), keypoints (N, P, 3), boxes (N, M, 5).

    A number whose range or scale is 0 has 1.

    >>> wanted_of(np.array([[1.0, 5.0], [3.0, 5.0]])).ranges
    array([2., 1.])
    """
    if targets.ndim <= 2:
        values = targets.reshape(len(targets), -1).astype(np.float64)
        counts, axis = np.ones(values.shape, bool), 0
    else:
        is_box = targets.shape[2] == 5
        part = targets[:, 0, 1:] if is_box else targets[:, :, :2].reshape(len(targets), -1)
        seen = targets[:, 0, 0] != NO_BOX if is_box else targets[:, :, 2] > 0
        width = 4 if is_box else 2
        counts = np.repeat(seen.reshape(len(targets), -1), width, axis=1)
        values, axis = part.astype(np.float64), None
    known = np.where(counts, values, np.nan)
    size = values.shape[1]
    if not counts.any():
        return WantedNumbers(values, counts, np.ones(size), np.ones(size))
    spread = np.nanmax(known, axis) - np.nanmin(known, axis)
    ranges, scales = (
        np.broadcast_to(np.where(each > 0, each, 1.0), size)
        for each in (spread, np.nanstd(known, axis))
    )
    return WantedNumbers(values, counts, ranges, scales)
