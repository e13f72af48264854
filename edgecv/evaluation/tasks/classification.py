"""One class an image."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edgecv.core.keras_types import Tensor
from edgecv.core.plugins import Task
from edgecv.core.records import Labels, Predictions
from edgecv.models.tf import load_tensorflow


class Classification(Task):
    """One class an image: trained on cross-entropy, judged by accuracy."""

    name: ClassVar[str] = "classification"
    metric_name: ClassVar[str] = "accuracy"

    def loss(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Cross-entropy of logits, the numerically stable form: (N,), (N, K) -> (N,)."""
        tensorflow, _ = load_tensorflow()
        return tensorflow.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)

    def imitation_loss(self, teacher: Tensor, logits: Tensor, temperature: float) -> Tensor:
        """Divergence of softened probabilities from the teacher's: (N, K), (N, K) -> (N,).

        Times the square of the temperature, so that its gradients are as large as the labels'.
        """
        tensorflow, _ = load_tensorflow()
        log_softmax = tensorflow.nn.log_softmax
        wanted, given = log_softmax(teacher / temperature), log_softmax(logits / temperature)
        divergence = tensorflow.reduce_sum(tensorflow.exp(wanted) * (wanted - given), axis=-1)
        return temperature**2 * divergence

    def metric(self, predictions: Predictions, labels: Labels) -> float:
        """Return the fraction of images whose likeliest class is the label."""
        return float(np.mean(self.score_per_image(predictions, labels)))

    def score_per_image(self, predictions: Predictions, labels: Labels) -> NDArray[np.float64]:
        """Return 1 where the likeliest class is the label, else 0: float64 (N,)."""
        right: NDArray[np.float64] = (predictions.argmax(axis=1) == labels).astype(np.float64)
        return right
