"""Time of the steps of a training, by the time of some."""

from functools import cached_property
from typing import Any

from edgecv.models.tf import tensorflow
from edgecv.models.training.estimate import (
    FORWARDS_A_STEP,
    MUCH_SLOWER,
    duration,
    seconds_of,
)
from edgecv.models.training.evaluation import Evaluation
from edgecv.models.training.trainer import Trainer


class Pace:
    """Seconds that the parts of a training take: each is measured once, when it is asked for."""

    def __init__(self, trainer: Trainer, validation: int) -> None:
        """``validation``: the images that follow each epoch."""
        self.trainer = trainer
        self.batches = validation / trainer.batch

    def a_pass(self) -> float:
        """Return an estimate of the seconds of one epoch, without those of compiling its step.

        In 16 bits a step is made: gradients may be slow where outputs are not.
        """
        trainer = self.trainer
        share = 1 + trainer.unlabelled_batch / trainer.batch
        a_step = FORWARDS_A_STEP * self._forward * share
        if trainer.precision is not None and trainer.replicas is None:
            a_step = self._step
        if trainer.teacher is not None:
            epochs = len(trainer.rates) / trainer.steps
            a_step += self._asked * share * min(1.0, (trainer.views or epochs) / epochs)
        return trainer.steps * a_step + self.batches * self._forward

    def epochs_in(self, seconds: float) -> int:
        """Return the epochs that fit into a time, at least one."""
        trainer = self.trainer
        a_pass = trainer.steps * self._step + self.batches * self._forward
        if trainer.views is None:
            return max(1, int(seconds / a_pass))
        # The teacher was asked in the first of these steps alone.
        asked = trainer.steps * self._asked
        varied = min(trainer.views, int(seconds / (a_pass + asked)))
        return max(1, int((seconds - varied * asked) / a_pass))

    def slower_than(self, of_float32: Evaluation) -> str:
        """Return a sentence if 16 bits are slower than float32; empty if not.

        So they are on processors without instructions for them. ``of_float32``: of the same model.
        """
        usual = FORWARDS_A_STEP * self._seconds_forward(of_float32)
        if self._step < MUCH_SLOWER * usual:
            return ""
        return (
            f"{self.trainer.precision} takes about {self._step / usual:.2g} times as long as"
            " float32 on this processor: without mixed_precision an epoch takes about"
            f" {duration(self.trainer.steps * usual)}"
        )

    @cached_property
    def _step(self) -> float:
        with self.trainer.undone_step() as step:
            return seconds_of(step)

    @cached_property
    def _forward(self) -> float:
        return self._seconds_forward(self.trainer.evaluation)

    def _seconds_forward(self, evaluation: Evaluation) -> float:
        images = self.trainer.first_images()
        return seconds_of(lambda: evaluation.forward(images))

    @cached_property
    def _asked(self) -> float:
        """The time of a teacher's answers to a batch, until they can be read."""
        teacher, images = self.trainer.teacher, self.trainer.first_images()
        assert teacher is not None

        def ask() -> list[Any]:
            return [each.numpy() for each in tensorflow.nest.flatten(teacher(images))]

        return seconds_of(ask)
