"""A task."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edgecv.core.records import Labels, Predictions
from edgecv.evaluation.tasks.classification import Classification


class TopTwo(Classification):
    """One class an image, which has to be among the two likeliest."""

    name: ClassVar[str] = "top_two"
    metric_name: ClassVar[str] = "top-2 accuracy"

    def score_per_image(self, predictions: Predictions, labels: Labels) -> NDArray[np.float64]:
        """Return 1 where the label is among the two likeliest classes, else 0: float64 (N,)."""
        likeliest = np.argsort(predictions, axis=1)[:, -2:]
        right: NDArray[np.float64] = (likeliest == labels[:, None]).any(axis=1).astype(np.float64)
        return right
