"""The loss of each image of a batch, by its targets and by what a teacher says of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgecv.core.images import ImageSequence
from edgecv.core.keras_types import KerasModel, Tensor
from edgecv.core.plugins import Task
from edgecv.models.tf import tensorflow
from edgecv.models.training.distillation import Distillation

ImageLosses = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Returns the loss of each image: (images, targets, raw outputs) -> (N,)."""


@dataclass(frozen=True)
class Teacher:
    """Model whose raw outputs are learned, and how."""

    model: KerasModel
    distillation: Distillation
    unlabelled: ImageSequence | None = None
    """Further images, whose targets nobody knows: only the teacher is imitated on them."""


def image_losses(task: Task, teacher: Teacher | None) -> ImageLosses:
    """Return the loss of each image; with a teacher also against its outputs."""
    if teacher is None:
        return lambda images, targets, raw: task.loss(targets, raw)
    imitation, mix = _imitation(task, teacher), teacher.distillation.mix

    def both(images: Tensor, targets: Tensor, raw: Tensor) -> Tensor:
        soft = imitation(images, raw)
        return mix * task.loss(targets, raw) + (1 - mix) * soft

    return both


def batch_loss(task: Task, teacher: Teacher | None) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Return the loss of a batch: (images, targets, raw outputs) -> ().

    Where there are fewer targets than images, the images after these have none: the teacher is
    imitated on all, and the mean loss against the targets is that of those with targets.
    """
    losses = image_losses(task, teacher)
    if teacher is None or teacher.unlabelled is None:
        return lambda images, targets, raw: tensorflow.reduce_mean(losses(images, targets, raw))
    imitation, mix = _imitation(task, teacher), teacher.distillation.mix

    def both(images: Tensor, targets: Tensor, raw: Tensor) -> Tensor:
        soft = tensorflow.reduce_mean(imitation(images, raw))
        own = task.loss(targets, of_labelled(raw, targets))
        return mix * tensorflow.reduce_mean(own) + (1 - mix) * soft

    return both


def of_labelled(values: Any, targets: Any) -> Any:
    """Return the values of the first images of a batch, which have targets."""
    count = tensorflow.nest.flatten(targets)[0].shape[0]
    return tensorflow.nest.map_structure(lambda each: each[:count], values)


def _imitation(task: Task, teacher: Teacher) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the loss of each image against the teacher: (images, raw outputs) -> (N,)."""
    teacher_raw, temperature = task.raw_model(teacher.model), teacher.distillation.temperature

    def imitation(images: Tensor, raw: Tensor) -> Tensor:
        return task.imitation_loss(teacher_raw(images, training=False), raw, temperature)

    return imitation
