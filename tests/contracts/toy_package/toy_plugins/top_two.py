"""A task."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Outputs, Targets
from edgecv.core.plugins import Metric
from edgecv.evaluation.tasks.classification import Classification


class TopTwo(Classification):
    """One class an image, which has to be among the two likeliest."""

    name: ClassVar[str] = "top_two"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Return the fraction of images whose label is among the two likeliest classes."""
        return (
            Metric(
                "top-2 accuracy",
                lambda outputs, targets: float(self.score_per_image(outputs, targets).mean()),
            ),
        )

    def score_per_image(self, outputs: Outputs, targets: Targets) -> NDArray[np.float64]:
        """Return 1 where the label is among the two likeliest classes, else 0: float64 (N,)."""
        likeliest = np.argsort(outputs.only, axis=1)[:, -2:]
        return (likeliest == targets[:, None]).any(axis=1).astype(np.float64)
