"""Expected calibration error: the distance of confidence from accuracy."""

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Bools, Labels, Predictions

BINS = 15


def calibration_error(predictions: Predictions, labels: Labels) -> float:
    """Return the expected calibration error, 0..1: (N, K), (N,).

    Guo et al. (2017), "On calibration of modern neural networks": images are sorted into 15 bins
    of equal width by the probability of the likeliest class; the distance between the mean
    probability of a bin and the fraction that is right in it, averaged over the images.

    >>> calibration_error(np.array([[0.75, 0.25], [0.75, 0.25]], np.float32), np.array([0, 1]))
    0.25
    """
    confidence, right, bins = calibration_bins(predictions, labels)
    gaps = np.bincount(bins, weights=right - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(labels))


def calibration_bins(
    predictions: Predictions, labels: Labels
) -> tuple[NDArray[np.float64], Bools, NDArray[np.int64]]:
    """Return the confidence of each image, True for a right answer, and its bin: (N,) each."""
    confidence = predictions.max(axis=1).astype(np.float64)
    # A confidence on an edge belongs to the bin below it.
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    return confidence, predictions.argmax(axis=1) == labels, bins
