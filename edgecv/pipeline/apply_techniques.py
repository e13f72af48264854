"""The techniques of a recipe in their order; the key of a stored one covers all before it."""

import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from importlib.metadata import version
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
from edgecv.core.registry import TECHNIQUES
from edgecv.core.report import TrainingCurve
from edgecv.core.sample import balanced_rows
from edgecv.evaluation.task_of import task_key
from edgecv.formats.model_file import ModelFile
from edgecv.models.training.checkpoint import Epoch
from edgecv.models.training.distillation import Distillation
from edgecv.models.training.schedule import Schedule
from edgecv.pipeline.context import RunContext
from edgecv.pipeline.teacher import RunTeacher
from edgecv.pipeline.trial_export import TrialExports
from edgecv.pipeline.user_models import UserModel
from edgecv.system.storage import content_key, write_bytes, write_json

STAGE_VERSION = 5
SECONDS_BETWEEN_LINES = 8.0


@dataclass(frozen=True)
class AppliedTechniques:
    """The model after all techniques."""

    file: ModelFile
    plain: ModelFile
    """The same layers without quantizers: their shapes are the same."""
    notes: tuple[str, ...]
    """Sentences for the report."""
    shared_kernels: frozenset[str] = frozenset()
    """Layers in whose kernels weights are equal on purpose."""
    trainings: tuple[TrainingCurve, ...] = ()
    """The training of each technique that has trained: one that finds nothing to do need not."""


@dataclass(frozen=True)
class TechniqueRunner:
    """Applies the techniques of a recipe to the model of a run."""

    model: UserModel
    context: RunContext
    teacher: RunTeacher

    def apply(self) -> AppliedTechniques:
        """Apply all techniques, one after the other.

        Techniques that an earlier run has applied in the same order are not trained again.
        """
        notes: list[str] = []
        shared: frozenset[str] = frozenset()
        made = plain = self.model.source
        trainings: list[TrainingCurve] = []
        for technique in self.model.recipe.techniques:
            made = self._apply(technique, made, shared)
            plain = plain if ModelProperty.QUANTIZERS in technique.makes else made
            facts = json.loads((made.path.parent / "facts.json").read_text("utf-8"))
            notes += [f"{technique.name}: {note}" for note in facts["notes"]]
            if technique.distillation is not None and self.teacher.is_another:
                notes.append(f"{technique.name}: {self.teacher.note}")
            shared |= frozenset(facts["shared_kernels"])
            if facts["history"]:
                trainings.append(TrainingCurve(technique.name, tuple(facts["history"])))
        return AppliedTechniques(made, plain, tuple(notes), shared, tuple(trainings))

    def _apply(self, technique: Technique, before: ModelFile, shared: frozenset[str]) -> ModelFile:
        store, key = self.context.store, self._key(technique, before, shared)
        if store.find("techniques", key) is not None:
            self.context.emit("technique", f"{technique.name} is stored already")
        else:
            self.context.emit("technique", f"{technique.name}: {technique.help_text()}")
            store.stage(
                "techniques",
                key,
                lambda folder: self._write(technique, before, shared, folder),
            )
        store.forget(key)  # Again, in case a run was killed in between.
        (path,) = store.place("techniques", key).glob("model.*")
        return ModelFile.at(path, before.trust)

    def _write(
        self, technique: Technique, before: ModelFile, shared: frozenset[str], folder: Path
    ) -> None:
        from edgecv.models.outputs import by_name
        from edgecv.models.tf import model_bytes, set_seed

        task, key = self.model.recipe.task, self._key(technique, before, shared)
        is_first = before is self.model.source
        model = self.model.keras_model if is_first else before.load()
        set_seed(self.context.seed)
        with tempfile.TemporaryDirectory(prefix="edgecv-trials-") as trial_folder:
            shared |= self._named_by_exports(model)
            stage = TechniqueStage(
                self.model,
                self.context,
                technique,
                key,
                Path(trial_folder),
                teacher=self.teacher,
                shared_kernels=shared,
            )
            result = technique.apply(task.separated(by_name(model)), stage.technique_context())
        suffix, content = model_bytes(result)
        write_bytes(folder / f"model{suffix}", content)
        write_json(
            folder / "facts.json",
            {
                "technique": TECHNIQUES.table(technique),
                "notes": stage.notes,
                "shared_kernels": sorted(technique.shared_kernels(result)),
                "history": [epoch.table(task.curves.score) for epoch in stage.history],
            },
        )

    def _named_by_exports(self, model: Any) -> frozenset[str]:
        """Return the layers whose kernels an export is asked to give one scale."""
        from edgecv.models.kernels import kernels_of

        patterns = [each for exporter in self.model.recipe.exports for each in exporter.one_scale]
        names = kernels_of(model) if patterns else ()
        return frozenset(
            name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)
        )

    def _key(self, technique: Technique, before: ModelFile, shared: frozenset[str]) -> str:
        recipe, data = self.model.recipe, self.model.data
        learns_from_another = technique.distillation is not None and self.teacher.is_another
        return content_key(
            "technique",
            STAGE_VERSION,
            TECHNIQUES.identity(technique),
            before.sha256,
            sorted(shared),
            [exporter.one_scale for exporter in recipe.exports],
            *sorted(bits_of(recipe.exports).items()),
            self.model.source.sha256,
            data.calibration.sha256,
            recipe.mirrors,
            self.context.seed,
            data.train.sha256,
            data.validation.sha256,
            version("tensorflow"),
            os.cpu_count(),
            *task_key(recipe.task.for_data(data)),
            *([self.teacher.file.sha256] if learns_from_another else []),
            *([recipe.settings.train_fraction] if recipe.settings.train_fraction < 1 else []),
        )


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
        )

    @cached_property
    def trial_exports(self) -> TrialExports:
        """Temporary exports in the folder of this stage."""
        images = self.model.data.calibration.images
        exports = self.model.recipe.exports
        return TrialExports(self.model.source, exports, images, self.folder, self.run)

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
        from edgecv.models.outputs import by_name
        from edgecv.models.training.loop import fit
        from edgecv.models.training.losses import Teacher

        recipe = self.model.recipe
        self._trainings += 1
        self._check_exportable(model)
        teacher = None
        if distillation is not None:
            original = by_name(self.teacher.keras_model)
            teacher = Teacher(recipe.task.separated(original), distillation)
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
        self.history += [replace(each, epoch=before + each.epoch) for each in epochs]

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
    """Return the data with a fraction of its training images, drawn over all of them."""
    train = data.train
    rows = np.sort(balanced_rows(train.labels, math.ceil(len(train) * fraction)))
    return replace(
        data,
        train=replace(train, images=image_rows(train.images).at(rows), labels=train.labels[rows]),
    )


def bits_of(exports: Sequence[Exporter]) -> dict[str, int]:
    """Return the bits of weights that exports ask for, by the name pattern of layers."""
    return {key: bits for exporter in exports for key, bits in exporter.weight_bits.items()}
