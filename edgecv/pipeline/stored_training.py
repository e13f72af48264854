"""The record of a training, as it is stored and as it is returned."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from edgecv.core.class_results import ModelResults
from edgecv.core.errors import InputError
from edgecv.core.events import score_name
from edgecv.core.files import read_regular
from edgecv.core.report import DataFacts
from edgecv.core.tables import json_value

LARGEST_TRAINING_BYTES = 10_000_000


@dataclass(frozen=True)
class ModelScore:
    """The metric of a trained baseline on the test images."""

    metric: str
    value: float
    images: int
    further: Mapping[str, float] = field(default_factory=dict)
    """Further metrics of the task by name, such as balanced accuracy."""


@dataclass(frozen=True)
class Training:
    """A trained baseline, as plain data."""

    folder: Path
    """Holds ``model.keras``, ``labels.txt``, ``training.json`` and ``curves.png``."""
    architecture: Mapping[str, Any]
    data: Mapping[str, Any]
    seed: int
    schedule: Mapping[str, Any]
    parameters: int
    history: tuple[Mapping[str, float], ...]
    """One entry an epoch: epoch, loss, the score of the task (accuracy) and that on the validation
    images (validation_accuracy), seconds, settled."""
    test: ModelScore
    facts: DataFacts
    """The classes of the data, and the images of each split, by class where they have one."""
    results: tuple[ModelResults, ...] = ()
    """The answers on the test images by class, for each head whose answers are classes."""

    @property
    def best(self) -> Mapping[str, float]:
        """The epoch whose weights were kept."""
        name = f"validation_{score_name(self.history[0])}"
        return max(self.history, key=lambda each: (each[name], each["epoch"]))


class StoredTraining(BaseModel):
    """``training.json``, as ``train`` has written it."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    architecture: dict[str, Any]
    data: dict[str, Any]
    seed: int
    schedule: dict[str, Any]
    parameters: int
    history: tuple[dict[str, bool | int | float | None], ...] = Field(min_length=1, strict=False)

    @field_validator("history")
    @classmethod
    def _has_scores(cls, found: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        for epoch in found:
            if not {"epoch", "loss", "seconds"} <= set(epoch) or set(epoch) != set(found[0]):
                raise ValueError("other figures than those of an epoch")
        if not any(f"validation_{key}" in found[0] for key in found[0] if key != "loss"):
            raise ValueError("no score")
        return found


def read_training(
    folder: Path, test: ModelScore, facts: DataFacts, results: tuple[ModelResults, ...]
) -> Training:
    """Return the record of a training, with what its model does on the test images.

    Raises InputError where it is damaged.
    """
    stored = dict(stored_training(folder))
    return Training(folder, **stored, test=test, facts=facts, results=results)


def stored_training(folder: Path) -> StoredTraining:
    """Return the record of a training. Raises InputError where it is damaged."""
    path = folder / "training.json"
    try:
        content = read_regular(path, LARGEST_TRAINING_BYTES)
        json_value(content)
        return StoredTraining.model_validate_json(content)
    except ValueError:
        raise InputError(str(path), "is damaged", remedy=f"move {folder} away") from None
