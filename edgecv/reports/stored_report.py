"""A ``report.json`` that somebody else may have edited, read by a strict model.

Behind it there are types: what reads a report indexes its classes and splits, divides by its
ratios and takes the tables of its recipe for tables.
"""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from edgecv.core.comparison import Comparison
from edgecv.core.data import SPLITS
from edgecv.core.report import Report
from edgecv.core.tables import fault_of
from edgecv.evaluation.task_of import task_of

MOST_COMPARISONS = 1000
LONGEST_TEXT = 10_000
SHA256 = 64
TYPE = re.compile(r"[a-z][a-z0-9_]{0,30}")
"""The name of the type of an input: it stands in programs that a page shows."""


class StoredTable(BaseModel):
    """A table of a recipe in a report: its own keys are typed, those of plug-ins are kept."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)


class StoredBaselineOptions(StoredTable):
    """The keys of ``[baseline]`` that a validation reads."""

    labels: tuple[str, ...] | None = Field(default=None, strict=False)
    preprocess: str | dict[str, Any] | None = None


class StoredTechnique(StoredTable):
    """One technique of a recipe."""

    technique: str


class StoredRecipe(StoredTable):
    """The recipe of a report."""

    name: str = ""
    seed: int = Field(default=0, ge=0, lt=2**31)
    threads: int = Field(default=1, ge=1)
    data: dict[str, Any] = {}
    task: dict[str, Any] | list[dict[str, Any]] = {}
    baseline: StoredBaselineOptions = StoredBaselineOptions()
    technique: tuple[StoredTechnique, ...] = Field(default=(), strict=False)
    export: tuple[dict[str, Any], ...] = Field(default=(), strict=False)
    gates: dict[str, Any] = {}


def checked(report: Report) -> Report:
    """Return a report whose parts fit together. Raises ValueError with the part that does not."""
    _check_recipe(report)
    for key, value in report.environment.items():
        if not isinstance(value, str | int | float | None):
            raise ValueError(f"environment.{key} is no plain value")
    _check(isinstance(report.environment.get("machine"), str), "environment.machine")
    if not set(report.data.splits) <= set(SPLITS) or "test" not in report.data.splits:
        raise ValueError("data.splits holds other splits than those of a run")
    for name, split in report.data.splits.items():
        _check(split.images >= 0, f"data.splits.{name}.images")
        _check_sha256(split.sha256, f"data.splits.{name}.sha256")
    if further := report.data.unlabelled:
        _check(min(further.images, further.left_out) >= 0, "data.unlabelled")
        _check_sha256(further.sha256, "data.unlabelled.sha256")
    if len(report.comparisons) > MOST_COMPARISONS:
        raise ValueError(f"comparisons holds more than {MOST_COMPARISONS:,}")
    heads = {""}
    if not isinstance(report.recipe.get("task", {}), dict):
        heads = {each.name for each in task_of(report).heads()}
    for number, gate in enumerate(report.gates):
        _check(gate.head in {*heads, ""}, f"gates.{number}.head")
    if report.control is not None:
        for number, score in enumerate(report.control.scores):
            _check(score.head in heads, f"control.scores.{number}.head")
    _check_results(report, heads)
    seen: set[tuple[str, str]] = set()
    for number, comparison in enumerate(report.comparisons):
        place, path = f"comparisons.{number}", comparison.artifact.path
        one = path, comparison.head
        _check(comparison.head in heads, f"{place}.head")
        _check(one not in seen, f"{place}.artifact.path, which stands there twice,")
        seen.add(one)
        _check_comparison(comparison, report, place)
    for text in _texts(report):
        if len(text) > LONGEST_TEXT:
            raise ValueError(f"holds a text of {len(text):,} letters")
    return report


StoredReport = Annotated[Report, AfterValidator(checked)]


def _check_recipe(report: Report) -> None:
    try:
        StoredRecipe.model_validate(dict(report.recipe))
    except ValidationError as error:
        place, fault = fault_of(error)
        raise ValueError(f"{'.'.join(filter(None, ('recipe', place)))}: {fault}") from None


def _check_comparison(comparison: Comparison, report: Report, place: str) -> None:
    artifact, names = comparison.artifact, report.data.head_classes
    classes = len(names.get(comparison.head, report.data.classes))
    _check_sha256(artifact.sha256, f"{place}.artifact.sha256")
    _check(min(artifact.bytes, artifact.gzip_bytes) >= 0, f"{place}.artifact.bytes")
    _check(TYPE.fullmatch(comparison.input.type) is not None, f"{place}.input.type")
    for name in ("size_ratio", "speedup"):
        ratio = getattr(comparison, name)
        _check(ratio is None or ratio > 0, f"{place}.{name}")
    spread = () if comparison.latency is None else comparison.latency.spread_us
    _check(len(spread) in (0, 3), f"{place}.latency.spread_us")
    answers = ("agreement", "max_probability_difference", "mean_probability_difference")
    known = [getattr(comparison, name) is not None for name in answers]
    _check(all(known) or not any(known[:2]), f"{place}.agreement")
    control = comparison.control
    for statistics in (comparison.statistics, None if control is None else control.statistics):
        if statistics is None:
            continue
        labels = [each.label for each in statistics.classes]
        for cell in statistics.confusion:
            labels += [cell.label, cell.answer]
        _check(all(0 <= label < classes for label in labels), f"{place}.statistics, its classes,")
    if comparison.further_metrics:
        task = task_of(report).head_called(comparison.head).task
        metrics = {metric.name for metric in task.metrics}
        _check(
            all(each.name in metrics for each in comparison.further_metrics),
            f"{place}.further_metrics",
        )


def _check_results(report: Report, heads: set[str]) -> None:
    """Raise ValueError where the answers by class, or trainings, do not fit the classes."""
    counts = report.data.class_counts
    _check(set(counts) <= set(SPLITS), "data.class_counts")
    sizes = {len(each) for each in counts.values()}
    _check(sizes <= {len(report.data.classes)}, "data.class_counts")
    for number, each in enumerate(report.results):
        place = f"results.{number}"
        _check(each.head in heads, f"{place}.head")
        classes = len(report.data.head_classes.get(each.head, report.data.classes))
        labels = [one.label for one in each.results.classes]
        _check(labels == list(range(classes)), f"{place}.results.classes")
        cells = [side for one in each.results.confusion for side in (one.label, one.answer)]
        _check(all(0 <= label < classes for label in cells), f"{place}.results.confusion")
    for number, training in enumerate(report.trainings):
        keys = set(training.epochs[0]) if training.epochs else set()
        same = bool(keys) and all(set(epoch) == keys for epoch in training.epochs)
        _check(same, f"trainings.{number}.epochs")


def _check_sha256(text: str, place: str) -> None:
    _check(len(text) == SHA256 and set(text) <= set("0123456789abcdef"), place)


def _check(fits: bool, place: str) -> None:
    if not fits:
        raise ValueError(f"{place} does not fit the rest")


def _texts(value: Any) -> Iterator[str]:
    """Yield every text of a record, and of its tables."""
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, str):
            yield current
        elif isinstance(current, list | tuple):
            waiting += current
        elif isinstance(current, dict):
            waiting += [*current, *current.values()]
        elif is_dataclass(current) and not isinstance(current, type):
            waiting += (getattr(current, each.name) for each in fields(current))
