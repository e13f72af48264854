"""Fit a model: shared by training and by every fine-tuning step.

The order of the images and their variations are a pure function of (seed, epoch), and each
finished epoch is kept on disk, so that a killed training goes on where it was and ends with the
weights that it would have had.
"""

import json
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgecv.core.data import Dataset, Split
from edgecv.core.errors import DivergedError, InputError
from edgecv.core.events import Event
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import Constraint, Task
from edgecv.core.text import counted
from edgecv.models.training import batch_norm as moving_averages
from edgecv.models.training.augmentation import check_schedule
from edgecv.models.training.checkpoint import Epoch, TrainingProgress, read_progress, write_progress
from edgecv.models.training.devices import gpu_name, in_precision
from edgecv.models.training.estimate import MINUTE, duration
from edgecv.models.training.evaluation import Evaluation, SplitScore
from edgecv.models.training.losses import Teacher
from edgecv.models.training.pace import Pace
from edgecv.models.training.replicas import SHARED, make_replicas
from edgecv.models.training.schedule import Schedule
from edgecv.models.training.trainer import Trainer
from edgecv.models.training.variations import margin_of_blur
from edgecv.system.storage import write_json


def fit(
    model: KerasModel,
    data: Dataset,
    task: Task,
    schedule: Schedule,
    *,
    seed: int,
    checkpoint: Path,
    on_event: Callable[[Event], None],
    constraint: Constraint | None = None,
    teacher: Teacher | None = None,
) -> tuple[Epoch, ...]:
    """Train ``model`` in place and leave the weights of its best epoch in it.

    With a ``constraint`` the best is chosen among the epochs whose weights fully obey it; with a
    ``teacher`` the loss looks at its outputs too.

    ``model`` is as ``Task.separated`` makes them: the loss takes its raw outputs. ``checkpoint``
    is the file of the last finished epoch; it stays, so that one of several trainings need not be
    done again, and is the caller's to remove. Raises StepError when the loss is not finite,
    InputError when there is nothing to train or choose with.
    """
    task = task.for_data(data)
    _check_enough(data, schedule)
    check_schedule(schedule, task, data.name)
    if constraint is not None:
        _check_holds(schedule)
    whole = model
    if schedule.mixed_precision is not None:
        model = in_precision(model, schedule.mixed_precision)
    replicas = make_replicas(schedule.device) if schedule.device in SHARED else None
    if replicas is not None:
        replicas.check_batch(min(schedule.batch, len(data.train)))
        replicas.take_first_workers(checkpoint)
    trainer = Trainer(model, data.train, task, schedule, seed, constraint, teacher, replicas)
    pace = Pace(trainer, len(data.validation))
    epochs = schedule.total_epochs(len(data.train))
    if schedule.minutes is not None:
        epochs = _epochs_in(schedule.minutes, pace, checkpoint)
        trainer.rates = schedule.learning_rates(trainer.steps * epochs)
    progress = read_progress(checkpoint)
    if progress.was_damaged:
        on_event(Event("note", "the epochs kept on disk are damaged: starting again"))
    if progress.history:
        trainer.restore(progress)
        done = len(progress.history)
        on_event(Event("resume", f"an interrupted training goes on after epoch {done} of {epochs}"))
    if len(progress.history) < epochs:
        on_event(Event("training", _plan(pace, epochs - len(progress.history))))
        is_in_16_bits = model is not whole and replicas is None
        if is_in_16_bits and (slower := pace.slower_than(Evaluation(whole, task))):
            on_event(Event("note", slower))
    for epoch in range(len(progress.history), epochs):
        if schedule.patience and progress.epochs_without_gain >= schedule.patience:
            on_event(Event("note", f"no better epoch in {schedule.patience}: stopped early"))
            break
        with nullcontext() if replicas is None else replicas.together():
            progress = _one_epoch(trainer, data.validation, progress, epoch, epochs, on_event)
        write_progress(checkpoint, progress)
        values = progress.history[-1].table(task.curves.score)
        on_event(Event("epoch", "epoch done", epoch + 1, epochs, values))
    model.set_weights(list(progress.best_weights))
    history, steps = progress.history, len(progress.history) * trainer.steps
    # Averaged weights are none that batch normalization was trained beside.
    if moving_averages.lag(model, 0 if schedule.ema else steps):
        history = _with_kept(progress, _settle(trainer, data.validation, on_event))
    if model is not whole:
        whole.set_weights(model.get_weights())
    return history


def _plan(pace: Pace, epochs: int) -> str:
    """Return the size of a training, and about how long it takes."""
    trainer, a_pass = pace.trainer, pace.a_pass()
    steps = f"{counted(trainer.steps, 'step')} of {counted(trainer.batch, 'image')}"
    if trainer.unlabelled_batch:
        steps += f" and {trainer.unlabelled_batch:,} without labels"
    gpu = f" on {name}" if (name := gpu_name()) else ""
    if trainer.replicas is not None:
        gpu += f" shared by {trainer.replicas.text}"
    return f"training {counted(epochs, 'epoch')} of {steps}{gpu}: about {duration(epochs * a_pass)}"


def _epochs_in(minutes: float, pace: Pace, checkpoint: Path) -> int:
    """Return the epochs that fit into a time; after an interruption as many as before it."""
    path = checkpoint.with_suffix(".json")
    if not path.exists():
        write_json(path, pace.epochs_in(minutes * MINUTE))
    epochs: int = json.loads(path.read_text("utf-8"))
    return epochs


def _with_kept(progress: TrainingProgress, found: SplitScore) -> tuple[Epoch, ...]:
    """Return the history with score and loss of the weights as they are kept, for their epoch."""
    best = progress.best
    kept = replace(best, validation_score=found.score, validation_loss=found.loss)
    return tuple(kept if each is best else each for each in progress.history)


def _settle(trainer: Trainer, validation: Split, on_event: Callable[[Event], None]) -> SplitScore:
    """Estimate the moving averages of batch normalization again; keep them unless they are worse.

    They can be slightly worse if the training was long enough. Returns the score of what is kept.
    """
    before = trainer.model.get_weights()
    lagging = trainer.evaluated(validation)
    moving_averages.estimate(trainer.model, trainer.batches(), trainer.seed)
    settled = trainer.evaluated(validation)
    now, before_it = (trainer.task.score_text(each.score) for each in (settled, lagging))
    message = f"batch normalization found anew after a short training: validation {now}"
    is_worse = settled.score < lagging.score
    kept = "; that is kept" if is_worse else ""
    on_event(Event("note", f"{message}, {before_it} before{kept}"))
    if is_worse:
        trainer.model.set_weights(before)
    return lagging if is_worse else settled


def _one_epoch(
    trainer: Trainer,
    validation: Split,
    before: TrainingProgress,
    epoch: int,
    epochs: int,
    on_event: Callable[[Event], None],
) -> TrainingProgress:
    started = time.perf_counter()
    loss = score = math.nan
    steps = trainer.steps
    for step, loss, score in trainer.epoch(epoch):
        values = {"epoch": epoch + 1, "epochs": epochs, "loss": loss}
        values[trainer.task.curves.score] = score
        on_event(Event("step", "training", epoch * steps + step, epochs * steps, values))
        if not math.isfinite(loss):
            found = f"the loss is {loss} in epoch {epoch + 1} of {epochs}, step {step} of {steps}"
            rate = float(trainer.rates[epoch * steps + step - 1])
            raise _diverged(found, rate, before, trainer.precision)
    weights = trainer.weights()
    with trainer.averaged():
        evaluated = trainer.evaluated(validation)
        kept = trainer.weights()
    seconds = time.perf_counter() - started
    rate = float(trainer.rates[(epoch + 1) * steps - 1])
    result = Epoch(
        epoch + 1,
        loss,
        score,
        evaluated.score,
        seconds,
        evaluated.loss,
        rate,
        trainer.is_settled(epoch),
    )
    if not all(np.isfinite(each).all() for each in weights):  # By the last step, after its loss.
        found = f"there are NaN or infinite weights after epoch {epoch + 1} of {epochs}"
        raise _diverged(found, rate, before, trainer.precision)
    after = TrainingProgress((*before.history, result), weights, trainer.optimizer_state())
    is_best = after.best is result
    return replace(after, best_weights=kept if is_best else before.best_weights)


def _diverged(
    found: str, rate: float, before: TrainingProgress, precision: str | None
) -> DivergedError:
    """Return the error of a training with NaN or infinite numbers, which keeps its checkpoint."""
    kept = (
        f"; epoch {before.history[-1].epoch}, the last good one, is kept" if before.history else ""
    )
    where = f"{found}, at a learning rate of {rate:.3g}"
    if precision is not None:
        where, remedy = (
            f"{where} in {precision}",
            "leave mixed_precision out, or lower learning_rate",
        )
    else:
        remedy = "lower learning_rate"
    return DivergedError("training", f"{where}{kept}", remedy=remedy)


def _check_holds(schedule: Schedule) -> None:
    """Raise InputError for options by which other weights are kept than a rule holds."""
    for key, does in (("ema", "averages"), ("mixed_precision", "trains a copy of")):
        if getattr(schedule, key) is not None:
            raise InputError(key, f"{does} weights that are held to a rule", remedy="leave it out")


def _check_enough(data: Dataset, schedule: Schedule) -> None:
    for split in ("train", "validation"):
        if not len(data.split(split)):
            raise InputError(
                data.name, f"has no {split} images", remedy="give more images under train/"
            )
    for key in ("augment", "mirror", "shift") if data.meaning is not None else ():
        if getattr(schedule, key):
            found = "is for pixels, and the data holds other numbers"
            raise InputError(key, found, remedy="leave it out")
    blur = schedule.augment.get("blur")
    if blur is not None and margin_of_blur(blur) >= min(data.image_shape[:2]):
        raise InputError("augment", f"a blur of {blur:g} pixels is wider than the images")
    if schedule.shift >= min(data.image_shape[:2]):
        raise InputError(
            "shift", f"is {schedule.shift}", accepted="less than the side of the images"
        )
