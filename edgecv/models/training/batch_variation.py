"""The images of a batch as a step sees them: varied by its seeds, with their targets."""

from typing import Any

from edgecv.core.data import Targets
from edgecv.core.keras_types import Tensor
from edgecv.core.plugins import Task
from edgecv.models.tf import tensorflow
from edgecv.models.training.augmentation import augment, blend, hide
from edgecv.models.training.schedule import Schedule
from edgecv.models.training.variations import vary


class BatchVariation:
    """Moves, varies, hides and blends the images of a batch, as a schedule asks for."""

    def __init__(
        self, schedule: Schedule, task: Task, labels: Targets, labelled: int | None = None
    ) -> None:
        """``labelled``: images of a batch with targets, where others without follow them."""
        self._schedule, self._task, self._labelled = schedule, task, labelled
        self._targets = tensorflow.nest.map_structure(tensorflow.constant, task.targets(labels))

    def varied(self, taken: Tensor, chosen: Tensor, seeds: Tensor) -> tuple[Tensor, Any]:
        """Return images, and the targets of the first of them.

        ``taken``: pixels (N, H, W, C); ``chosen``: rows of those with targets, (M,), M <= N.
        """
        nest, schedule, task = tensorflow.nest, self._schedule, self._task
        # Images without labels move as the others do; what moves with them is left out.
        places = tensorflow.pad(chosen, [[0, taken.shape[0] - chosen.shape[0]]])
        truth = nest.map_structure(lambda each: tensorflow.gather(each, places), self._targets)
        moved, truth = augment(taken, truth, seeds, schedule, task)
        if schedule.augment:
            moved, truth = vary(moved, truth, seeds, schedule.augment, task)
        truth = nest.map_structure(lambda each: each[: chosen.shape[0]], truth)
        return (hide(moved, seeds, schedule.cutout) if schedule.cutout else moved), truth

    def blended(
        self, taken: Tensor, chosen: Tensor, seeds: Tensor
    ) -> tuple[tuple[Tensor, Any, Any], Any]:
        """Return images, targets and those of the images blended in; and the share of the first."""
        batch, truth = self.varied(taken, chosen, seeds)
        if not self._schedule.mixup:
            return (batch, truth, truth), 1.0
        batch, share = blend(batch, seeds, self._schedule.mixup, self._labelled)
        others = tensorflow.nest.map_structure(lambda each: each[::-1], truth)
        return (batch, truth, others), share
