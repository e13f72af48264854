"""The techniques of a recipe, one after the other, each stored under all that came before it."""

import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgecv.core.plugins import QUANTIZERS, Constraint, Technique, TechniqueContext
from edgecv.core.records import Dataset, Event
from edgecv.core.registry import TECHNIQUES
from edgecv.models.training.checkpoint import Epoch
from edgecv.models.training.distillation import Distillation
from edgecv.models.training.schedule import Schedule
from edgecv.pipeline.baseline import ModelFile
from edgecv.pipeline.conversion import Converter
from edgecv.pipeline.measure import MeasurementPool
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.trial_export import TrialExports
from edgecv.reports.curves import write_curves
from edgecv.system.storage import Store, content_key, file_sha256, write_bytes, write_json

OnEvent = Callable[[Event], None]
STAGE_VERSION = 4
SECONDS_OF_SILENCE = 8.0


@dataclass(frozen=True)
class AppliedTechniques:
    """The model after all techniques."""

    file: ModelFile
    plain: ModelFile
    """The same layers without quantizers: their shapes are the same."""
    notes: tuple[str, ...]
    """Sentences for the report."""


@dataclass(frozen=True)
class TechniqueRunner:
    """What every technique of a run is applied with."""

    recipe: Recipe
    data: Dataset
    baseline: ModelFile
    model: Callable[[], Any]
    """Loads the baseline."""
    store: Store
    tests: MeasurementPool
    converter: Converter
    on_event: OnEvent

    def apply(self) -> "AppliedTechniques":
        """Apply all techniques, one after the other.

        A recipe that shares its first techniques with an earlier run does not train these again.
        """
        notes: list[str] = []
        made, load, plain = self.baseline, self.model, self.baseline
        for technique in self.recipe.techniques:
            made = self._apply(technique, made, load)
            load = cache(made.load)
            plain = plain if QUANTIZERS in technique.makes else made
            facts = json.loads((made.path.parent / "facts.json").read_text("utf-8"))
            notes += [f"{technique.name}: {note}" for note in facts["notes"]]
        return AppliedTechniques(made, plain, tuple(notes))

    def _apply(self, technique: Technique, before: ModelFile, load: Callable[[], Any]) -> ModelFile:
        key = self._key(technique, before)
        place = self.store.place("techniques", key)
        if self.store.find("techniques", key) is not None:
            self.on_event(Event("technique", f"{technique.name} is stored already"))
        else:
            self.on_event(Event("technique", f"{technique.name}: {technique.help_text()}"))
            self.store.stage(
                "techniques", key, lambda folder: self._write(technique, load(), key, folder)
            )
        self.store.forget(key)  # Also where a kill came between the two.
        (path,) = place.glob("model.*")
        return ModelFile(path, file_sha256(path), before.trust)

    def _write(self, technique: Technique, model: Any, key: str, folder: Path) -> None:
        from edgecv.models.softmax import separate_softmax
        from edgecv.models.tf import model_bytes, set_seed

        set_seed(self.recipe.settings.seed)
        with tempfile.TemporaryDirectory(prefix="edgecv-trials-") as trials:
            stage = TechniqueStage(self, technique, key, Path(trials))
            result = technique.apply(separate_softmax(model), stage.context())
        suffix, content = model_bytes(result)
        write_bytes(folder / f"model{suffix}", content)
        if stage.history:
            write_curves(stage.history, folder / "curves.png")
        write_json(
            folder / "facts.json",
            {
                "technique": TECHNIQUES.table(technique),
                "notes": stage.notes,
                "history": [asdict(epoch) for epoch in stage.history],
            },
        )

    def _key(self, technique: Technique, before: ModelFile) -> str:
        return content_key(
            "technique",
            STAGE_VERSION,
            TECHNIQUES.identity(technique),
            before.sha256,
            self.baseline.sha256,
            self.data.calibration.sha256,
            type(self.recipe.data).mirrors,
            self.recipe.settings.seed,
            self.data.train.sha256,
            self.data.validation.sha256,
            version("tensorflow"),
            os.cpu_count(),
        )


@dataclass
class TechniqueStage:
    """One technique at work: what it did, and what it would go on from after a kill."""

    techniques: TechniqueRunner
    technique: Technique
    key: str
    folder: Path
    notes: list[str] = field(default_factory=list)
    _said_at: float = field(default_factory=time.monotonic)
    _said: str = ""
    history: list[Epoch] = field(default_factory=list)
    _trainings: int = 0

    def context(self) -> TechniqueContext:
        """Return what the technique is given."""
        run = self.techniques
        return TechniqueContext(
            fit=self.fit,
            seed=run.recipe.settings.seed,
            task=run.recipe.task,
            calibration=run.data.calibration,
            note=self.notes.append,
            progress=self.progress,
            trial=self.trials.try_out,
            remember=self.remember,
        )

    @cached_property
    def trials(self) -> TrialExports:
        """What tries models as files, in the folder of this stage."""
        run = self.techniques
        images = run.data.calibration.images
        return TrialExports(
            run.baseline, run.recipe.exports, images, run.tests, run.converter, self.folder
        )

    def _rehearse(self, model: Any) -> None:
        """Make sure that what is about to be trained can be written as the recipe asks.

        Once a recipe, and again where a technique puts quantizers into the model.
        """
        from edgecv.models.tf import set_seed

        run = self.techniques
        is_first = self.technique is run.recipe.techniques[0]
        if self._trainings == 1 and (is_first or QUANTIZERS in self.technique.makes):
            run.on_event(Event("technique", "trying out that the model can be exported"))
            self.trials.rehearse(model)
            set_seed(run.recipe.settings.seed)

    def fit(
        self,
        model: Any,
        schedule: Schedule,
        constraint: Constraint | None = None,
        distillation: Distillation | None = None,
    ) -> None:
        """Train ``model``: see ``Fit``."""
        from edgecv.models.softmax import separate_softmax
        from edgecv.models.training.loop import Teacher, fit

        run = self.techniques
        self._trainings += 1
        self._rehearse(model)
        teacher = None
        if distillation is not None:
            teacher = Teacher(separate_softmax(run.model()), distillation)
        epochs = fit(
            model,
            run.data,
            run.recipe.task,
            schedule.for_data(mirrors=type(run.recipe.data).mirrors),
            seed=run.recipe.settings.seed,
            checkpoint=run.store.checkpoint(f"{self.key}-{self._trainings}"),
            on_event=run.on_event,
            constraint=constraint,
            teacher=teacher,
        )
        before = len(self.history)
        self.history += [replace(each, epoch=before + each.epoch) for each in epochs]

    def progress(self, words: str, done: int, total: int) -> None:
        """Count what is being done; where there is no bar to see, a line now and then tells it."""
        on_event = self.techniques.on_event
        now = time.monotonic()
        if words != self._said or now - self._said_at > SECONDS_OF_SILENCE:
            count = f", {done} of {total}" if words == self._said else ""
            on_event(Event("technique", f"{words}{count}"))
            self._said, self._said_at = words, now
        on_event(Event("technique", words, done, total))

    def remember(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what ``make`` gave, now or before a kill."""
        path = self.techniques.store.checkpoint(f"{self.key}-{name}", ".json")
        try:
            return json.loads(path.read_text("utf-8"))
        except (FileNotFoundError, ValueError):  # A damaged one is made again.
            write_json(path, make())
        return json.loads(path.read_text("utf-8"))
