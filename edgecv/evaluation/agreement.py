"""How far one set of predictions is from another."""

import numpy as np

from edgecv.core.records import Predictions


def agreement(predictions: Predictions, reference: Predictions) -> float:
    """Return the fraction of images that get the same likeliest class: (N, K), (N, K)."""
    return float(np.mean(predictions.argmax(axis=1) == reference.argmax(axis=1)))


def mean_probability_difference(predictions: Predictions, reference: Predictions) -> float:
    """Return the mean difference of a probability over all images: (N, K), (N, K)."""
    return float(np.abs(predictions.astype(np.float64) - reference).mean())


def max_probability_difference(predictions: Predictions, reference: Predictions) -> float:
    """Return the largest difference of one probability on any image: (N, K), (N, K)."""
    return float(np.abs(predictions.astype(np.float64) - reference).max())
