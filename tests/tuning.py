"""The context of a technique that trains on a data set, and may measure nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgecv.core.data import Dataset
from edgecv.core.events import OnEvent, ignore_event
from edgecv.core.plugins import Task, TechniqueContext
from edgecv.evaluation.tasks.classification import Classification
from edgecv.models.training.loop import fit
from edgecv.models.training.losses import Teacher


def tuning_on(
    data: Dataset,
    checkpoint: Path,
    *,
    baseline: Any = None,
    task: Task | None = None,
    on_event: OnEvent = ignore_event,
    note: Callable[[str], None] = lambda note: None,
) -> TechniqueContext:
    """Return the context of a technique; ``baseline``: the model that is distilled.

    ``task``: where it is none, classification.
    """
    learnt = task or Classification()

    def train(tuned: Any, schedule: Any, constraint: Any = None, distillation: Any = None) -> None:
        fit(
            tuned,
            data,
            learnt,
            schedule,
            seed=3,
            checkpoint=checkpoint,
            on_event=on_event,
            constraint=constraint,
            teacher=Teacher(baseline, distillation) if baseline and distillation else None,
        )
        checkpoint.unlink()

    return TechniqueContext(
        fit=train,
        seed=3,
        task=learnt,
        calibration=data.calibration,
        note=note,
        input_shape=data.train.images.shape[1:],
        head=learnt.head(data),
        progress=lambda message, done, total: None,
        trial=lambda model, runtime, precision: pytest.fail("nothing is to be measured here"),
        remember=lambda name, make: make(),
    )
