"""The context of a technique that trains on a data set and does nothing else."""

from pathlib import Path
from typing import Any

import pytest

from edgecv.core.data import Dataset
from edgecv.core.plugins import TechniqueContext
from edgecv.evaluation.tasks.classification import Classification
from edgecv.models.training.loop import fit


def tuning_on(data: Dataset, folder: Path) -> TechniqueContext:
    """Return the context of a technique; ``folder`` holds its checkpoint."""

    def train(tuned: Any, schedule: Any, constraint: Any = None, distillation: Any = None) -> None:
        fit(
            tuned,
            data,
            Classification(),
            schedule,
            seed=3,
            checkpoint=folder / "epoch.npz",
            on_event=lambda event: None,
            constraint=constraint,
        )

    return TechniqueContext(
        fit=train,
        seed=3,
        task=Classification(),
        calibration=data.calibration,
        note=lambda note: None,
        progress=lambda message, done, total: None,
        trial=lambda model, runtime, precision: pytest.fail("nothing is to be measured here"),
        remember=lambda name, make: make(),
    )
