"""The techniques of a recipe in their order; the key of a stored one covers all before it."""

import json
import os
import tempfile
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgecv.core.plugins import (
    ModelProperty,
    Technique,
)
from edgecv.core.plugins.exporter import DEFAULT_CALIBRATION_IMAGES
from edgecv.core.registry import TECHNIQUES
from edgecv.core.report import TrainingCurve
from edgecv.evaluation.task_of import task_key
from edgecv.formats.model_file import ModelFile
from edgecv.pipeline.context import RunContext
from edgecv.pipeline.teacher import RunTeacher
from edgecv.pipeline.technique_stage import TechniqueStage, bits_of, range_images_of
from edgecv.pipeline.trial_export import trial_options
from edgecv.pipeline.user_models import UserModel
from edgecv.system.storage import content_key, write_bytes, write_json

STAGE_VERSION = 7


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
            notes += [f"{technique.name}: {note}" for note in self.teacher.notes_on(technique)]
            notes += [f"{technique.name}: {note}" for note in self._notes_on_times(technique)]
            shared |= frozenset(facts["shared_kernels"])
            if facts["history"]:
                trainings.append(TrainingCurve(technique.name, tuple(facts["history"])))
        return AppliedTechniques(made, plain, tuple(notes), shared, tuple(trainings))

    def _notes_on_times(self, technique: Technique) -> list[str]:
        """Return a sentence where a technique chose by times of another machine than the files'."""
        device = self.model.recipe.settings.device
        if device is None or not technique.is_timed:
            return []
        return [f"chosen by times of this machine, and those of the files are {device.place}'s"]

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
        model = self.model.loaded(before)
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
        further = self.teacher.unlabelled if technique.imitates else None
        images = range_images_of(recipe.exports)
        has_own = ModelProperty.QUANTIZERS in technique.makes
        has_own &= images != DEFAULT_CALIBRATION_IMAGES
        return content_key(
            "technique",
            STAGE_VERSION,
            TECHNIQUES.identity(technique),
            before.sha256,
            sorted(shared),
            [exporter.one_scale for exporter in recipe.exports],
            *bits_of(recipe.exports).items(),  # In their order: the first that matches.
            *([f"ranges of {images} images"] if has_own else []),
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
            *([] if further is None else [further.sha256]),
            *([recipe.settings.train_fraction] if recipe.settings.train_fraction < 1 else []),
            *([recipe.settings.run_by] if technique.is_timed and recipe.settings.run_by else []),
            *trial_options(technique, recipe.exports),
        )
