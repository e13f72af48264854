"""A table of many recipes: those without a run are run, and all reports become one table.

With several seeds a row is the mean over the runs of a recipe, with their standard deviation.
"""

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from edgecv.core.comparison import Comparison
from edgecv.core.errors import InputError
from edgecv.core.events import OnEvent, ignore_event
from edgecv.core.plugins import Metric
from edgecv.core.report import Baseline, Report
from edgecv.core.text import counted, printable_lines
from edgecv.evaluation.task_of import per_head, task_of
from edgecv.pipeline.context import RunContext, open_run
from edgecv.pipeline.judge_again import check_same_model, is_judged_by
from edgecv.pipeline.recipe.checks import check_name
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.run import compress
from edgecv.pipeline.run_report import asked_twins
from edgecv.reports.json_file import read_report, to_table
from edgecv.reports.markdown_table import markdown_table
from edgecv.system.storage import Store, check_seal

ANOTHER = "move it away, or use --output"
METRIC = "metric"
"""Heading of the headline metrics where they are several; a single one stands there itself."""
HEADINGS = (
    "recipe",
    "file",
    "bytes",
    "gzip -9",
    METRIC,
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
OVER_SEEDS = (
    "Each figure is the mean over {} seeds, ± the standard deviation of one run.",
    "",
)


def run_all(
    recipes: Sequence[Path],
    data: str | None,
    store: Store,
    *,
    seeds: int = 1,
    on_event: OnEvent = ignore_event,
    log: Path | None = None,
) -> list[Report]:
    """Return the report of each recipe, from its run folder or from a run made now.

    ``seeds``: runs of each recipe, from its own seed on; those after the first are called
    NAME-seedN. Raises InputError where a folder of that name holds a run of another recipe.
    """
    plans = [
        _with_seed(recipe, number)
        for recipe in (CompressOptions(recipe=str(each), data=data).to_recipe() for each in recipes)
        for number in range(seeds)
    ]
    reports = []
    for plan in plans:
        with open_run(store, plan.settings, on_event, log) as context:
            reports.append(_report(plan, context))
    return reports


def _with_seed(recipe: Recipe, number: int) -> Recipe:
    """Return a recipe with the seed so many after its own."""
    if not number:
        return recipe
    seed = recipe.settings.seed + number
    name = f"{recipe.name}-seed{seed}"
    check_name(name, "--seeds")
    return recipe.replace(settings=recipe.settings.model_copy(update={"seed": seed, "name": name}))


def _report(recipe: Recipe, context: RunContext) -> Report:
    folder = context.store.run_folder(recipe.name)
    if not folder.exists():
        context.emit("table", f"running {recipe.name}")
        return compress(recipe, context)
    check_seal(folder)
    report = read_report(folder)
    if not is_judged_by(report, recipe):
        raise InputError(str(folder), "is a run of another recipe", remedy=ANOTHER)
    try:
        check_same_model(report, recipe, folder)
    except InputError as error:
        raise InputError(error.where, error.found, remedy=ANOTHER) from None
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
    groups: dict[str, list[Report]] = {}
    for report in reports:
        name = report.name.removesuffix(f"-seed{report.recipe.get('seed', 0)}")
        groups.setdefault(name, []).append(report)
    lines: list[str] = []
    rows, metrics = [], set[str]()
    for name, runs in groups.items():
        line = _baseline_line(runs)
        if line and line not in lines:
            lines.append(line)
        by_head = [per_head(each) for each in runs]
        for head, own in by_head[0].items():
            metrics.add(task_of(own).headline.name)
            rows += _rows(name, [each[head] for each in by_head])
    most = max((len(runs) for runs in groups.values()), default=1)
    seeds = [each.format(most) for each in OVER_SEEDS] if most > 1 else []
    metric = metrics.pop() if len(metrics) == 1 else METRIC
    headings = tuple(metric if each == METRIC else each for each in HEADINGS)
    table = markdown_table(headings, rows)
    return printable_lines("\n".join([*INTRODUCTION, *seeds, *lines, "", *table]))


def _baseline_line(runs: Sequence[Report]) -> str:
    """Describe the baseline of the runs of one recipe; empty where they have none."""
    first, values = runs[0], []
    if first.baseline is None:
        return ""
    for head, own in per_head(first).items():
        found = [per_head(each)[head].baseline for each in runs]
        headline = task_of(own).headline
        values.append(_metric([None if each is None else each.value for each in found], headline))
    images = counted(first.data.splits["test"].images, "test image")
    parameters = _parameters(first.baseline)
    return f"{first.data.name}, {images}: the baseline has {parameters}{'; '.join(values)}."


def _rows(name: str, runs: Sequence[Report]) -> list[tuple[str, ...]]:
    """Return a row for each candidate that all runs of one recipe have."""
    rows, asked, count = [], asked_twins(runs[0]), len(runs[0].comparisons)
    for each in runs[0].comparisons:
        if each.is_twin and each.artifact.path not in asked and count > 1:
            continue
        same = [other for run in runs for other in run.comparisons if other.label == each.label]
        if len(same) == len(runs):
            rows.append(_row(name, runs, same))
    return rows


def _row(name: str, runs: Sequence[Report], files: Sequence[Comparison]) -> tuple[str, ...]:
    controls = [each.control for each in files]
    outcomes = [each.outcome for each in runs]
    passed = f"{outcomes.count('passed')} of {len(runs)} passed"
    return (
        name,
        files[0].label,
        _mean([each.artifact.bytes for each in files], ",.0f"),
        _mean([each.artifact.gzip_bytes for each in files], ",.0f"),
        _metric([each.value for each in files], task_of(runs[0]).headline),
        _mean([each.difference_points for each in files], "+.2f"),
        _mean([None if each is None else each.difference_points for each in controls], "+.2f"),
        _mean([each.agreement for each in files], ".2%"),
        _mean([each.speedup for each in files], ".2f"),
        _mean([_zeros(each) for each in files], ".0%"),
        _mean([_most_distinct(each) for each in files], ",.0f"),
        outcomes[0] if len(set(outcomes)) == 1 else passed,
    )


def _mean(values: Sequence[float | None], form: str) -> str:
    """Return the mean with the standard deviation of one run; a dash where a value is missing.

    >>> _mean([1.0, 2.0, 3.0], "+.2f"), _mean([5, 5], ",.0f"), _mean([None], ".2f")
    ('+2.00 ± 1.00', '5', '-')
    """
    known = [each for each in values if each is not None]
    if not known or len(known) < len(values):
        return "-"
    mean = f"{statistics.fmean(known):{form}}"
    if len(set(known)) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(known):{form.removeprefix('+')}}"


def _metric(values: Sequence[float | None], metric: Metric) -> str:
    """Return the mean of a metric in its own notation, with the standard deviation."""
    known = [each for each in values if each is not None]
    if len(known) < len(values):
        return metric.text(None)
    mean = metric.text(statistics.fmean(known))
    if len(set(known)) == 1:
        return mean
    return f"{mean} ± {metric.text(statistics.stdev(known))}"


def _zeros(comparison: Comparison) -> float:
    layers = comparison.artifact.layers
    weights = sum(layer.weights for layer in layers) or 1
    return sum(layer.sparsity * layer.weights for layer in layers) / weights


def _most_distinct(comparison: Comparison) -> int:
    return max((layer.distinct for layer in comparison.artifact.layers), default=0)
