"""The results of a run or a training for logs of experiments."""

from collections.abc import Iterator
from pathlib import Path

from edgecv.core.comparison import Comparison
from edgecv.core.plugins import LoggedResults
from edgecv.core.report import Report
from edgecv.pipeline.stored_training import Training
from edgecv.reports.markdown import to_markdown
from edgecv.system.storage import MANIFEST


def results_of_run(report: Report, folder: Path) -> LoggedResults:
    """Return figures and files of a run."""
    figures = {
        f"{each.label}/{name}": float(value)
        for each in report.comparisons
        for name, value in _figures(each)
        if value is not None
    }
    baseline = report.baseline
    if baseline is not None and baseline.value is not None:
        figures[f"{baseline.path}/{baseline.metric}"] = baseline.value
    return LoggedResults(report.outcome, to_markdown(report), figures, _files(folder))


def results_of_training(training: Training) -> LoggedResults:
    """Return figures and files of a training."""
    test = training.test
    text = f"{test.metric} {test.value:.4g} on {test.images:,} test images"
    figures = {f"model.keras/{test.metric}": test.value}
    return LoggedResults("trained", text, figures, _files(training.folder))


def _figures(comparison: Comparison) -> Iterator[tuple[str, float | None]]:
    """Yield the figures of a file, each with the ends of its 95% interval where it has one."""
    yield comparison.metric, comparison.value
    for metric in comparison.further_metrics:
        yield metric.name, metric.value
    found = None if comparison.statistics is None else comparison.statistics.difference
    yield "difference_points", comparison.difference_points
    if found is not None:
        yield from _interval("difference_points", found.interval_points)
    if comparison.control is not None:
        yield "against_control_points", comparison.control.difference_points
        against = comparison.control.statistics.difference
        if against is not None:
            yield from _interval("against_control_points", against.interval_points)
    yield "agreement", comparison.agreement
    yield "bytes", comparison.artifact.bytes
    yield "gzip_bytes", comparison.artifact.gzip_bytes
    yield "size_ratio", comparison.size_ratio
    yield "speedup", comparison.speedup
    yield from _interval("speedup", comparison.speedup_interval)
    if comparison.latency is not None:
        yield "median_us", comparison.latency.median_us
        yield "p95_us", comparison.latency.p95_us


def _interval(name: str, ends: tuple[float, float] | None) -> Iterator[tuple[str, float]]:
    for suffix, value in zip(("low", "high"), ends or (), strict=False):
        yield f"{name}_{suffix}", value


def _files(folder: Path) -> tuple[Path, ...]:
    return tuple(
        path for path in sorted(folder.iterdir()) if path.is_file() and path.name != MANIFEST
    )
