"""The part of regression that trains: its last layers, its losses, and targets that are moved."""

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from edgecv.core.data import Dataset, Targets
from edgecv.core.plugins import Curves, Head, Move, Task
from edgecv.evaluation.tasks.regression import training
from edgecv.evaluation.tasks.regression.checks import check_for_sigmoid
from edgecv.evaluation.tasks.regression.numbers_head import NumbersHead
from edgecv.evaluation.tasks.regression.values import wanted_of


class TrainedRegression(Task):
    """Numbers of an image as a training needs them, with the options of the task."""

    kind: Literal["numbers", "keypoints", "boxes"] = "numbers"
    """The targets: numbers of an image, keypoints, or boxes, of which an image has one."""
    ends_in: Literal["linear", "sigmoid"] = "linear"
    """Last activation of a network that is trained: sigmoid for targets of 0 to 1."""
    huber: float | None = Field(default=None, gt=0)
    """Train on Huber's loss: errors above this count linearly, in standard deviations of the
    training targets. By default all count squared."""
    tolerance: float = Field(default=0.05, gt=0, le=1)
    """Largest difference of the same answer, as a part of the range of the baseline's numbers."""
    within: float = Field(default=0.1, gt=0, le=1)
    """Distance of a correct keypoint (PCK), as a part of the range of the test keypoints."""
    swap: tuple[Annotated[tuple[int, int], Field(strict=False)], ...] = Field(
        default=(), strict=False
    )
    """Pairs of keypoints, by their places from 0, that are left and right: training mirrors images
    only where they are given."""

    @property
    def mirrors(self) -> bool:
        """True for boxes, and for keypoints with ``swap``: numbers have no rule."""
        return self.kind == "boxes" or bool(self.swap)

    def head(self, data: Dataset) -> Head:
        """Return a dense layer; a linear one gives the unit of the training targets.

        A batch normalization that does not train has their mean and scale: it becomes part of the
        dense layer in exported files.
        """
        wanted = wanted_of(data.train.labels)
        if self.ends_in == "sigmoid":
            check_for_sigmoid(wanted, data.name)
        return NumbersHead(wanted, self.ends_in)

    def targets(self, labels: Targets) -> Targets:
        """Return numbers, and their weights in the loss and in the score: float32 (N, 3, K)."""
        wanted = wanted_of(labels)
        weights = (wanted.counts / each for each in (wanted.scales, wanted.ranges))
        return np.stack([wanted.values, *weights], axis=1).astype(np.float32)

    curves: ClassVar[Curves] = Curves(
        score_axis="PCK of keypoints, else minus the mean error, of the range",
        loss="squared error",
    )

    def loss(self, targets: Any, raw: Any) -> Any:
        """Squared errors or Huber's loss, in standard deviations: (N, 3, K), (N, ...) -> (N,)."""
        return training.loss_of(targets, raw, self.huber)

    def imitation_loss(self, teacher: Any, raw: Any, temperature: float) -> Any:
        """Mean of squared differences, in deviations of the teacher: (N, ...), (N, ...) -> (N,)."""
        return training.imitation_loss_of(teacher, raw)

    @property
    def largest_turn(self) -> float:
        """Less than a right angle for keypoints, which have sides; numbers have no rule."""
        return 89.0 if self.kind == "keypoints" else 0.0

    @property
    def can_crop(self) -> bool:
        """True for keypoints alone: numbers have no rule, and the one box has to be whole."""
        return self.kind == "keypoints"

    def moved(self, targets: Any, move: Move) -> Any:
        """Return targets after the images were moved; numbers of an image do not move."""
        if self.kind == "numbers":
            return targets
        return training.moved(targets, move, is_box=self.kind == "boxes", swap=self.swap)

    def training_score(self, targets: Any, raw: Any) -> Any:
        """Return minus the mean error, of the range, or PCK: (N, 3, K), (N, ...) -> (N,)."""
        return training.score_of(targets, raw, self.within if self.kind == "keypoints" else None)
