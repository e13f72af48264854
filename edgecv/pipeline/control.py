"""The control of a run that retrains: the baseline, trained on as the techniques train.

What a technique trains gains from the training and loses by the compression. The control has the
same epochs, data and options, without compression or distillation: it tells both apart.
"""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgecv.core.data import Dataset
from edgecv.core.errors import DivergedError, InputError
from edgecv.core.events import of_training
from edgecv.core.plugins import TaskHead
from edgecv.core.report import Control, ControlScore, TrainingCurve
from edgecv.core.text import counted
from edgecv.evaluation.comparison import gained_points, metric_of
from edgecv.evaluation.control import ControlOutputs
from edgecv.evaluation.task_of import task_key
from edgecv.formats.model_file import ModelFile
from edgecv.models.training.schedule import Schedule
from edgecv.pipeline.baseline import MODEL, baseline_predictions
from edgecv.pipeline.context import RunContext
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.technique_stage import fraction_of
from edgecv.pipeline.user_models import UserModel
from edgecv.system.storage import content_key, write_bytes, write_json

STAGE_VERSION = 1
STEM = "control"


@dataclass(frozen=True)
class TrainedControl:
    """The control of a run: its entry in the report, its file, and its answers."""

    entry: Control
    file: ModelFile | None = None
    """None where it could not be trained."""
    outputs: ControlOutputs | None = None
    training: TrainingCurve | None = None


def trainings(recipe: Recipe, trained: Collection[str] | None = None) -> tuple[Schedule, ...]:
    """Return the schedules that the control of a recipe trains on; none where it has no control.

    ``trained``: the techniques that have trained, where that is known: one that finds nothing to do
    need not.
    """
    if recipe.settings.control == "off":
        return ()
    return tuple(
        schedule
        for each in recipe.techniques
        if trained is None or each.name in trained
        for schedule in each.trainings
    )


@dataclass(frozen=True)
class ControlRunner:
    """Trains the control of a run, or takes it from the store, and measures it."""

    model: UserModel
    context: RunContext

    def announce(self) -> None:
        """Say before the run that a control is trained, and what leaves it out."""
        schedules = trainings(self.model.recipe)
        missing = [each for each in self._keys(schedules) if not self._is_stored(each)]
        if missing:
            images = len(self._data.train)
            left = map(self._schedule, schedules[-len(missing) :])
            epochs = sum(each.total_epochs(images) for each in left)
            self.context.emit(
                "control",
                f"the techniques train, so a control is trained too: the baseline for up to"
                f" {counted(epochs, 'epoch')} more, without compression; --control off leaves it"
                " out",
            )

    def make(self, trained: Collection[str]) -> TrainedControl | None:
        """Return the control; None where no technique has trained, or where it is left out.

        ``trained``: the techniques that have trained: the control has the same epochs.
        """
        schedules = trainings(self.model.recipe, trained)
        if not schedules:
            if trainings(self.model.recipe):
                self.context.emit("control", "nothing had to be trained, so there is no control")
            return None
        try:
            file, history = self._trained(schedules)
            found = self._measured(file, len(history))
            return replace(found, training=TrainingCurve(STEM, history))
        except (DivergedError, InputError) as error:  # It cannot be trained, or gives NaN.
            self.context.emit("control", f"the control cannot be trained: {error}")
            return TrainedControl(Control("", 0, reason=str(error)))

    def _trained(
        self, schedules: Sequence[Schedule]
    ) -> tuple[ModelFile, tuple[Mapping[str, Any], ...]]:
        """Return the baseline after all schedules, and the epochs that it took."""
        file = self.model.source
        history: list[Mapping[str, Any]] = []
        for schedule, key in zip(schedules, self._keys(schedules), strict=True):
            file = self._stage(file, schedule, key)
            facts = json.loads((file.path.parent / "facts.json").read_text("utf-8"))
            done = len(history)
            history = [{**each, "settled": False} for each in history]  # None of them is kept.
            history += [{**each, "epoch": done + each["epoch"]} for each in facts["history"]]
        return file, tuple(history)

    def _stage(self, before: ModelFile, schedule: Schedule, key: str) -> ModelFile:
        """Return a model trained on by one schedule: from the store, or trained now."""
        store = self.context.store
        if self._is_stored(key):
            self.context.emit("control", "the control is stored already")
        else:
            self.context.emit("control", "training the baseline on, as the control")
        place = store.stage(
            "controls", key, lambda folder: self._train(before, schedule, key, folder)
        )
        store.forget(key)  # Again, in case a run was killed in between.
        return ModelFile.at(place / MODEL, before.trust)

    def _train(self, before: ModelFile, schedule: Schedule, key: str, folder: Path) -> None:
        from edgecv.models.outputs import by_name
        from edgecv.models.tf import keras_bytes, set_seed
        from edgecv.models.training.loop import fit
        from edgecv.techniques.layer_selection import clone

        recipe, task = self.model.recipe, self.model.recipe.task
        original = self.model.loaded(before)
        set_seed(self.context.seed)
        trained = clone(task.separated(by_name(original)))
        history = fit(
            trained,
            self._data,
            task,
            self._schedule(schedule).for_data(self.model.data, mirrors=recipe.mirrors),
            seed=self.context.seed,
            checkpoint=self.context.store.checkpoint(key),
            on_event=of_training(self.context.on_event, STEM),
        )
        write_bytes(folder / MODEL, keras_bytes(trained))
        rows = [epoch.table(task.curves.score) for epoch in history]
        write_json(folder / "facts.json", {"epochs": len(history), "history": rows})

    def _measured(self, file: ModelFile, epochs: int) -> TrainedControl:
        """Compare the control with the baseline: the better on the validation split decides.

        Where both are equal there the control does: it had the training that candidates had.
        """
        data, task = self.model.data, self.model.recipe.task
        test, validation = (
            baseline_predictions(file, split, task, self.context).outputs
            for split in (data.test, data.validation)
        )
        before = baseline_predictions(self.model.original, data.validation, task, self.context)
        scores = []
        baseline, labels = self.model.reference.outputs, data.test_labels
        for head in task.heads():
            own = head.targets(labels)
            if own is None:
                continue  # A head without labels has no score.
            points = gained_points(head.of(test), head.of(baseline), own, head.task)
            found = [
                metric_of(head.of(outputs), head.targets(labels), head.task)
                for outputs, labels in (
                    (test, labels),
                    (validation, data.validation.labels),
                    (before.outputs, data.validation.labels),
                )
            ]
            scores += _score(head, points, *found)
        entry = Control(f"{STEM}.keras", epochs, tuple(scores))
        return TrainedControl(entry, file, ControlOutputs.of_report(entry, test))

    def _keys(self, schedules: Sequence[Schedule]) -> list[str]:
        """Return the key of each stage: it covers those before, so recipes share what is equal."""
        recipe, data = self.model.recipe, self.model.data
        tables = [each.for_data(data, mirrors=recipe.mirrors).model_dump() for each in schedules]
        return [
            content_key(
                "control",
                STAGE_VERSION,
                self.model.source.sha256,
                tables[:count],
                self.context.seed,
                data.train.sha256,
                data.validation.sha256,
                version("tensorflow"),
                os.cpu_count(),
                *task_key(recipe.task.for_data(data)),
                *([self._fraction] if self._fraction < 1 else []),
            )
            for count in range(1, len(tables) + 1)
        ]

    @property
    def _fraction(self) -> float:
        return self.model.recipe.settings.train_fraction

    @cached_property
    def _data(self) -> Dataset:
        """The images that techniques train on: all of them, or the same part."""
        data = self.model.data
        return fraction_of(data, self._fraction) if self._fraction < 1 else data

    def _schedule(self, schedule: Schedule) -> Schedule:
        return schedule.shortened(self._fraction) if self._fraction < 1 else schedule

    def _is_stored(self, key: str) -> bool:
        return self.context.store.find("controls", key) is not None


def _score(
    head: TaskHead,
    points: float,
    value: float | None,
    validation: float | None,
    baseline_validation: float | None,
) -> list[ControlScore]:
    """Return the score of one head; nothing for a head without labels."""
    if value is None or validation is None or baseline_validation is None:
        return []
    gain = head.task.headline.gain_points
    return [
        ControlScore(
            head=head.name,
            metric=head.task.headline.name,
            value=value,
            difference_points=points,
            validation_value=validation,
            baseline_validation_value=baseline_validation,
            decides=gain(validation, baseline_validation) >= 0,
        )
    ]
