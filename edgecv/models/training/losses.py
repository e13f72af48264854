"""The loss of each image of a batch, by its targets and by what a teacher says of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgecv.core.images import ImageSequence
from edgecv.core.keras_types import KerasModel, Tensor
from edgecv.core.plugins import Task
from edgecv.models.tf import Inference, tensorflow
from edgecv.models.training.attention import Size, common_sizes, distance, with_activations
from edgecv.models.training.distillation import Distillation

ImageLosses = Callable[[Tensor, Any, Tensor], Tensor]
"""Returns the loss of each image: (targets, raw outputs of the teacher, raw outputs) -> (N,)."""
BatchLoss = Callable[[Tensor, Any, Tensor, Tensor, Any], Tensor]
"""Returns the loss of a batch: (images, raw outputs of the teacher, or () to ask it, targets, raw
outputs, activations) -> ()."""


@dataclass(frozen=True)
class Teacher:
    """Model whose raw outputs are learned, and how."""

    model: KerasModel
    distillation: Distillation
    unlabelled: ImageSequence | None = None
    """Further images, whose targets nobody knows: only the teacher is imitated on them."""

    def inference(self, task: Task) -> Inference:
        """Return the compiled inference of its raw outputs: each compiles a graph of its own."""
        raw = task.raw_model(self.model)
        return Inference(raw, raw.inputs[0].shape[1:])


def student_outputs(
    task: Task, model: KerasModel, teacher: Teacher | None
) -> Callable[[Tensor], tuple[Tensor, list[Tensor]]]:
    """Return a call of ``model`` in training: images -> raw outputs, activations.

    The activations are those that are compared with the teacher's. Raises InputError where they
    should be, and both models have none of one size.
    """
    raw, sizes = task.raw_model(model), _sizes(model, teacher)
    if not sizes:
        return lambda images: (raw(images, training=True), [])
    both = with_activations(raw, model, sizes)
    return lambda images: both(images, training=True)


def image_losses(task: Task, distillation: Distillation | None) -> ImageLosses:
    """Return the loss of each image; where a teacher is imitated also against its raw outputs."""
    if distillation is None:
        return lambda targets, taught, raw: task.loss(targets, raw)
    mix, temperature = distillation.mix, distillation.temperature

    def both(targets: Tensor, taught: Any, raw: Tensor) -> Tensor:
        soft = task.imitation_loss(taught, raw, temperature)
        return mix * task.loss(targets, raw) + (1 - mix) * soft

    return both


def batch_loss(task: Task, teacher: Teacher | None, student: KerasModel) -> BatchLoss:
    """Return the loss of a batch of which ``student_outputs`` gave outputs and activations.

    Where there are fewer targets than images, the images after these have none: the teacher is
    imitated on all, and the mean loss against the targets is that of those with targets.
    """
    mean = tensorflow.reduce_mean
    if teacher is None:
        return lambda images, taught, targets, raw, seen: mean(task.loss(targets, raw))
    imitation, mix = _imitation(task, teacher, _sizes(student, teacher)), teacher.distillation.mix

    def each_with_targets(
        images: Tensor, taught: Any, targets: Tensor, raw: Tensor, seen: Any
    ) -> Tensor:
        soft = imitation(images, taught, raw, seen)
        return mean(mix * task.loss(targets, raw) + (1 - mix) * soft)

    def some_with_targets(
        images: Tensor, taught: Any, targets: Tensor, raw: Tensor, seen: Any
    ) -> Tensor:
        soft = mean(imitation(images, taught, raw, seen))
        own = task.loss(targets, of_labelled(raw, targets))
        return mix * mean(own) + (1 - mix) * soft

    return each_with_targets if teacher.unlabelled is None else some_with_targets


def of_labelled(values: Any, targets: Any) -> Any:
    """Return the values of the first images of a batch, which have targets."""
    count = tensorflow.nest.flatten(targets)[0].shape[0]
    return tensorflow.nest.map_structure(lambda each: each[:count], values)


def _sizes(student: KerasModel, teacher: Teacher | None) -> tuple[Size, ...]:
    if teacher is None or not teacher.distillation.attention:
        return ()
    return common_sizes(student, teacher.model)


def _imitation(
    task: Task, teacher: Teacher, sizes: tuple[Size, ...] = ()
) -> Callable[[Tensor, Any, Tensor, list[Tensor]], Tensor]:
    """Return the loss of each image against the teacher.

    (images, raw outputs of the teacher or (), raw outputs, activations) -> (N,).
    """
    raw_teacher, options = task.raw_model(teacher.model), teacher.distillation
    watched = with_activations(raw_teacher, teacher.model, sizes) if sizes else None

    def imitation(images: Tensor, taught: Any, raw: Tensor, seen: list[Tensor]) -> Tensor:
        if watched is None:
            is_known = tensorflow.nest.flatten(taught)
            theirs = taught if is_known else raw_teacher(images, training=False)
            return task.imitation_loss(theirs, raw, options.temperature)
        theirs, shown = watched(images, training=False)
        soft = task.imitation_loss(theirs, raw, options.temperature)
        return soft + options.attention * distance(seen, shown)

    return imitation
