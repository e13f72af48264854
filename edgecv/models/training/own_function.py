"""A training function of the user's own: it is called with the model, the data and the schedule."""

import hashlib
import inspect
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.core.data import Dataset
from edgecv.core.errors import DivergedError, StepError
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import Task
from edgecv.models.training.checkpoint import Epoch
from edgecv.models.training.evaluation import Evaluation
from edgecv.models.training.schedule import Schedule


def source_sha256(function: Callable[..., Any]) -> str:
    """Return the hash of the file that a function is written in."""
    path = inspect.getsourcefile(inspect.unwrap(function))
    return "" if path is None else hashlib.sha256(Path(path).read_bytes()).hexdigest()


def fit_by(
    function: Callable[..., Any],
    model: KerasModel,
    data: Dataset,
    task: Task,
    schedule: Schedule,
) -> tuple[KerasModel, Epoch]:
    """Return the model that the function has trained, in place or as its result, and its scores.

    Raises StepError where it raises anything, or returns a model of other inputs or outputs.
    """
    name = f"[baseline] train = {function.__module__}:{function.__qualname__}"
    shapes, started = (model.input_shape, model.output_shape), time.perf_counter()
    try:
        result = function(model, data, schedule)
    except Exception as error:  # the user's own code may raise anything
        raise StepError(name, f"raised {type(error).__name__}: {error}") from error
    trained = model if result is None else result
    if (
        getattr(trained, "input_shape", None),
        getattr(trained, "output_shape", None),
    ) != shapes:
        raise StepError(
            name,
            f"returned {type(trained).__name__} of other inputs or outputs",
            accepted="the model, trained in place, or one with its inputs and outputs",
        )
    if not all(np.isfinite(each).all() for each in trained.get_weights()):
        raise DivergedError(name, "left NaN or infinite weights")
    seconds = time.perf_counter() - started
    return trained, _as_epoch(trained, data, task.for_data(data), schedule, seconds)


def _as_epoch(
    model: KerasModel, data: Dataset, task: Task, schedule: Schedule, seconds: float
) -> Epoch:
    """Return losses and scores of a trained model as those of one epoch."""
    evaluation = Evaluation(model, task)
    train, validation = evaluation.of(data.train), evaluation.of(data.validation)
    return Epoch(
        epoch=1,
        loss=train.loss,
        score=train.score,
        validation_score=validation.score,
        seconds=seconds,
        validation_loss=validation.loss,
        learning_rate=schedule.learning_rate,
    )
