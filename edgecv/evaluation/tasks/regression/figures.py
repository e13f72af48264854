"""Figures of numbers: RMSE, R2, correct keypoints, overlap of boxes."""

import math
from collections.abc import Callable

import numpy as np

from edgecv.core.data import Outputs, Targets
from edgecv.evaluation.tasks.regression.values import Values, WantedNumbers, wanted_of


def mean_absolute_error(given: Values, wanted: WantedNumbers) -> float:
    """Return the mean absolute error over all numbers, in their own unit."""
    errors, counts = wanted.mean_errors(given)
    return float(errors.sum() / counts.sum()) if counts.any() else math.nan


def root_mean_square_error(given: Values, wanted: WantedNumbers) -> float:
    """Return the root of the mean squared error over all numbers, in their own unit."""
    squares = (given - wanted.values)[wanted.counts] ** 2
    return float(np.sqrt(squares.mean())) if len(squares) else math.nan


def r2(given: Values, wanted: WantedNumbers) -> float:
    """Return the part of the variance that is explained, the mean over the numbers.

    NaN where no number varies.
    """
    counts = wanted.counts
    known = np.maximum(counts.sum(axis=0), 1)
    middle = (wanted.values * counts).sum(axis=0) / known
    total = ((wanted.values - middle) ** 2 * counts).sum(axis=0)
    left = ((given - wanted.values) ** 2 * counts).sum(axis=0)
    varies = total > 0
    return float(np.mean(1 - left[varies] / total[varies])) if varies.any() else math.nan


def correct_keypoints(given: Values, wanted: WantedNumbers, within: float) -> tuple[Values, Values]:
    """Return the visible points of each image that are right, and the visible ones: (N,), (N,).

    Right is a point within a part of the range of all points.
    """
    far = (given - wanted.values).reshape(len(given), -1, 2)
    seen = wanted.counts.reshape(far.shape)[:, :, 0]
    near = np.hypot(far[..., 0], far[..., 1]) <= within * wanted.ranges[0]
    return (near & seen).sum(axis=1).astype(np.float64), seen.sum(axis=1).astype(np.float64)


def mean_box_overlap(given: Values, wanted: WantedNumbers) -> float:
    """Return the mean intersection over union of the boxes: left, top, right, bottom."""
    low = np.maximum(given[:, :2], wanted.values[:, :2])
    high = np.minimum(given[:, 2:], wanted.values[:, 2:])
    both = np.prod(np.maximum(high - low, 0), axis=1)
    areas = sum(
        np.prod(np.maximum(each[:, 2:] - each[:, :2], 0), axis=1) for each in (given, wanted.values)
    )
    overlap = both / np.maximum(areas - both, np.finfo(float).tiny)
    seen = wanted.counts[:, 0]
    return float(overlap[seen].mean()) if seen.any() else math.nan


def values_of(outputs: Outputs) -> Values:
    """Return the outputs as one row an image: float64 (N, K)."""
    return outputs.only.reshape(len(outputs), -1).astype(np.float64)


def distances(outputs: Outputs, reference: Outputs) -> Values:
    """Return the differences of two outputs, of the range of the reference's: float64 (N, K)."""
    own, other = values_of(outputs), values_of(reference)
    width = np.ptp(other, axis=0)
    return np.abs(own - other) / np.where(width > 0, width, 1.0)


def figure_of(
    figure: Callable[[Values, WantedNumbers], float],
) -> Callable[[Outputs, Targets], float]:
    """Return a figure of numbers as one of outputs and targets."""
    return lambda outputs, targets: figure(values_of(outputs), wanted_of(targets))


def errors_of_images(outputs: Outputs, targets: Targets) -> tuple[Values, Values]:
    """Return the sum of errors of each image, of the range, and their number: (N,), (N,)."""
    wanted = wanted_of(targets)
    scaled = WantedNumbers(
        wanted.values / wanted.ranges, wanted.counts, wanted.ranges, wanted.scales
    )
    return scaled.mean_errors(values_of(outputs) / wanted.ranges)
