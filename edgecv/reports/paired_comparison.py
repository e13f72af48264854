"""Paired comparison with the baseline: a line for each artifact, and details."""

from collections.abc import Sequence
from dataclasses import replace

from edgecv.core.comparison import Comparison
from edgecv.core.paired_results import Flips, NoWorse, PairedAccuracy, PairedScores
from edgecv.core.plugins import Metric, Task
from edgecv.core.report import Report
from edgecv.core.text import counted
from edgecv.evaluation.gates import cannot_tell
from edgecv.evaluation.task_of import per_head, task_of
from edgecv.reports.markdown_table import markdown_table

FEWEST_SPREAD = 5
"""Equal changes below which a bootstrap has too few images: see ``spread_over``."""
FEWEST_CHANGED = 10
"""Changed images below which Student's t makes the interval wide enough by itself."""
SIGNIFICANCE = 0.05
METHOD = (
    "Differences are candidate minus baseline on the same images, with the two-sided 95% {} "
    '"No worse" is answered by the ends of that interval, so that a yes or a no is wrong in 2.5% '
    "of the cases at most."
)
BINARY = METHOD.format(
    "score interval of Tango (1998) for paired proportions; p is the exact McNemar test."
)
REAL = METHOD.format(
    "interval of the bootstrap over images (BCa), no narrower than Student's t; p is Wilcoxon's "
    "signed-rank test of the scores of the images."
)


def judged(report: Report) -> list[Comparison]:
    """Return the candidates that were compared; the twins where there are only twins."""
    compared = [each for each in report.comparisons if each.statistics is not None]
    return [each for each in compared if not each.is_twin] or compared


def pair_line(comparison: Comparison, task: Task, names: Sequence[str]) -> str:
    """Return the statistics of an artifact in one line. ``names`` of the data's classes."""
    statistics = comparison.statistics
    if statistics is None:
        return f"{comparison.label}: no baseline"
    parts = _difference(comparison, task)
    metrics = {metric.name: metric for metric in task.metrics}
    for each in comparison.further_metrics:
        parts.append(_then_now(metrics[each.name], each.baseline_value, each.value))
    parts += task.summary(statistics, names)
    parts.append(_flips(statistics.flips))
    return f"{comparison.label}: {'; '.join(parts)}"


def narrow_text(found: PairedScores) -> list[str]:
    """Return a warning where few images carry most of the change.

    >>> narrow_text(PairedScores(9, 0, (0, 0), None, NoWorse(1.0, "yes"), 20, 10, 2.4))
    ['2 images carry most of the change: the interval may be too narrow, more images tell']
    """
    few, changed = found.spread_images, (found.wins or 0) + (found.losses or 0)
    if few is None or few >= FEWEST_SPREAD or changed < FEWEST_CHANGED:
        return []
    carry = "image carries" if few < 1.5 else "images carry"
    return [
        f"{few:.0f} {carry} most of the change: the interval may be too narrow, more images tell"
    ]


def few_changes_text(found: PairedAccuracy) -> list[str]:
    """Return which to believe where the interval excludes 0 and the exact test does not.

    >>> yes = NoWorse(1.0, "yes")
    >>> few_changes_text(PairedAccuracy(240, 200, 4, 0, 36, 0.125, 1.67, (0.1, 4.2), yes))
    ['so few answers changed that it may be chance: the interval is approximate, p is exact']
    """
    low, high = found.interval_points
    if found.p_value <= SIGNIFICANCE or low <= 0 <= high:
        return []
    return ["so few answers changed that it may be chance: the interval is approximate, p is exact"]


def control_line(comparison: Comparison, task: Task) -> str:
    """Return the difference of an artifact from the control in one line; empty without one."""
    control = comparison.control
    if control is None:
        return ""
    beside = replace(comparison, control=replace(control, decides=True)).against_better
    return f"{comparison.label} against the control: {'; '.join(_difference(beside, task))}"


def _difference(comparison: Comparison, task: Task) -> list[str]:
    """Return the difference of the headline metric, and the answer to "no worse"."""
    parts: list[str] = []
    statistics = comparison.statistics
    then_now = _then_now(task.headline, comparison.baseline_value, comparison.value)
    if statistics is None:
        return parts
    if statistics.accuracy is not None:
        parts.append(_accuracy(statistics.accuracy))
        parts += few_changes_text(statistics.accuracy)
    elif statistics.scores is not None:
        parts.append(f"{then_now}, {_scores(statistics.scores)}")
        parts += narrow_text(statistics.scores)
    elif comparison.difference_points is not None:  # A report from before there was an interval.
        parts.append(f"{then_now}, {comparison.difference_points:+.2f} points")
    if statistics.difference is not None:
        found = statistics.difference
        parts.append(no_worse_answer(found.no_worse, found.images))
    return parts


def no_worse_answer(found: NoWorse, images: int) -> str:
    """Return the answer to "no worse than the baseline by more than a margin" as text.

    >>> no_worse_answer(NoWorse(1.0, "cannot tell", 12_345), 5000)
    'no worse than 1 point (95%): cannot tell with 5,000 images, needs about 12,000'
    """
    answer = found.answer if found.answer != "cannot tell" else cannot_tell(found, images)
    unit = "point" if found.margin_points == 1 else "points"
    return f"no worse than {found.margin_points:g} {unit} (95%): {answer}"


def pair_section(report: Report) -> list[str]:
    """Return the Markdown section of the paired comparisons: one for each head of the model."""
    return [line for name, each in per_head(report).items() for line in _section(each, name)]


def method_text(task: Task) -> str:
    """Return how the figures of the comparison are computed."""
    return f"{BINARY if task.has_binary_scores else REAL} {task.method}".strip()


def _section(report: Report, head: str) -> list[str]:
    compared = judged(report)
    if not compared:
        return []
    task, names = task_of(report), report.data.classes
    lines = [f"## Image by image against the baseline{f': {head}' if head else ''}", ""]
    for each in compared:
        found = (pair_line(each, task, names), control_line(each, task))
        lines += [f"- {line}" for line in found if line]
    if report.data.has_labels:
        lines += ["", method_text(task)]
    for each in compared:
        lines += _details(each, task, names)
    return [*lines, ""]


def _details(comparison: Comparison, task: Task, names: Sequence[str]) -> list[str]:
    statistics = comparison.statistics
    if statistics is None or not statistics.flips.count:
        return []
    lines = ["", f"### {comparison.label}", ""]
    lines += [f"- {sentence}" for sentence in task.details(statistics, names)]
    if comparison.flips_picture is not None:
        picture = comparison.flips_picture
        lines += ["", f"![Images with another answer in {comparison.artifact.path}]({picture})"]
    table = task.table(statistics, names)
    if table is None:
        return lines
    below = ["", table.below] if table.below else []
    return [*lines, "", *markdown_table(table.headings, table.rows), *below]


def _then_now(metric: Metric, baseline: float | None, value: float | None) -> str:
    return f"{metric.name} {metric.text(baseline)} -> {metric.text(value)}"


def _accuracy(found: PairedAccuracy) -> str:
    low, high = found.interval_points
    return (
        f"{counted(found.wins, 'win')} and {counted(found.losses, 'loss')} of {found.images:,} "
        f"(p = {found.p_value:.2g}), {found.difference_points:+.2f} points "
        f"({low:+.2f} to {high:+.2f})"
    )


def _scores(found: PairedScores) -> str:
    low, high = found.interval_points
    chance = "" if found.p_value is None else f", p = {found.p_value:.2g}"
    return f"{found.difference_points:+.2f} points ({low:+.2f} to {high:+.2f}{chance})"


def _flips(flips: Flips) -> str:
    return f"{counted(flips.count, 'image')} with another answer ({flips.fraction:.2%})"
