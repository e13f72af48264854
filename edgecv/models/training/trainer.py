"""The compiled step of a training, and what is kept of it between epochs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Split
from edgecv.core.keras_types import KerasModel, Tensor
from edgecv.core.plugins import Constraint, Task
from edgecv.models.tf import compile_function, tensorflow, without_fusions
from edgecv.models.training.batch_variation import BatchVariation
from edgecv.models.training.batches import Batches
from edgecv.models.training.checkpoint import TrainingProgress, Weights
from edgecv.models.training.evaluation import Evaluation, SplitScore
from edgecv.models.training.losses import (
    Teacher,
    batch_loss,
    of_labelled,
    student_outputs,
)
from edgecv.models.training.optimizers import optimizer_of
from edgecv.models.training.randomness import seeded_layers
from edgecv.models.training.replicas import Replicas
from edgecv.models.training.schedule import Schedule
from edgecv.models.training.teacher_answers import TeacherAnswers

STEPS_BETWEEN_REPORTS = 25
HALF_SCALE = 1024.0
"""The factor of the loss in float16, which has no smaller gradients than 6e-8; exact."""
MOST_BYTES_OF_VIEWS = 2**29
"""Outputs of a teacher for the batches that come again; it is asked again for those beyond."""


class Trainer:
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
        replicas: Replicas | None = None,
    ) -> None:
        self.model = model
        """The model that is evaluated: it has the weights of the trained one after an epoch."""
        self.replicas = replicas
        trained = self._trained = model if replicas is None else replicas.copy(model)
        self.task = task
        self.precision = schedule.mixed_precision
        self.seed = seed
        self.constraint = constraint
        count = len(split)
        self.batch = min(schedule.batch, count)
        self.steps = schedule.steps_per_epoch(count)
        further = None if teacher is None else teacher.unlabelled
        classes = split.labels if schedule.sampling == "balanced" else None
        self._batches = Batches(split.images, self.batch, self.steps, seed, further, classes)
        self.unlabelled_batch = self._batches.unlabelled_batch
        self.rates = schedule.learning_rates(self.steps * schedule.total_epochs(count))
        with nullcontext() if replicas is None else replicas.strategy.scope():
            self.optimizer = optimizer_of(schedule)
            self.optimizer.build(trained.trainable_variables)
        labelled = self.batch if further is not None else None
        self._variation = BatchVariation(schedule, task, split.labels, labelled)
        self.teacher = None if teacher is None else teacher.inference(task)
        self._fusions: Callable[[], Any] = nullcontext
        if self.teacher is not None:
            self.teacher(np.zeros((1, *split.images.shape[1:]), np.float32))
            self._fusions = nullcontext if self.teacher.has_kernels else without_fusions
        is_half = schedule.mixed_precision == "float16"
        outputs_of = student_outputs(task, trained, teacher)
        loss_of = batch_loss(task, teacher, trained)

        def train_on(
            values: Any, share: Any, seeds: Tensor, rate: Any, parts: int = 1
        ) -> tuple[Any, Any]:
            batch, truth, others, taught = values
            with seeded_layers(trained, seeds), tensorflow.GradientTape() as tape:
                raw, seen = outputs_of(batch)
                loss = loss_of(batch, taught, truth, raw, seen)
                if schedule.mixup:
                    loss = share * loss + (1 - share) * loss_of(batch, taught, others, raw, seen)
                loss += sum(trained.losses)  # Regularization that the layers ask for.
                loss = loss if parts == 1 else loss / parts
                scaled = loss * HALF_SCALE if is_half else loss
            self.optimizer.learning_rate.assign(rate)
            gradients = tape.gradient(scaled, trained.trainable_variables)
            if is_half:
                gradients = [each / HALF_SCALE for each in gradients]
            self.optimizer.apply_gradients(zip(gradients, trained.trainable_variables, strict=True))
            if constraint is not None:
                constraint.project()
            scores = task.training_score(truth, of_labelled(raw, truth))
            return loss, tensorflow.reduce_mean(scores)

        def step(
            taken: Tensor, chosen: Tensor, taught: Any, seeds: Tensor, of_layers: Tensor, rate: Any
        ) -> tuple[Any, Any]:
            """Train on one batch; the seeds are of its variations, and of layers with chance."""
            images, share = self._variation.blended(taken, chosen, seeds)
            values = (*images, taught)
            if replicas is None:
                return train_on(values, share, of_layers, rate)

            def train_on_part(own: Any, place: Any) -> tuple[Any, Any]:
                own_seeds = tensorflow.random.experimental.stateless_fold_in(of_layers, place)
                loss, score = train_on(own, share, own_seeds, rate, replicas.count)
                return loss, score / replicas.count

            loss, score = replicas.sum_of_parts(train_on_part, values)
            return loss, score

        self._step = compile_function(step)
        self.views = None if teacher is None else teacher.distillation.epochs_varied(self.steps)
        asked = self.teacher if self.views else None
        self._answers = TeacherAnswers(asked, MOST_BYTES_OF_VIEWS)
        self._images: Any = compile_function(lambda *batch: self._variation.blended(*batch)[0][0])
        self.evaluation = Evaluation(model, task, teacher, self.teacher, replicas)

    def epoch(self, epoch: int) -> Iterator[tuple[int, float, float]]:
        """Train one pass; yield (steps done, mean loss, mean score) now and then."""
        sums = np.zeros(2)
        waiting: list[tuple[Any, Any]] = []
        view = epoch if self.views is None else epoch % self.views
        for number, batch in enumerate(self._taken(view)):
            step, place = epoch * self.steps + number, view * self.steps + number
            if self.constraint is not None:
                self.constraint.before_step(step, len(self.rates))
            waiting.append(self._one_step(batch, place, step, self.rates[step]))
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

    def _one_step(self, batch: Any, place: int, step: int, rate: float) -> tuple[Any, Any]:
        """Train on the batch of a place in the passes that are varied anew."""
        seeds, of_layers = (tensorflow.constant([self.seed, each]) for each in (place, step))
        with self._fusions():
            taught = self._answers.kept(place)
            if taught is None:
                taught = self._answers.of(place, self._images(*batch, seeds))
            loss, score = self._step(*batch, taught, seeds, of_layers, tensorflow.constant(rate))
        return loss, score

    def batches(self) -> Iterator[Any]:
        """Yield the batches of one more pass, on which no step is trained: float32 (N, H, W, C)."""
        first = len(self.rates)
        for number, batch in enumerate(self._taken(first // self.steps)):
            seeds = tensorflow.constant([self.seed, first + number], "int32")
            yield self._variation.varied(*batch, seeds)[0]

    def _taken(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        for taken, chosen in self._batches.of_epoch(epoch):
            yield tensorflow.constant(taken), tensorflow.constant(chosen)

    def evaluated(self, split: Split) -> SplitScore:
        """Return the score and the loss of a split with the weights of ``model``."""
        return self.evaluation.of(split)

    @contextmanager
    def undone_step(self) -> Iterator[Callable[[], float]]:
        """Give a step on the first batch, which returns its loss; undone afterwards.

        Nothing random is drawn for it: the training that follows is the same without.
        """
        before = TrainingProgress((), self.weights(), self.optimizer_state())
        batch = next(self._taken(0))
        yield lambda: float(self._one_step(batch, 0, 0, 0.0)[0])
        self.restore(before)

    def first_images(self) -> NDArray[np.float32]:
        """Return images of a batch that are not varied: float32 (N, H, W, C)."""
        return self._batches.images[: self.batch].astype(np.float32)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Give ``model`` the weights after an epoch, or their averages where the optimizer has
        them.
        """
        before = self._trained.get_weights() if self.optimizer.use_ema else None
        if before is not None:
            self.optimizer.finalize_variable_values(self._trained.trainable_variables)
        if self._trained is not self.model:
            self.model.set_weights(self._trained.get_weights())
        try:
            yield
        finally:
            if before is not None:
                self._trained.set_weights(before)

    def is_settled(self, epoch: int) -> bool:
        """Return True if the weights after ``epoch`` are fully what the constraint asks for."""
        if self.constraint is None:
            return True
        return (epoch + 1) * self.steps > self.constraint.settled(len(self.rates))

    def weights(self) -> Weights:
        """Return the weights of the model."""
        return tuple(self._trained.get_weights())

    def optimizer_state(self) -> Weights:
        """Return the variables of the optimizer."""
        return tuple(variable.numpy() for variable in self.optimizer.variables)

    def restore(self, progress: TrainingProgress) -> None:
        """Go on from the end of an epoch."""
        self._trained.set_weights(list(progress.weights))
        for variable, value in zip(self.optimizer.variables, progress.optimizer, strict=True):
            variable.assign(value)
        if self.constraint is not None:
            self.constraint.restore()
