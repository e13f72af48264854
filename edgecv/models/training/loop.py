"""Fit a model: shared by training and by every fine-tuning step.

The order of the images and their variations are a pure function of (seed, epoch), and each
finished epoch is kept on disk, so that a killed training goes on where it was and ends with the
weights that it would have had.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Dataset, Outputs, Split
from edgecv.core.errors import DivergedError, InputError
from edgecv.core.events import Event
from edgecv.core.images import ImageSequence, image_rows
from edgecv.core.keras_types import KerasModel, Tensor
from edgecv.core.plugins import Constraint, Task
from edgecv.core.text import counted
from edgecv.models.outputs import named_outputs
from edgecv.models.tf import compile_function, compile_inference, load_tensorflow
from edgecv.models.training import batch_norm as moving_averages
from edgecv.models.training.augmentation import augment, blend, check_augmentation, hide
from edgecv.models.training.checkpoint import (
    Epoch,
    TrainingProgress,
    Weights,
    read_progress,
    write_progress,
)
from edgecv.models.training.devices import gpu_name, in_precision
from edgecv.models.training.distillation import Distillation
from edgecv.models.training.estimate import FORWARDS_A_STEP, MINUTE, duration, seconds_of
from edgecv.models.training.optimizers import optimizer_of
from edgecv.models.training.randomness import seeded_layers
from edgecv.models.training.schedule import Schedule
from edgecv.models.training.variations import margin_of_blur, vary
from edgecv.system.storage import write_json

STEPS_BETWEEN_REPORTS = 25
EVALUATION_BATCH = 500
HALF_SCALE = 1024.0
"""The factor of the loss in float16, which has no smaller gradients than 6e-8; exact."""
EVALUATION_BYTES = 2**26
"""Most memory of the images of a batch, in float32: of large images a batch has fewer."""


@dataclass(frozen=True)
class Teacher:
    """Model whose raw outputs are learned, and how."""

    model: KerasModel
    distillation: Distillation


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
    check_augmentation(schedule, task, data.name)
    if constraint is not None and schedule.ema is not None:
        raise InputError("ema", "averages weights that are held to a rule", remedy="leave it out")
    whole = model
    if schedule.mixed_precision is not None:
        model = in_precision(model, schedule.mixed_precision)
    trainer = _Trainer(model, data.train, task, schedule, seed, constraint, teacher)
    epochs = schedule.total_epochs(len(data.train))
    if schedule.minutes is not None:
        epochs = _epochs_in(schedule.minutes, trainer, len(data.validation), checkpoint)
        trainer.rates = schedule.learning_rates(trainer.steps * epochs)
    progress = read_progress(checkpoint)
    if progress.was_damaged:
        on_event(Event("note", "the epochs kept on disk are damaged: starting again"))
    if progress.history:
        trainer.restore(progress)
        done = len(progress.history)
        on_event(Event("resume", f"an interrupted training goes on after epoch {done} of {epochs}"))
    if len(progress.history) < epochs:
        on_event(Event("training", _plan(trainer, data, epochs - len(progress.history))))
    for epoch in range(len(progress.history), epochs):
        if schedule.patience and progress.epochs_without_gain >= schedule.patience:
            on_event(Event("note", f"no better epoch in {schedule.patience}: stopped early"))
            break
        progress = _one_epoch(trainer, data.validation, progress, epoch, epochs, on_event)
        write_progress(checkpoint, progress)
        values = progress.history[-1].table(task.curves.score)
        on_event(Event("epoch", "epoch done", epoch + 1, epochs, values))
    model.set_weights(list(progress.best_weights))
    history, steps = progress.history, len(progress.history) * trainer.steps
    # Averaged weights are none that batch normalization was trained beside.
    if moving_averages.lag(model, 0 if schedule.ema else steps):
        score = _settle(trainer, data.validation, on_event)
        history = _with_kept(progress, score, trainer.validation_loss(data.validation))
    if model is not whole:
        whole.set_weights(model.get_weights())
    return history


def own_epoch(
    model: KerasModel, data: Dataset, task: Task, schedule: Schedule, seed: int, seconds: float
) -> Epoch:
    """Return losses and scores of a model that another function has trained, as one epoch."""
    trainer = _Trainer(model, data.train, task.for_data(data), schedule, seed, None, None)
    return Epoch(
        epoch=1,
        loss=trainer.validation_loss(data.train),
        score=trainer.score(data.train),
        validation_score=trainer.score(data.validation),
        seconds=seconds,
        validation_loss=trainer.validation_loss(data.validation),
        learning_rate=schedule.learning_rate,
    )


def _plan(trainer: "_Trainer", data: Dataset, epochs: int) -> str:
    """Return the size of a training, and about how long it takes."""
    a_pass = trainer.seconds_a_pass(len(data.validation))
    steps = f"{counted(trainer.steps, 'step')} of {counted(trainer.batch, 'image')}"
    gpu = f" on {name}" if (name := gpu_name()) else ""
    return f"training {counted(epochs, 'epoch')} of {steps}{gpu}: about {duration(epochs * a_pass)}"


def _epochs_in(minutes: float, trainer: "_Trainer", validation: int, checkpoint: Path) -> int:
    """Return the epochs that fit into a time; after an interruption as many as before it."""
    path = checkpoint.with_suffix(".json")
    if not path.exists():
        seconds = trainer.measured_seconds_a_pass(validation)
        write_json(path, max(1, int(minutes * MINUTE / seconds)))
    epochs: int = json.loads(path.read_text("utf-8"))
    return epochs


def _with_kept(progress: TrainingProgress, score: float, loss: float) -> tuple[Epoch, ...]:
    """Return the history with score and loss of the weights as they are kept, for their epoch."""
    best = progress.best
    kept = replace(best, validation_score=score, validation_loss=loss)
    return tuple(kept if each is best else each for each in progress.history)


def _settle(trainer: "_Trainer", validation: Split, on_event: Callable[[Event], None]) -> float:
    """Estimate the moving averages of batch normalization again; keep them unless they are worse.

    They can be slightly worse if the training was long enough. Returns the score of what is kept.
    """
    before = trainer.weights()
    lagging = trainer.score(validation)
    moving_averages.estimate(trainer.model, trainer.batches(), trainer.seed)
    settled = trainer.score(validation)
    now, before_it = (trainer.task.score_text(each) for each in (settled, lagging))
    message = f"batch normalization found anew after a short training: validation {now}"
    is_worse = settled < lagging
    kept = "; that is kept" if is_worse else ""
    on_event(Event("note", f"{message}, {before_it} before{kept}"))
    if is_worse:
        trainer.model.set_weights(list(before))
    return max(settled, lagging)


def _one_epoch(
    trainer: "_Trainer",
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
        validation_score = trainer.score(validation)
        validation_loss = trainer.validation_loss(validation)
        kept = trainer.weights()
    seconds = time.perf_counter() - started
    rate = float(trainer.rates[(epoch + 1) * steps - 1])
    result = Epoch(
        epoch + 1,
        loss,
        score,
        validation_score,
        seconds,
        validation_loss,
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


class _Trainer:
    """The compiled step of one model, and the images that it takes its batches from."""

    def __init__(
        self,
        model: KerasModel,
        split: Split,
        task: Task,
        schedule: Schedule,
        seed: int,
        constraint: Constraint | None,
        teacher: Teacher | None,
    ) -> None:
        tensorflow, _ = load_tensorflow()
        self.model = model
        self.task = task
        self.precision = schedule.mixed_precision
        self.seed = seed
        self.constraint = constraint
        self.count = len(split)
        self.batch = min(schedule.batch, self.count)
        self._images = image_rows(split.images)
        self.steps = schedule.steps_per_epoch(self.count)
        self.rates = schedule.learning_rates(self.steps * schedule.total_epochs(self.count))
        self.optimizer = optimizer_of(schedule)
        self.optimizer.build(model.trainable_variables)
        self._predict = compile_inference(model)
        nest = tensorflow.nest
        targets = nest.map_structure(tensorflow.constant, task.targets(split.labels))

        def varied(taken: Tensor, chosen: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
            truth = nest.map_structure(lambda each: tensorflow.gather(each, chosen), targets)
            moved, truth = augment(taken, truth, seeds, schedule, task)
            if schedule.augment:
                moved, truth = vary(moved, truth, seeds, schedule.augment, task)
            return (hide(moved, seeds, schedule.cutout) if schedule.cutout else moved), truth

        self._varied = varied
        self._teacher: Any = None if teacher is None else compile_function(teacher.model)
        raw_model, is_half = task.raw_model(model), schedule.mixed_precision == "float16"
        loss_of = _loss(task, teacher)

        def step(taken: Tensor, chosen: Tensor, seeds: Tensor, rate: Any) -> tuple[Any, Any]:
            batch, truth = varied(taken, chosen, seeds)
            if schedule.mixup:
                batch, share = blend(batch, seeds, schedule.mixup)
            with seeded_layers(model, seeds), tensorflow.GradientTape() as tape:
                raw = raw_model(batch, training=True)
                loss = tensorflow.reduce_mean(loss_of(batch, truth, raw))
                if schedule.mixup:
                    others = nest.map_structure(lambda each: each[::-1], truth)
                    of_others = tensorflow.reduce_mean(loss_of(batch, others, raw))
                    loss = share * loss + (1 - share) * of_others
                loss += sum(model.losses)  # Regularization that the layers ask for.
                scaled = loss * HALF_SCALE if is_half else loss
            self.optimizer.learning_rate.assign(rate)
            gradients = tape.gradient(scaled, model.trainable_variables)
            if is_half:
                gradients = [each / HALF_SCALE for each in gradients]
            self.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            if constraint is not None:
                constraint.project()
            return loss, tensorflow.reduce_mean(task.training_score(truth, raw))

        self._step = compile_function(step)
        self._raw = compile_inference(raw_model)
        self._losses = compile_function(loss_of)

    def epoch(self, epoch: int) -> Iterator[tuple[int, float, float]]:
        """Train one pass; yield (steps done, mean loss, mean score) now and then."""
        tensorflow, _ = load_tensorflow()
        sums = np.zeros(2)
        waiting: list[tuple[Any, Any]] = []
        for number, batch in enumerate(self._taken(epoch)):
            step = epoch * self.steps + number
            if self.constraint is not None:
                self.constraint.before_step(step, len(self.rates))
            rate = self.rates[step]
            seeds = tensorflow.constant([self.seed, step], "int32")
            waiting.append(self._step(*batch, seeds, tensorflow.constant(rate)))
            done = number + 1
            # Reading a result waits for the step, so results are read a few at a time.
            if done % STEPS_BETWEEN_REPORTS == 0 or done == self.steps:
                found = np.array(waiting, dtype=np.float64)
                if not np.isfinite(found[:, 0]).all():
                    first = int(np.argmin(np.isfinite(found[:, 0])))
                    yield (
                        done - len(found) + first + 1,
                        float(found[first, 0]),
                        float(found[first, 1]),
                    )
                sums += found.sum(axis=0)
                waiting.clear()
                yield done, float(sums[0] / done), float(sums[1] / done)

    def batches(self) -> Iterator[Any]:
        """Yield the batches of one more pass, on which no step is trained: float32 (N, H, W, C)."""
        tensorflow, _ = load_tensorflow()
        first = len(self.rates)
        for number, batch in enumerate(self._taken(first // self.steps)):
            seeds = tensorflow.constant([self.seed, first + number], "int32")
            yield self._varied(*batch, seeds)[0]

    def _taken(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the images of each step, and their rows; the next ones are read meanwhile."""
        tensorflow, _ = load_tensorflow()
        order = self._order(epoch)
        with ThreadPoolExecutor(1) as reader:
            following = reader.submit(self._images.__getitem__, order[0])
            for number, chosen in enumerate(order):
                taken = following.result()
                if number + 1 < len(order):
                    following = reader.submit(self._images.__getitem__, order[number + 1])
                yield tensorflow.constant(taken), tensorflow.constant(chosen)

    def _order(self, epoch: int) -> NDArray[np.int32]:
        """Return which images the steps of an epoch take: (steps, batch)."""
        order = np.random.default_rng((self.seed, epoch)).permutation(self.count)
        return order[: self.steps * self.batch].astype(np.int32).reshape(self.steps, self.batch)

    def score(self, split: Split) -> float:
        """Return the mean score of the images of a split."""
        outputs = self.predict(split.images)
        return float(np.mean(self.task.score_per_image(outputs, split.labels)))

    def validation_loss(self, split: Split) -> float:
        """Return the mean loss of the images of a split, as training counts it."""
        tensorflow, _ = load_tensorflow()
        nest, targets, total = tensorflow.nest, self.task.targets(split.labels), 0.0
        for start in range(0, len(split), EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            images = tensorflow.constant(split.images[part].astype(np.float32))
            truth = nest.map_structure(
                lambda each, part=part: tensorflow.constant(each[part]), targets
            )
            losses = self._losses(images, truth, self._raw(images))
            total += float(tensorflow.reduce_sum(losses))
        return total / len(split) + float(sum(self.model.losses))

    def seconds_a_pass(self, validation: int) -> float:
        """Return an estimate of the seconds of one epoch, by the time of one batch.

        Nothing random is drawn for it: the training that follows is the same without.
        """
        batch = self._images[: self.batch].astype(np.float32)
        forward = seconds_of(lambda: named_outputs(self.model, self._predict(batch)))
        a_step = FORWARDS_A_STEP * forward
        if self._teacher is not None:
            a_step += seconds_of(lambda: named_outputs(self.model, self._teacher(batch)))
        return self.steps * a_step + validation / self.batch * forward

    def measured_seconds_a_pass(self, validation: int) -> float:
        """Return the seconds of one epoch, by steps that are undone."""
        tensorflow, _ = load_tensorflow()
        before = TrainingProgress((), self.weights(), self.optimizer_state())
        batch = next(self._taken(0))
        seeds, rate = tensorflow.constant([self.seed, 0], "int32"), tensorflow.constant(0.0)
        step = seconds_of(lambda: float(self._step(*batch, seeds, rate)[0]))
        self.restore(before)
        images = np.zeros((self.batch, *self._images.shape[1:]), np.float32)
        forward = seconds_of(lambda: named_outputs(self.model, self._predict(images)))
        return self.steps * step + validation / self.batch * forward

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Give the model the averages of its weights, where the optimizer has them."""
        if not self.optimizer.use_ema:
            yield
            return
        before = self.model.get_weights()
        self.optimizer.finalize_variable_values(self.model.trainable_variables)
        try:
            yield
        finally:
            self.model.set_weights(before)

    def predict(self, images: ImageSequence) -> Outputs:
        """Return the model's outputs: uint8 (N, H, W, C) -> float32 (N, ...) each."""
        fitting = EVALUATION_BYTES // (4 * math.prod(images.shape[1:]))
        size = max(1, min(EVALUATION_BATCH, fitting))
        batches = (images[start : start + size] for start in range(0, len(images), size))
        found = (self._predict(batch.astype(np.float32)) for batch in batches)
        return Outputs.joined([named_outputs(self.model, each) for each in found])

    def is_settled(self, epoch: int) -> bool:
        """Return True if the weights after ``epoch`` are fully what the constraint asks for."""
        if self.constraint is None:
            return True
        return (epoch + 1) * self.steps > self.constraint.settled(len(self.rates))

    def weights(self) -> Weights:
        return tuple(self.model.get_weights())

    def optimizer_state(self) -> Weights:
        return tuple(variable.numpy() for variable in self.optimizer.variables)

    def restore(self, progress: TrainingProgress) -> None:
        self.model.set_weights(list(progress.weights))
        for variable, value in zip(self.optimizer.variables, progress.optimizer, strict=True):
            variable.assign(value)
        if self.constraint is not None:
            self.constraint.restore()


def _loss(task: Task, teacher: Teacher | None) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Return the loss of each image: (images, targets, raw outputs) -> (N,)."""
    if teacher is None:
        return lambda images, targets, raw: task.loss(targets, raw)
    teacher_raw, options = task.raw_model(teacher.model), teacher.distillation

    def both(images: Tensor, targets: Tensor, raw: Tensor) -> Tensor:
        wanted = teacher_raw(images, training=False)
        soft = task.imitation_loss(wanted, raw, options.temperature)
        return options.mix * task.loss(targets, raw) + (1 - options.mix) * soft

    return both


def _check_enough(data: Dataset, schedule: Schedule) -> None:
    for split in ("train", "validation"):
        if not len(data.split(split)):
            raise InputError(
                data.name, f"has no {split} images", remedy="give more images under train/"
            )
    if schedule.augment and data.meaning is not None:
        raise InputError("augment", "is for pixels, and the data holds other numbers")
    blur = schedule.augment.get("blur")
    if blur is not None and margin_of_blur(blur) >= min(data.image_shape[:2]):
        raise InputError("augment", f"a blur of {blur:g} pixels is wider than the images")
    if schedule.shift >= min(data.image_shape[:2]):
        raise InputError(
            "shift", f"is {schedule.shift}", accepted="less than the side of the images"
        )
