"""Score and loss of a model on the images of a split, in one pass over them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Outputs, Split
from edgecv.core.images import image_rows
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import Task
from edgecv.models.float_batches import fitting_batch
from edgecv.models.outputs import named_outputs
from edgecv.models.tf import Inference, compile_function, keras, tensorflow
from edgecv.models.training.losses import Teacher, image_losses
from edgecv.models.training.replicas import Replicas
from edgecv.models.training.teacher_answers import TeacherAnswers

BATCH = 500


@dataclass(frozen=True)
class SplitScore:
    """Mean score and mean loss of the images of a split."""

    score: float
    loss: float


class Evaluation:
    """The compiled inference of a model, and its loss as training counts it."""

    def __init__(
        self,
        model: KerasModel,
        task: Task,
        teacher: Teacher | None = None,
        ask: Inference | None = None,
        replicas: Replicas | None = None,
    ) -> None:
        """``ask``: the raw outputs of the teacher, where there is one."""
        self.model = model
        self.task = task
        raw_model = task.raw_model(model)
        shape = model.inputs[0].shape[1:]
        self._answers = Inference(_with_raw_outputs(model, raw_model), shape)
        distillation = None if teacher is None else teacher.distillation
        self._losses: Any = compile_function(image_losses(task, distillation))
        self._taught = TeacherAnswers(ask)
        self._replicas = replicas

    def of(self, split: Split) -> SplitScore:
        """Return the score and the loss of a split, whose images are read once.

        Of several workers each looks at its share of the images.
        """
        whole, replicas = len(split), self._replicas
        self._taught.begin(split)
        if replicas is None or not 1 < replicas.workers <= whole:
            sums = self._sums(split)
        else:
            rows = np.arange(replicas.worker, whole, replicas.workers)
            own = Split(image_rows(split.images).at(rows), split.labels[rows], split.sha256)
            sums = replicas.sum_of_workers(self._sums(own))
        score, loss = (sums / whole).tolist()
        return SplitScore(score, loss + _loss_of_weights(self.model))

    def _sums(self, split: Split) -> NDArray[np.float64]:
        """Return the sums of scores and losses: float64 (2,)."""
        nest, targets = tensorflow.nest, self.task.targets(split.labels)
        size = fitting_batch(split.images.shape[1:], BATCH)
        outputs: list[Outputs] = []
        loss = 0.0
        for start in range(0, len(split), size):
            part = slice(start, start + size)
            images = tensorflow.constant(split.images[part].astype(np.float32))
            truth = nest.map_structure(
                lambda each, part=part: tensorflow.constant(each[part]), targets
            )
            answers, raw = self._answers(images)
            outputs.append(named_outputs(self.model, answers))
            taught = self._taught.of(start, images)
            loss += float(tensorflow.reduce_sum(self._losses(truth, taught, raw)))
        scores = self.task.score_per_image(Outputs.joined(outputs), split.labels)
        return np.array([np.sum(scores), loss], np.float64)

    def forward(self, images: Any) -> Outputs:
        """Return the outputs for one batch: float32 (N, H, W, C)."""
        return named_outputs(self.model, self._answers(images)[0])


def _loss_of_weights(model: KerasModel) -> float:
    """Return the loss that layers ask for their weights.

    What they ask for activations is a loss of one batch, and a tensor of its graph.
    """
    losses = (loss() for layer in model._flatten_layers() for loss in layer._callable_losses)
    return float(sum(each for each in losses if each is not None))


def _with_raw_outputs(model: KerasModel, raw_model: KerasModel) -> Any:
    """Return a model that computes its layers once: answers, and raw outputs for the loss."""
    if raw_model is model:

        def twice(images: Any, training: bool) -> Any:
            answers = model(images, training=training)
            return answers, answers

        return twice
    return keras.Model(model.inputs, (model.output, raw_model.output), name=model.name)
