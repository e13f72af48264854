"""A table of many recipes: those without a run are run, and all reports become one table."""

import json
from collections.abc import Sequence
from pathlib import Path

from edgecv.core.errors import InputError
from edgecv.core.events import OnEvent, ignore_event
from edgecv.core.report import Baseline, Comparison, Report
from edgecv.core.text import counted, printable_lines
from edgecv.evaluation.task_of import per_head, task_of
from edgecv.pipeline.context import RunContext, open_run
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.run import compress
from edgecv.reports.json_file import read_report, to_table
from edgecv.reports.markdown_table import markdown_table
from edgecv.system.storage import Store, check_seal

HEADINGS = (
    "recipe",
    "file",
    "bytes",
    "gzip -9",
    "accuracy",
    "points",
    "vs control",
    "agreement",
    "speed-up",
    "zeros",
    "distinct",
    "outcome",
)

INTRODUCTION = (
    "# Recipes",
    "",
    "The results of each recipe, one row a file; `edgecv table RECIPE...` prints this page.",
    "Points are against the baseline, the speed-up is over the float32 twin of the same",
    "format; zeros and distinct weights (the most in one layer) are read back from the file.",
    "",
)


def run_all(
    recipes: Sequence[Path],
    data: str | None,
    store: Store,
    *,
    on_event: OnEvent = ignore_event,
    log: Path | None = None,
) -> list[Report]:
    """Return the report of each recipe, from its run folder or from a run made now.

    Raises InputError where a folder of that name holds a run of another recipe.
    """
    plans = [CompressOptions(recipe=str(path), data=data).to_recipe() for path in recipes]
    reports = []
    for plan in plans:
        with open_run(store, plan.settings, on_event, log) as context:
            reports.append(_report(plan, context))
    return reports


def _report(recipe: Recipe, context: RunContext) -> Report:
    folder = context.store.run_folder(recipe.name)
    if not folder.exists():
        context.emit("table", f"running {recipe.name}")
        return compress(recipe, context)
    check_seal(folder)
    report = read_report(folder)
    if report.recipe != recipe.table():
        raise InputError(
            str(folder), "is a run of another recipe", remedy="move it away, or use --output"
        )
    return report


def to_json(reports: Sequence[Report]) -> str:
    """Return all reports as a JSON list."""
    return json.dumps([to_table(report) for report in reports], indent=2, allow_nan=False)


def _parameters(baseline: Baseline) -> str:
    return (
        "" if baseline.parameters is None else f"{counted(baseline.parameters, 'parameter')} and "
    )


def to_markdown(reports: Sequence[Report]) -> str:
    """Return one table: the baseline of each data set, then a line for each file."""
    lines: list[str] = []
    for report in reports:
        if report.baseline is not None:
            split = report.data.splits["test"]
            value = "; ".join(map(_headline, per_head(report).values()))
            line = (
                f"{report.data.name}, {counted(split.images, 'test image')}: the baseline has "
                f"{_parameters(report.baseline)}{value}."
            )
            if line not in lines:
                lines.append(line)
    rows = [
        _row(own, each)
        for report in reports
        for own in per_head(report).values()
        for each in own.comparisons
        if not each.is_twin or len(own.comparisons) == 1
    ]
    text = "\n".join([*INTRODUCTION, *lines, "", *markdown_table(HEADINGS, rows)])
    return printable_lines(text)


def _headline(report: Report) -> str:
    value = None if report.baseline is None else report.baseline.value
    return task_of(report).headline.text(value)


def _row(report: Report, comparison: Comparison) -> tuple[str, ...]:
    artifact = comparison.artifact
    weights = sum(layer.weights for layer in artifact.layers) or 1
    zeros = sum(layer.sparsity * layer.weights for layer in artifact.layers) / weights
    most = max((layer.distinct for layer in artifact.layers), default=0)
    return (
        report.name,
        comparison.label,
        f"{artifact.bytes:,}",
        f"{artifact.gzip_bytes:,}",
        task_of(report).headline.text(comparison.value),
        "-" if comparison.difference_points is None else f"{comparison.difference_points:+.2f}",
        "-" if comparison.control is None else f"{comparison.control.difference_points:+.2f}",
        f"{comparison.agreement or 0:.2%}",
        f"{comparison.speedup or 0:.2f}",
        f"{zeros:.0%}",
        f"{most:,}",
        report.outcome,
    )
