"""A run, said in full: read from TOML, or made from flags; strict in both."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from edgecv.core.errors import InputError, unknown_name
from edgecv.core.options import Options, parse_options
from edgecv.core.plugins import (
    Architecture,
    DatasetSource,
    ExperimentLog,
    Exporter,
    Task,
    Technique,
)
from edgecv.core.registry import (
    ARCHITECTURES,
    DATASETS,
    DEFAULT_TASK,
    EXPORTERS,
    LOGS,
    TARGETS,
    TASKS,
    TECHNIQUES,
)
from edgecv.datasets.resolve import resolve_table
from edgecv.evaluation.limits import Limits
from edgecv.models.training.schedule import Schedule
from edgecv.models.training.schedules import parse_schedule
from edgecv.pipeline.recipe.checks import (
    check_data,
    check_name,
    check_precisions,
    check_unlabelled,
)
from edgecv.pipeline.recipe.lists import parse_exports, parse_logs, parse_techniques
from edgecv.pipeline.recipe.parts import BaselineOptions
from edgecv.pipeline.recipe.run_settings import RunSettings
from edgecv.pipeline.recipe.search_space import SearchSpace, parse_space
from edgecv.pipeline.recipe.task_checks import check_targets
from edgecv.pipeline.recipe.toml_file import read_toml

TABLES = ("data", "task", "baseline", "technique", "export", "gates", "search", "log")
BASELINE_KEYS = tuple(BaselineOptions.model_fields)


class Recipe(Options):
    """Everything that decides a run."""

    settings: RunSettings
    data: DatasetSource
    task: Task
    task_is_given: bool = True
    """False until model and data have decided: ``task`` is only the usual one."""
    baseline: BaselineOptions
    architecture: Architecture
    schedule: Schedule
    techniques: tuple[Technique, ...]
    exports: tuple[Exporter, ...]
    gates: Limits
    search: SearchSpace | None = None
    """The space of a search; None for a recipe that is run as it is, or searched by default."""
    logs: tuple[ExperimentLog, ...] = ()
    """The logs that the run is kept in; they decide nothing of it."""

    @property
    def name(self) -> str:
        """The name of the run and of its folder."""
        return self.settings.name

    @property
    def given(self) -> dict[str, Any]:
        """The task and the preprocessing, as far as they are given: a run finds the others."""
        table = self.table()
        parts = {"task": table.get("task"), "preprocess": table["baseline"].get("preprocess")}
        return {key: part for key, part in parts.items() if part is not None}

    @property
    def trains(self) -> bool:
        """True if one of its techniques trains."""
        return any(each.trainings for each in self.techniques)

    @property
    def mirrors(self) -> bool:
        """True if training mirrors images where the schedule leaves it open."""
        return type(self.data).mirrors and self.task.mirrors

    def table(self) -> dict[str, Any]:
        """Return the recipe as TOML's plain values: ``parse`` reads it back."""
        baseline = self.baseline.model_dump(mode="json", exclude_none=True)
        baseline["input_shape"] = list(self.baseline.input_shape)
        if self.baseline.model is None:
            baseline["training"] = self.schedule.model_dump(exclude_none=True)
        if self.baseline.has_architecture:
            baseline |= ARCHITECTURES.table(self.architecture)
        else:
            del baseline["input_shape"]
        if not self.baseline.trust:
            del baseline["trust"]
        if not self.baseline.custom_objects:
            del baseline["custom_objects"]
        return {
            **self.settings.table(),
            "data": DATASETS.table(self.data),
            **({"task": TASKS.table(self.task)} if self.task_is_given else {}),
            "baseline": baseline,
            "technique": [TECHNIQUES.table(technique) for technique in self.techniques],
            "export": [EXPORTERS.table(exporter) for exporter in self.exports],
            "gates": self.gates.model_dump(exclude_none=True),
            **({} if self.search is None else {"search": self.search.model_dump(mode="json")}),
            **({"log": [LOGS.table(log) for log in self.logs]} if self.logs else {}),
        }

    def to_toml(self) -> str:
        """Return the recipe as TOML text."""
        import tomli_w

        return tomli_w.dumps(self.table())

    def replace(self, **tables: Any) -> Self:
        """Return a recipe with some fields replaced."""
        return self.model_copy(update=tables)


def load_recipe(
    path: Path,
    data: DatasetSource | None = None,
    *,
    for_model: bool = False,
    is_only_trained: bool = False,
) -> Recipe:
    """Read a TOML recipe, for ``data`` in place of its own where that is given.

    ``for_model``, ``is_only_trained``: as of ``parse_recipe``. Raises InputError with the key, the
    nearest name and what is accepted.
    """
    return parse_recipe(
        read_toml(path),
        str(path),
        data,
        for_model=for_model,
        is_only_trained=is_only_trained,
    )


def parse_recipe(
    table: Mapping[str, Any],
    where: str,
    data: DatasetSource | None = None,
    *,
    for_model: bool = False,
    is_only_trained: bool = False,
) -> Recipe:
    """Validate the plain values of a recipe; ``data`` stands in for its table ``[data]``.

    ``for_model``: True where a model will take the place of its baseline, and shows the task.
    ``is_only_trained``: True where nothing but its baseline is made: no file has to be asked for.
    """
    known = [*RunSettings.model_fields, *TABLES]
    for key in table:
        if key not in known:
            raise unknown_name(where, f'unknown key "{key}"', key, known)
    own = {key: table[key] for key in RunSettings.model_fields if key in table}
    if "device" in own:
        own["device"] = TARGETS.parse(own["device"], f"{where}, [device]")
    settings = parse_options(RunSettings, own, where)
    check_name(settings.name, f"{where}, name")
    baseline = dict(_table(table, "baseline", where))
    training = baseline.pop("training", {})
    architecture = {key: baseline.pop(key) for key in list(baseline) if key not in BASELINE_KEYS}
    inside = f"{where}, [baseline]"
    if "model" in baseline and (training or architecture or "input_shape" in baseline):
        raise InputError(inside, "names a model and how to train one", remedy="keep one of the two")
    source = data or resolve_table(_table(table, "data", where), f"{where}, [data]")
    techniques = parse_techniques(table.get("technique", ()), where)
    exports = tuple[Exporter, ...]()
    if table.get("export", []) != [] or not is_only_trained:
        exports = parse_exports(table.get("export"), where)
        check_precisions(techniques, exports, where)
        for technique in techniques:
            technique.check_exports(exports, where)
    original = parse_options(BaselineOptions, baseline, inside)
    if architecture and not original.has_architecture:
        raise InputError(
            inside,
            "names a model to start from and an architecture",
            remedy="keep one of the two; weights = starts an architecture",
        )
    task = table.get("task", DEFAULT_TASK)
    gates = parse_options(Limits, _table(table, "gates", where), f"{where}, [gates]")
    is_searched = "search" in table
    check_data(source, original, techniques, gates, where, is_searched=is_searched)
    check_unlabelled(settings, techniques, where, is_searched=is_searched)
    parsed_task = TASKS.parse(task, f"{where}, {'task' if isinstance(task, list) else '[task]'}")
    check_targets(source, parsed_task, where)
    return Recipe(
        settings=settings,
        data=source,
        task=parsed_task,
        task_is_given="task" in table or (original.model is None and not for_model),
        baseline=original,
        architecture=ARCHITECTURES.parse(architecture or {"architecture": "cifar_cnn"}, inside),
        schedule=parse_schedule(training, f"{where}, [baseline.training]"),
        techniques=techniques,
        exports=exports,
        gates=gates,
        search=parse_space(_table(table, "search", where), where) if is_searched else None,
        logs=parse_logs(table.get("log", ()), where),
    )


def check_encodable(recipe: Recipe) -> None:
    """Raise InputError for a path that no ``recipe.toml`` can name: before anything is done."""
    table = recipe.table()
    for key, texts in (
        ("data", table["data"].values()),
        ("baseline", table["baseline"].values()),
        ("unlabelled", [recipe.settings.unlabelled]),
    ):
        for text in texts:
            if isinstance(text, str) and not _is_utf8(text):
                raise InputError(
                    key,
                    f"{text} is no name in UTF-8, as a recipe is written",
                    remedy="rename it, or use a locale of UTF-8",
                )


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _table(table: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, Mapping):
        raise InputError(f"{where}, {key}", f"{value!r} is not a table", remedy=f"write [{key}]")
    return value
