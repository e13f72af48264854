"""One technique at work: what it is given, how it trains, and what of it is stored."""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.core.data import Dataset
from edgecv.core.events import of_training
from edgecv.core.images import image_rows
from edgecv.core.plugins import (
    Constraint,
    Exporter,
    ModelProperty,
    Technique,
    TechniqueContext,
)
from edgecv.core.plugins.exporter import DEFAULT_CALIBRATION_IMAGES
from edgecv.core.sample import proportional_rows
from edgecv.core.text import listed, were
from edgecv.models.training.checkpoint import Epoch
from edgecv.models.training.distillation import Distillation
from edgecv.models.training.schedule import Schedule
from edgecv.pipeline.context import RunContext
from edgecv.pipeline.teacher import RunTeacher
from edgecv.pipeline.trial_export import TrialExports
from edgecv.pipeline.user_models import UserModel
from edgecv.system.storage import write_json

SECONDS_BETWEEN_LINES = 8.0


@dataclass
class TechniqueStage:
    """One technique while it is applied: its notes, its trainings, its stored values."""

    model: UserModel
    run: RunContext
    technique: Technique
    key: str
    folder: Path
    teacher: RunTeacher
    shared_kernels: frozenset[str] = frozenset()
    """Layers in whose kernels weights are equal on purpose, before this technique."""
    notes: list[str] = field(default_factory=list)
    history: list[Epoch] = field(default_factory=list)
    _trainings: int = 0
    _message: str = ""
    _message_at: float = field(default_factory=time.monotonic)

    def technique_context(self) -> TechniqueContext:
        """Return the narrower context that the technique is given."""
        return TechniqueContext(
            fit=self.fit,
            seed=self.run.seed,
            task=self.model.recipe.task.for_data(self.model.data),
            calibration=self.model.data.calibration,
            note=self.notes.append,
            progress=self.progress,
            trial=self.trial_exports.measure,
            input_shape=self.model.data.image_shape,
            head=self.model.recipe.task.head(self.model.data),
            remember=self.stored_value,
            shared_kernels=self.shared_kernels,
            bits=bits_of(self.model.recipe.exports),
            range_images=range_images_of(self.model.recipe.exports),
        )

    @cached_property
    def trial_exports(self) -> TrialExports:
        """Temporary exports in the folder of this stage."""
        images = self.model.data.calibration.images
        exports = self.model.recipe.exports
        is_timed = self.technique.is_timed
        return TrialExports(self.model.source, exports, images, self.folder, self.run, is_timed)

    def _check_exportable(self, model: Any) -> None:
        """Raise an error if the model cannot be exported as the recipe asks, before it is trained.

        Checked once a recipe, and again if a technique puts quantizers into the model.
        """
        from edgecv.models.tf import set_seed

        is_first = self.technique is self.model.recipe.techniques[0]
        if self._trainings == 1 and (is_first or ModelProperty.QUANTIZERS in self.technique.makes):
            self.run.emit("technique", "trying out that the model can be exported")
            shared = self.shared_kernels | self.technique.shared_kernels(model)
            exported = self.technique.as_exported(model)
            self.trial_exports.check_exportable(exported, shared)
            set_seed(self.run.seed)

    def fit(
        self,
        model: Any,
        schedule: Schedule,
        constraint: Constraint | None = None,
        distillation: Distillation | None = None,
    ) -> None:
        """Train ``model``: see ``edgecv.core.plugins.Fit``."""
        from edgecv.models.frozen_layers import frozen_layers
        from edgecv.models.outputs import by_name
        from edgecv.models.training.loop import fit
        from edgecv.models.training.losses import Teacher

        recipe = self.model.recipe
        self._trainings += 1
        self._check_exportable(model)
        if self._trainings == 1 and (frozen := frozen_layers(model)):
            note = (
                f"{listed(frozen, 8)} {were(len(frozen))} frozen in the model's file, and not"
                " trained: set trainable = True there and save it to train all layers"
            )
            self.notes.append(note)
            self.run.emit("note", f"{self.technique.name}: {note}")
        teacher = None
        if distillation is not None:
            original = by_name(self.teacher.keras_model)
            further = self.teacher.unlabelled if distillation.mix < 1 else None
            images = None if further is None else further.images
            teacher = Teacher(recipe.task.separated(original), distillation, images)
        data, fraction = self.model.data, recipe.settings.train_fraction
        if fraction < 1:
            data, schedule = fraction_of(data, fraction), schedule.shortened(fraction)
        epochs = fit(
            model,
            data,
            recipe.task,
            schedule.for_data(data, mirrors=recipe.mirrors),
            seed=self.run.seed,
            checkpoint=self.run.store.checkpoint(f"{self.key}-{self._trainings}"),
            on_event=of_training(self.run.on_event, self.technique.name, len(self.history)),
            constraint=constraint,
            teacher=teacher,
        )
        before = len(self.history)
        former = [replace(each, settled=False) for each in self.history]  # None of them is kept.
        self.history = former + [replace(each, epoch=before + each.epoch) for each in epochs]

    def progress(self, message: str, done: int, total: int) -> None:
        """Report progress to the listener; also as a message every few seconds."""
        now = time.monotonic()
        if message != self._message or now - self._message_at > SECONDS_BETWEEN_LINES:
            count = f", {done} of {total}" if message == self._message else ""
            self.run.emit("technique", f"{message}{count}")
            self._message, self._message_at = message, now
        self.run.emit("technique", message, done, total)

    def stored_value(self, name: str, make: Callable[[], Any]) -> Any:
        """Return the JSON value of ``make``: from an interrupted run, or computed now."""
        path = self.run.store.checkpoint(f"{self.key}-{name}", ".json")
        try:
            return json.loads(path.read_text("utf-8"))
        except (FileNotFoundError, ValueError):  # A damaged one is made again.
            write_json(path, make())
        return json.loads(path.read_text("utf-8"))


def fraction_of(data: Dataset, fraction: float) -> Dataset:
    """Return the data with a fraction of its training images, each class with its share."""
    train = data.train
    rows = np.sort(proportional_rows(train.labels, math.ceil(len(train) * fraction)))
    return replace(
        data,
        train=replace(train, images=image_rows(train.images).at(rows), labels=train.labels[rows]),
    )


def range_images_of(exports: Sequence[Exporter]) -> int:
    """Return the most calibration images that an export finds ranges on."""
    return max((each.range_images for each in exports), default=0) or DEFAULT_CALIBRATION_IMAGES


def bits_of(exports: Sequence[Exporter]) -> dict[str, int]:
    """Return the bits of weights that exports ask for, by the name pattern of layers."""
    return {key: bits for exporter in exports for key, bits in exporter.weight_bits.items()}
