"""The base class of tasks whose models end in a softmax or sigmoid."""

from typing import Any

import numpy as np

from edgecv.core.data import Predictions
from edgecv.core.plugins import Task
from edgecv.models.softmax import logits_model, separate_softmax

SMALLEST = 1e-12


class ProbabilityTask(Task):
    """A task of probabilities: its loss takes what is before the last softmax or sigmoid."""

    def separated(self, model: Any) -> Any:
        """Return the same function with its softmax or sigmoid as a layer of its own."""
        return separate_softmax(model)

    def raw_model(self, model: Any) -> Any:
        """Return the model that ends before the softmax or sigmoid."""
        return logits_model(model)


def mean_divergence(whole: Predictions, cut: Predictions) -> float:
    """Return the mean Kullback-Leibler divergence of probabilities: (..., K) twice -> nats."""
    ratio = np.log(np.maximum(whole, SMALLEST)) - np.log(np.maximum(cut, SMALLEST))
    return float(np.mean((whole * ratio).sum(axis=-1, dtype=np.float64)))
