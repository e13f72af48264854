"""The contract of a task."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edgecv.core.keras_types import Tensor
from edgecv.core.plugins.plugin import Plugin
from edgecv.core.records import Labels, Predictions


class Task(Plugin):
    """The meaning of a model's outputs: what is trained on, and what counts as right."""

    metric_name: ClassVar[str]

    @abstractmethod
    def loss(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Per-image training loss: TensorFlow (N,), (N, classes) -> (N,)."""

    @abstractmethod
    def imitation_loss(self, teacher: Tensor, logits: Tensor, temperature: float) -> Tensor:
        """Per-image loss of other outputs than the teacher's: (N, K), (N, K) -> (N,)."""

    @abstractmethod
    def metric(self, predictions: Predictions, labels: Labels) -> float:
        """Return the figure that comparisons and gates speak of."""

    @abstractmethod
    def score_per_image(self, predictions: Predictions, labels: Labels) -> NDArray[np.float64]:
        """Return how right each image is: float64 (N,), 0..1."""
