"""The part of multilabel classification that trains: its last layers and its losses."""

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from edgecv.core.data import Dataset, Targets
from edgecv.core.errors import InputError
from edgecv.core.plugins import Curves, Head
from edgecv.evaluation.probability_task import ProbabilityTask
from edgecv.evaluation.tasks.classification.training import ClassHead
from edgecv.models.outputs import ending_of
from edgecv.models.softmax import with_activation
from edgecv.models.tf import tensorflow


class TrainedMultilabel(ProbabilityTask):
    """Several classes an image as a training needs them, with the options of the task."""

    threshold: float = Field(default=0.5, gt=0, lt=1)
    """Probability from which on an image has a label."""

    def head(self, data: Dataset) -> Head:
        """Return a dense layer and sigmoids, one output for each label of the data."""
        return ClassHead(len(data.class_names), several=True)

    def targets(self, labels: Targets) -> Targets:
        """Return 1 where an image has a label, else 0: float32 (N, K)."""
        return labels.astype(np.float32)

    curves: ClassVar[Curves] = Curves(
        score="overlap",
        score_axis="overlap of the labels",
        loss="binary cross-entropy",
    )

    def loss(self, targets: Any, raw: Any) -> Any:
        """Binary cross-entropy of logits, the mean over the labels: (N, K), (N, K) -> (N,)."""
        losses = tensorflow.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=raw)
        return tensorflow.reduce_mean(losses, axis=-1)

    def imitation_loss(self, teacher: Any, raw: Any, temperature: float) -> Any:
        """Cross-entropy with the teacher's softened probabilities: (N, K), (N, K) -> (N,).

        Scaled by the square of the temperature, so that the gradients match those of the labels.
        """
        wanted = tensorflow.sigmoid(teacher / temperature)
        return temperature**2 * self.loss(wanted, raw / temperature)

    def training_score(self, targets: Any, raw: Any) -> Any:
        """Return the overlap of given and wanted labels: (N, K), (N, K) -> (N,)."""
        given = tensorflow.cast(tensorflow.sigmoid(raw) >= self.threshold, tensorflow.float32)
        both = tensorflow.reduce_sum(given * targets, axis=-1)
        either = tensorflow.reduce_sum(tensorflow.maximum(given, targets), axis=-1)
        return tensorflow.where(either > 0, both / tensorflow.maximum(either, 1.0), 1.0)

    def finished(self, model: Any, where: str) -> tuple[Any, str]:
        """Return a model that gives a probability for each label; sigmoids are added to logits.

        Raises InputError for a softmax: it gives one class an image.
        """
        found, text = ending_of(model)
        if found == "probabilities":
            raise InputError(
                where,
                "gives probabilities of one class an image",
                accepted="a sigmoid for each label, or logits",
                remedy="--task classification",
            )
        return (model, text) if found == "sigmoid" else with_activation(model, "sigmoid")
