"""Parts of a recipe as options give them: settings, data, model, task and techniques."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.options import parse_options
from edgecv.core.plugins import DatasetSource, Task
from edgecv.core.registry import DEFAULT_TASK, TASKS
from edgecv.datasets.class_order import read_labels
from edgecv.datasets.resolve import resolve
from edgecv.pipeline.recipe.checks import (
    check_name,
)
from edgecv.pipeline.recipe.flag_values import (
    weights_of,
)
from edgecv.pipeline.recipe.log_options import LogOptions
from edgecv.pipeline.recipe.options import (
    InputOptions,
    ModelOptions,
    RunOptions,
    StoreOptions,
    TrustOptions,
)
from edgecv.pipeline.recipe.parts import BaselineOptions
from edgecv.pipeline.recipe.run_settings import RunSettings
from edgecv.pipeline.recipe.technique_options import TechniqueOptions


class RecipePartOptions(
    StoreOptions,
    LogOptions,
    RunOptions,
    TechniqueOptions,
    TrustOptions,
    InputOptions,
    ModelOptions,
):
    """The options of a run: a recipe of their own, or changes of one."""

    def _weighted_task(self) -> Task:
        """Return the task with the weights of its classes. Raises InputError where it has none."""
        task = self.parsed_task() or TASKS.parse(DEFAULT_TASK, "task")
        if not self.class_weights:
            return task
        if "class_weights" not in type(task).model_fields:
            raise InputError(
                "--class-weights",
                f"the task {task.name} has no weights of classes",
                accepted="classification",
                remedy="leave it out",
            )
        weights = weights_of(self.class_weights)
        return parse_options(
            type(task), {**dict(task), "class_weights": weights}, "--class-weights"
        )

    def _settings(self, table: Mapping[str, Any]) -> RunSettings:
        """Return the settings in a table with those that are given. Raises InputError."""
        check_name(table["name"], "--name")
        settings = parse_options(RunSettings, table, "--name")
        for key in ("seed", "threads", "kernels", "control", "unlabelled"):
            value = getattr(self, key)
            if value is not None:
                settings = parse_options(RunSettings, {**dict(settings), key: value}, f"--{key}")
        for key, value in self.of_cache().items():
            settings = parse_options(
                RunSettings, {**dict(settings), key: value}, self.flag_name(key)
            )
        device = self.device()
        if device is not None:
            changed = {**dict(settings), "device": device}
            settings = parse_options(RunSettings, changed, "--kernels")
        return settings

    @property
    def training(self) -> dict[str, Any]:
        """The options of each training of a technique: those that are given beside a MODEL."""
        return {} if self.model is None else self.given_training()

    def _data(self) -> DatasetSource | None:
        """Return the data that a recipe is read for; None where it has its own."""
        if self.data is not None:
            return resolve(self.data, skip_bad_images=self.skip_bad_images, resize=self.resize)
        for field in ("skip_bad_images", "resize"):
            if getattr(self, field):
                where = self.flag_name(field)
                raise InputError(where, "goes with --data when there is a recipe")
        return None

    def _baseline(self) -> BaselineOptions:
        """Return the table of the model that is given. Raises InputError."""
        spec = self.input_spec
        options: dict[str, Any] = {
            "model": self.model,
            "teacher": self.teacher,
            "preprocess": self.preprocess,
            "layout": spec.layout,
            "input_size": spec.input_size,
            "trust": self.trust_model,
            "custom_objects": self.custom_objects,
            "backbone": self.parsed_backbone(),
        }
        if self.model is None and self.from_model is None and spec.input_size is not None:
            options["input_shape"] = (*spec.input_size, 3)
            del options["input_size"]
        where = "--preprocess" if self.preprocess is not None else "--custom-objects"
        checked = parse_options(BaselineOptions, options, where)
        if self.labels is None:
            return checked
        names = read_labels(Path(self.labels))
        return parse_options(BaselineOptions, {**checked.model_dump(), "labels": names}, "--labels")

    def _refuse_without_model(self) -> None:
        """Raise InputError for an option of a MODEL where none is given."""
        of_a_model = ("preprocess", "layout", "trust_model", "custom_objects")
        for field in ("labels", *(() if self.from_model else of_a_model)):
            if getattr(self, field):
                flag = self.flag_name(field)
                raise InputError(
                    flag,
                    "goes with a MODEL, and none is given",
                    remedy=f"name the model's file, or leave {flag} out",
                )
