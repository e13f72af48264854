"""Training of a classifier: its last layers, its loss, and the weights of its classes."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from edgecv.core.data import Dataset, Targets
from edgecv.core.errors import InputError, unknown_name
from edgecv.core.plugins import Curves, Head
from edgecv.evaluation.probability_task import ProbabilityTask
from edgecv.models.outputs import ending_of
from edgecv.models.softmax import with_activation
from edgecv.models.tf import keras, tensorflow
from edgecv.models.training.imitation import divergence_from, two_classes

TWO = 2
Weight = Annotated[float, Field(gt=0, le=1e6)]


class ClassHead:
    """The last layers of a classifier: float32 (N, F) -> probabilities (N, classes)."""

    def __init__(self, classes: int, *, several: bool = False) -> None:
        self.classes = classes
        self.several = several

    def __call__(self, **options: Any) -> Sequence[Any]:
        """Return a dense layer with ``options``, and a softmax; a sigmoid for several classes."""
        last = partial(keras.layers.Activation, "sigmoid") if self.several else keras.layers.Softmax
        logits = keras.layers.Dense(self.classes, name="logits", **options)
        return [logits, last(name="probabilities")]


class TrainedClassifier(ProbabilityTask):
    """The part of the task that trains: weights of classes, labels and losses."""

    class_weights: (
        Literal["balanced"]
        | Annotated[tuple[Weight, ...], Field(strict=False)]
        | dict[str, Weight]
        | None
    ) = None
    """Weight of the images of each class in training, in the order of the classes or by their
    names (1 for one without); "balanced": as many times more as the class has fewer images."""
    label_smoothing: Annotated[float | None, Field(gt=0, lt=1)] = None
    """Part of the probability that training spreads over all classes."""

    @property
    def weighs_classes(self) -> bool:
        """True if the classes have weights."""
        return self.class_weights is not None

    def of_task(self, data: Dataset) -> Dataset:
        """Return the data with a class an image. Raises InputError where the weights do not fit."""
        weights, classes = self.class_weights, len(data.class_names)
        for name in weights if isinstance(weights, dict) and data.has_labels else ():
            if name not in data.class_names:
                raise unknown_name(
                    "--class-weights", f'there is no class "{name}"', name, data.class_names
                )
        if isinstance(weights, tuple) and data.has_labels and len(weights) != classes:
            raise InputError(
                "--class-weights",
                f"holds {len(weights)} numbers, and {data.name} has {classes} classes",
                accepted='one each, in the order of the classes, or "balanced"',
            )
        return super().of_task(data)

    def for_data(self, data: Dataset) -> Self:
        """Return the task with its weights in the order of the classes."""
        weights = self.class_weights
        if not isinstance(weights, dict):
            return self
        ordered = tuple(weights.get(name, 1.0) for name in data.class_names)
        return self.model_copy(update={"class_weights": ordered})

    def head(self, data: Dataset) -> Head:
        """Return a dense layer and a softmax, one output for each class of the data."""
        return ClassHead(len(data.class_names))

    def targets(self, labels: Targets) -> Targets:
        """Return the numbers of the classes: int64 (N,) -> int32 (N,).

        With weights they are float32 (N, 2): the class and the weight of each image.
        """
        if self.class_weights is None:
            return labels.astype(np.int32)
        if self.class_weights == "balanced":
            counts = np.bincount(labels)
            weights = len(labels) / np.maximum(counts, 1) / np.count_nonzero(counts)
        else:
            weights = np.array(self.class_weights)
        return np.stack([labels, weights[labels]], axis=1).astype(np.float32)

    curves: ClassVar[Curves] = Curves(
        score="accuracy",
        score_axis="fraction right",
        loss="cross-entropy",
    )

    def loss(self, targets: Any, raw: Any) -> Any:
        """Cross-entropy of logits, the numerically stable form: (N,), (N, K) -> (N,)."""
        logits, classes = two_classes(raw), self._classes(targets)
        loss = tensorflow.nn.sparse_softmax_cross_entropy_with_logits(classes, logits)
        if self.label_smoothing is not None:
            spread = -tensorflow.reduce_mean(tensorflow.nn.log_softmax(logits), axis=-1)
            loss = (1 - self.label_smoothing) * loss + self.label_smoothing * spread
        return loss if self.class_weights is None else loss * targets[:, 1]

    def _classes(self, targets: Any) -> Any:
        if self.class_weights is None:
            return targets
        return tensorflow.cast(targets[:, 0], tensorflow.int32)

    def imitation_loss(self, teacher: Any, raw: Any, temperature: float) -> Any:
        """Divergence of softened probabilities from the teacher's: (N, K), (N, K) -> (N,)."""
        return divergence_from(teacher, raw, temperature)

    def training_score(self, targets: Any, raw: Any) -> Any:
        """Return 1 where the likeliest class is the label, else 0: (N,), (N, K) -> (N,)."""
        right = tensorflow.argmax(two_classes(raw), 1, tensorflow.int32) == self._classes(targets)
        return tensorflow.cast(right, tensorflow.float32)

    def finished(self, model: Any, where: str) -> tuple[Any, str]:
        """Return a classifier that gives probabilities; a softmax is added to logits.

        To the logit of one output a sigmoid. Raises InputError for several sigmoids: they belong to
        several questions.
        """
        found, text = ending_of(model)
        is_one = model.outputs[0].shape[-1] == 1
        if found == "sigmoid" and not is_one:
            raise InputError(
                where,
                f"ends in a sigmoid ({model.layers[-1].name}): each output is a yes or no of its"
                " own",
                accepted="one softmax over the classes, or logits",
                remedy="--task multilabel takes it as several classes an image",
            )
        if found != "numbers":
            return model, text
        return with_activation(model, "sigmoid" if is_one else "softmax")
