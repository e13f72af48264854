"""A trial of a search: its recipe, and the figures of its file on validation images."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

from edgecv.core.comparison import Comparison
from edgecv.core.errors import RuntimeFailure
from edgecv.core.plugins import Plugin
from edgecv.core.report import Outcome, Report
from edgecv.core.type_adapters import type_adapter
from edgecv.pipeline.recipe.recipe import Recipe, parse_recipe
from edgecv.pipeline.run_report import is_candidate
from edgecv.reports.gate_text import gate_sentence
from edgecv.system.storage import content_key

State = Literal["proposed", "screened", "finished", "failed"]
"""Screened: tried on a part of the images only, and not promoted."""
OTHER_TRAININGS = ("baseline", "teacher", "control")
"""Trainings of a run that are none of its techniques'."""


@dataclass(frozen=True)
class TrialFigures:
    """The figures of one file of a run."""

    images: int
    points: float
    """Difference of the headline metric, in points; higher is better."""
    lost_points: float
    """Points lost at the worse end of the 95% interval."""
    bytes: int
    gzip_bytes: int
    macs: int
    """Multiply-accumulates; 0 where they are not known."""
    median_us: float | None
    speedup: float | None

    @property
    def objectives(self) -> tuple[float, float, float]:
        """The figures that proposals learn from: smaller is better."""
        return self.lost_points, float(self.bytes), float(self.macs)

    @property
    def worst_text(self) -> str:
        """The worse end of the interval under a heading: points, negative where some are lost."""
        return f"{0.0 - self.lost_points:+.2f}"

    @property
    def lost_text(self) -> str:
        """The worse end of the interval in words."""
        if self.lost_points < 0:
            return f"gains {-self.lost_points:.2f} or more"
        return f"may lose {self.lost_points:.2f}"


@dataclass(frozen=True)
class SearchTrial:
    """One recipe of a search, and what came of it."""

    number: int
    generation: int
    proposal: int
    """Its number in Optuna's study."""
    steps: str
    """Its techniques and its precision in a line."""
    key: str
    """Hash of the recipe without its limits: no recipe is tried twice."""
    recipe: Mapping[str, Any]
    trains: bool
    state: State = "proposed"
    screened: TrialFigures | None = None
    """Figures after a training on a part of the images."""
    screened_s: float | None = None
    """Seconds that its techniques trained for on that part."""
    figures: TrialFigures | None = None
    outcome: Outcome | None = None
    """The verdict on the validation images."""
    training_s: float | None = None
    """Seconds that its techniques trained for in full."""
    missed: tuple[str, ...] = ()
    """The limits that do not hold there, each with the value that was found."""
    reason: str = ""
    """The cause of its failure."""

    @classmethod
    def proposed(cls, recipe: Recipe, number: int, *, generation: int, proposal: int) -> Self:
        """Return the trial of a recipe that was not tried yet."""
        table = recipe.table()
        key = content_key({**table, "name": "", "gates": {}})
        return cls(number, generation, proposal, steps_of(recipe), key, table, recipe.trains)

    def seconds_in_full(self, screening: float) -> float | None:
        """Return the seconds of its trainings in full, as measured, or as its screening tells."""
        if self.training_s is not None or self.screened_s is None:
            return self.training_s
        return self.screened_s / screening

    @property
    def parsed(self) -> Recipe:
        """The recipe, read from its table."""
        return parse_recipe(self.recipe, f"trial {self.number}")

    def with_report(self, report: Report, recipe: Recipe) -> Self:
        """Return the trial with the figures of a run on all images, or on a part of them."""
        figures = figures_of(report, recipe)
        if recipe.settings.train_fraction < 1:
            return replace(self, screened=figures, screened_s=trained_s(report))
        return replace(
            self,
            state="finished",
            figures=figures,
            outcome=report.outcome,
            training_s=trained_s(report),
            missed=missed_limits(report, recipe),
        )

    def with_failure(self, reason: str) -> Self:
        """Return the trial as failed."""
        return replace(self, state="failed", figures=None, outcome=None, reason=reason)

    def record(self) -> dict[str, Any]:
        """Return the trial as plain values: ``trial_of`` reads it back."""
        return asdict(self)


def missed_limits(report: Report, recipe: Recipe) -> tuple[str, ...]:
    """Return what has decided that a run has not passed: values and their limits."""
    return tuple(
        gate_sentence(each, recipe.task).removeprefix(f"{each.label}: ")
        for each in report.gates
        if each.outcome == report.outcome != "passed"
    )


def trained_s(report: Report) -> float:
    """Return the seconds that the techniques of a run trained for, now or where they are stored."""
    curves = [each for each in report.trainings if each.name not in OTHER_TRAININGS]
    return float(sum(epoch.get("seconds") or 0 for each in curves for epoch in each.epochs))


def trial_of(record: Mapping[str, Any]) -> SearchTrial:
    """Return the trial of a record. Raises ValueError where it is damaged."""
    return type_adapter(SearchTrial).validate_json(json.dumps(record), strict=True)


def steps_of(recipe: Recipe) -> str:
    """Return the techniques of a recipe, with the options that are not their defaults."""
    precisions = dict.fromkeys(each.precision for each in recipe.exports)
    return ", ".join([*(_step(each) for each in recipe.techniques), *precisions])


def _step(plugin: Plugin) -> str:
    """Return the name of a plug-in with its options, without those that say how it trains."""
    parts = [plugin.name]
    for key, field in type(plugin).model_fields.items():
        value = getattr(plugin, key)
        if isinstance(value, Plugin):
            parts.append(_step(value))
        elif key not in ("training", "distil", "fine_tune") and value != field.default:
            parts.append(f"{key} {value}")
    return " ".join(parts)


def unmeasured(report: Report) -> RuntimeFailure | None:
    """Return the failure of a file that could not be measured, if the run has one."""
    gates = [each for each in report.gates if each.name == "runs"]
    return RuntimeFailure(gates[0].artifact, gates[0].reason) if gates else None


def candidate(report: Report, recipe: Recipe) -> Comparison:
    """Return the file that the recipe of a run asks for."""
    return next(each for each in report.comparisons if is_candidate(each, recipe))


def figures_of(report: Report, recipe: Recipe) -> TrialFigures:
    """Return the figures of the file of a run, against the better of baseline and control."""
    file = candidate(report, recipe)
    judged, costs = file.against_better, report.costs
    difference = None if judged.statistics is None else judged.statistics.difference
    assert difference is not None  # Searches are refused for images without labels.
    return TrialFigures(
        images=report.data.splits["test"].images,
        points=difference.difference_points,
        lost_points=0.0 - difference.interval_points[0],
        bytes=file.artifact.bytes,
        gzip_bytes=file.artifact.gzip_bytes,
        macs=0 if costs is None else costs.compressed.macs,
        median_us=None if file.latency is None else file.latency.median_us,
        speedup=file.speedup,
    )
