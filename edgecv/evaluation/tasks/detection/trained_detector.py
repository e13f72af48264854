"""The part of detection that trains: its last layers, its losses, and boxes that are moved."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from edgecv.core.data import Dataset, Targets
from edgecv.core.errors import InputError
from edgecv.core.plugins import Curves, Head, Move
from edgecv.core.targets import NO_BOX
from edgecv.evaluation.probability_task import ProbabilityTask
from edgecv.evaluation.tasks.detection import training
from edgecv.evaluation.tasks.detection.decoders import Decoder, MapDecoder
from edgecv.models.tf import keras, tensorflow

RARE = 0.01
"""Chance of a class in a cell that an untrained network gives: most cells have nothing."""


class TrainedDetector(ProbabilityTask):
    """Detection as a training needs it: with maps of edgecv's own."""

    decoder: Decoder | None = None
    """The way from outputs to boxes; where not given, edgecv's own two maps, or the four outputs of
    post-processing, as their shapes show."""

    def head(self, data: Dataset) -> Head:
        """Return two 1x1 convolutions: a chance for each class, and four distances."""
        self._check_own()
        return MapsHead(len(data.class_names))

    def targets(self, labels: Targets) -> Targets:
        """Return the boxes: float32 (N, most, 5)."""
        return labels

    curves: ClassVar[Curves] = Curves(score_axis="mean F1 of an image", loss="focal + GIoU loss")

    def loss(self, targets: Any, raw: Any) -> Any:
        """Focal loss of classes and GIoU of boxes: (N, most, 5), two maps -> (N,)."""
        self._check_own()
        return training.loss_of(targets, raw)

    def imitation_loss(self, teacher: Any, raw: Any, temperature: float) -> Any:
        """Divergence of the classes, and distance of the boxes: two maps each -> (N,)."""
        self._check_own()
        return training.imitation_loss_of(teacher, raw, temperature)

    @property
    def largest_turn(self) -> float:
        """None: a box that is turned is no box along the sides any more."""
        return 0.0

    def moved(self, targets: Any, move: Move) -> Any:
        """Return boxes that were moved as their images, cut at the edges: (N, most, 5)."""
        high, wide = move.size
        count = targets.shape[1]
        x, y = move.points(
            tensorflow.concat([targets[..., 1], targets[..., 3]], axis=1) * wide,
            tensorflow.concat([targets[..., 2], targets[..., 4]], axis=1) * high,
        )
        x, y = (tensorflow.clip_by_value(each, 0.0, 1.0) for each in (x / wide, y / high))
        low, high_x = x[:, :count], x[:, count:]
        ends = (
            tensorflow.minimum(low, high_x),
            y[:, :count],
            tensorflow.maximum(low, high_x),
            y[:, count:],
        )
        classes = targets[..., 0]
        if move.cuts:
            is_there = (ends[2] > ends[0]) & (ends[3] > ends[1])
            classes = tensorflow.where(is_there, classes, float(NO_BOX))
        return tensorflow.stack([classes, *ends], axis=-1)

    def training_score(self, targets: Any, raw: Any) -> Any:
        """Chance of the right class times the overlap of its box: (N, most, 5), maps -> (N,)."""
        return training.score_of(targets, raw)

    def _check_own(self) -> None:
        if not isinstance(self.decoder or MapDecoder(), MapDecoder):
            raise InputError(
                "[task.decoder]",
                "is for a detector of others: nothing says how it is trained",
                accepted="conversion and every precision for it; training with edgecv's own maps",
                remedy="leave out what trains, or the decoder",
            )


class MapsHead:
    """The last layers of a detector: a map of features -> chances of classes, and distances."""

    def __init__(self, classes: int) -> None:
        self.classes = classes

    def __call__(self, **options: Any) -> dict[str, Sequence[Any]]:
        """Return 1x1 convolutions with ``options``; an untrained network finds next to nothing.

        Each is an output of its own, so that integers have one scale for chances and another one
        for distances.
        """
        rare = keras.initializers.Constant(float(np.log(RARE / (1 - RARE))))
        one = keras.initializers.Constant(1.0)
        return {
            "boxes": [keras.layers.Conv2D(4, 1, name="boxes", bias_initializer=one, **options)],
            "classes": [
                keras.layers.Conv2D(
                    self.classes, 1, name="logits", bias_initializer=rare, **options
                ),
                keras.layers.Activation("sigmoid", name="classes"),
            ],
        }
