"""The loss of each image of a batch, by its targets and by what a teacher says of it."""

from collections.abc import Callable
from dataclasses import dataclass

from edgecv.core.keras_types import KerasModel, Tensor
from edgecv.core.plugins import Task
from edgecv.models.training.distillation import Distillation

ImageLosses = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Returns the loss of each image: (images, targets, raw outputs) -> (N,)."""


@dataclass(frozen=True)
class Teacher:
    """Model whose raw outputs are learned, and how."""

    model: KerasModel
    distillation: Distillation


def image_losses(task: Task, teacher: Teacher | None) -> ImageLosses:
    """Return the loss of each image; with a teacher also against its outputs."""
    if teacher is None:
        return lambda images, targets, raw: task.loss(targets, raw)
    teacher_raw, options = task.raw_model(teacher.model), teacher.distillation

    def both(images: Tensor, targets: Tensor, raw: Tensor) -> Tensor:
        wanted = teacher_raw(images, training=False)
        soft = task.imitation_loss(wanted, raw, options.temperature)
        return options.mix * task.loss(targets, raw) + (1 - options.mix) * soft

    return both
