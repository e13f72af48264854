"""The table of a run: the originals, then a row for each file; one table for each head."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgecv.core.comparison import Comparison
from edgecv.core.plugins import Task
from edgecv.core.registry import RUNTIMES
from edgecv.core.report import Report
from edgecv.evaluation.task_of import per_head, task_of
from edgecv.formats.tflite.runtime import LiteRT
from edgecv.reports.ratio_text import kernels_of, speed_doubt

OF_FILES = ("bytes", "gzip -9", "median us", "p95 us", "speed-up")
"""Columns on size and speed: they stand with the first head."""
AGAINST_CONTROL = "vs control"


@dataclass(frozen=True)
class RunTable:
    """The table of one head: texts under headings."""

    head: str
    """Empty where the model has one task."""
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    is_candidate: tuple[bool, ...]
    """For each row: False for originals and twins."""


def run_tables(report: Report) -> Iterator[RunTable]:
    """Yield the table of each head of the model."""
    for place, (name, each) in enumerate(per_head(report).items()):
        task = task_of(each)
        found = [*_originals(each, task)]
        kernels = kernels_of(each)
        kernels = f", {kernels} kernels" if kernels else ""
        cells = found + [_cells(comparison, task, kernels) for comparison in each.comparisons]
        shown = [key for key in _headings(report, task) if not (place and key in OF_FILES)]
        yield RunTable(
            name,
            tuple(shown),
            tuple(tuple(row.get(key, "") for key in shown) for row in cells),
            (*(False for _ in found), *(not comparison.is_twin for comparison in each.comparisons)),
        )


def _headings(report: Report, task: Task) -> tuple[str, ...]:
    has_control = any(each.control is not None for each in report.comparisons)
    control = (AGAINST_CONTROL,) if has_control else ()
    metric = (task.headline.name, "points", *control, "agreement")
    return ("artifact", "runtime", *OF_FILES[:2], *metric, *OF_FILES[2:])


def _originals(report: Report, task: Task) -> Iterator[dict[str, str]]:
    """Yield the cells of the baseline and of the control, where there are any."""
    if report.baseline is not None:
        yield _original(report.baseline.path, "baseline", task, report.baseline.value)
    scores = () if report.control is None else report.control.scores
    for score in scores:
        assert report.control is not None
        cells = _original(report.control.path, "control", task, score.value)
        yield {**cells, "points": f"{score.difference_points:+.2f}"}


def _original(path: str, kind: str, task: Task, value: float | None) -> dict[str, str]:
    suffix = Path(path).suffix.lower()
    return {
        "artifact": Path(path).name,
        "runtime": next(
            (name for name, cls in RUNTIMES.classes.items() if suffix in cls.suffixes), ""
        ),
        task.headline.name: task.headline.text(value),
        OF_FILES[-1]: kind,
    }


def _cells(comparison: Comparison, task: Task, kernels: str) -> dict[str, str]:
    """Return the cells of a file by their headings; a dash where there is no value.

    ``kernels``: the text of those of LiteRT, where they are not the usual ones.
    """
    difference, same = comparison.difference_points, comparison.agreement
    latency, control = comparison.latency, comparison.control
    return {
        "artifact": comparison.artifact.path,
        "runtime": comparison.runtime + kernels * (comparison.runtime == LiteRT.name),
        "bytes": f"{comparison.artifact.bytes:,}",
        "gzip -9": f"{comparison.artifact.gzip_bytes:,}",
        task.headline.name: task.headline.text(comparison.value),
        "points": "-" if difference is None else f"{difference:+.2f}",
        AGAINST_CONTROL: "-" if control is None else f"{control.difference_points:+.2f}",
        "agreement": "-" if same is None else f"{same:.2%}",
        "median us": "-" if latency is None else f"{latency.median_us:,.1f}",
        "p95 us": "-" if latency is None else f"{latency.p95_us:,.1f}",
        "speed-up": _speedup(comparison),
    }


def _speedup(comparison: Comparison) -> str:
    interval = comparison.speedup_interval
    if comparison.is_twin:
        return "1 (twin)"
    if comparison.speedup is None:
        return "-"
    if interval is None:
        return f"{comparison.speedup:.2f}, in one process"
    text = f"{comparison.speedup:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"
    return ", ".join(filter(None, (text, speed_doubt(interval))))
