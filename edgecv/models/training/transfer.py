"""Transfer learning: the head of a network is trained first, then all of it, more slowly."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from edgecv.core.data import Dataset
from edgecv.core.errors import InputError
from edgecv.core.events import Event, of_training
from edgecv.core.plugins import Task
from edgecv.models.backbone import Backbone
from edgecv.models.training.checkpoint import Epoch
from edgecv.models.training.loop import fit
from edgecv.models.training.schedule import COUNTS_EPOCHS, Schedule, frozen_too_long

USUAL_SHARE = 3
"""One in so many epochs trains the head alone, where nothing else is asked for."""
Freeze = int | Literal["all"] | None
"""Epochs that train the head alone, "all" of them, or None for a third."""


def stages(
    schedule: Schedule, images: int, freeze: Freeze, rate_factor: float
) -> tuple[Schedule | None, Schedule | None]:
    """Return the schedules of the frozen stage and of the fine-tuning; None for none.

    Both together have the epochs of ``schedule``. Raises InputError where they are fewer.
    """
    slower = schedule.model_copy(update={"learning_rate": schedule.learning_rate * rate_factor})
    if freeze == 0:
        return None, slower
    if freeze == "all":
        return schedule, None
    if schedule.minutes is not None:
        if freeze is not None:
            raise InputError("--freeze", COUNTS_EPOCHS, remedy="give epochs")
        first = schedule.minutes / USUAL_SHARE
        return (
            schedule.model_copy(update={"minutes": first}),
            slower.model_copy(update={"minutes": schedule.minutes - first}),
        )
    epochs = schedule.total_epochs(images)
    frozen = max(1, epochs // USUAL_SHARE) if freeze is None else freeze
    if frozen == epochs:
        return schedule, None
    if frozen > epochs:
        raise frozen_too_long(frozen, epochs)
    exact = {"minimum_steps": 0, "maximum_steps": None}
    return (
        schedule.model_copy(update={"epochs": frozen, **exact}),
        slower.model_copy(update={"epochs": epochs - frozen, **exact}),
    )


def fit_stages(
    backbone: Backbone,
    data: Dataset,
    task: Task,
    schedules: tuple[Schedule | None, Schedule | None],
    *,
    seed: int,
    checkpoints: Callable[[str], Path],
    on_event: Callable[[Event], None],
) -> tuple[Epoch, ...]:
    """Train in place with the backbone frozen, then all of it; leave the best weights in it.

    ``checkpoints``: the file of a stage by its name. Returns the epochs of both stages, numbered
    as one training. Raises as ``fit`` does.
    """
    model, history = backbone.model, tuple[Epoch, ...]()
    names = ("the backbone is frozen: its head is trained", "the backbone is fine-tuned")
    for number, (schedule, text) in enumerate(zip(schedules, names, strict=True)):
        if schedule is None:
            continue
        on_event(Event("training", f"{text}, at a learning rate of {schedule.learning_rate:.3g}"))
        before = model.get_weights()
        with backbone.frozen(all_weights=number == 0):
            path = checkpoints(f"-stage{number + 1}.npz")
            numbered = of_training(on_event, done=len(history))
            found = fit(model, data, task, schedule, seed=seed, checkpoint=path, on_event=numbered)
        earlier = max((each.validation_score for each in history), default=None)
        if earlier is not None and earlier > max(each.validation_score for each in found):
            on_event(Event("note", "the fine-tuning was no better: the frozen backbone is kept"))
            model.set_weights(before)
        done = len(history)
        history += tuple(replace(each, epoch=each.epoch + done) for each in found)
    return history
