"""The text and the JSON of a bench."""

import json
from dataclasses import asdict

from edgecv.analysis.bench.records import BenchResult, CombinationTiming, Timing
from edgecv.core.text import counted
from edgecv.evaluation.latency import Interval
from edgecv.reports.markdown_table import markdown_table
from edgecv.reports.ratio_text import speed_doubt

HEADINGS = ("file", "median us", "p95 us", "runs", "time over the first (95%)", "verdict")
GRID_HEADINGS = (
    "file", "threads", "batch", "us an image", "over its first row (95%)", "open ms",
    "first call ms", "time over the first file (95%)", "verdict",
)  # fmt: skip


def to_json(bench: BenchResult) -> str:
    """Return all results as JSON."""
    return json.dumps(asdict(bench), indent=2, allow_nan=False)


def to_lines(bench: BenchResult) -> list[tuple[str, ...]]:
    """Return the headings, and a row for each file."""
    grid = [_grid_row(each) for each in bench.timings if isinstance(each, CombinationTiming)]
    return [GRID_HEADINGS, *grid] if grid else [HEADINGS, *map(_row, bench.timings)]


def to_markdown(bench: BenchResult) -> str:
    """Return the rows as a Markdown table, with everything that is said of them."""
    headings, *rows = to_lines(bench)
    failures = [f"- {path}: {reason}" for path, reason in bench.failures.items()]
    notes = [*failures, *(f"- noise: {each}" for each in bench.warnings)]
    return "\n".join([*markdown_table(headings, rows), "", how(bench), "", *notes]).rstrip() + "\n"


def to_text(bench: BenchResult) -> str:
    """Return the rows in aligned columns, and a sentence on how the files were timed."""
    lines = to_lines(bench)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = [
        "  ".join(
            cell.ljust(width) if place in (0, len(widths) - 1) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    return "\n".join([*(row.rstrip() for row in rows), how(bench)])


def how(bench: BenchResult) -> str:
    """Return a sentence on how the files were timed."""
    cores = ", ".join(map(str, bench.cores))
    where = bench.device or f"core {cores}"
    if isinstance(bench.threads, tuple) or isinstance(bench.batch, tuple):
        processes = f"{counted(bench.processes, 'process')} of each row in turn"
        return f"{where}, {processes}, {bench.seconds:.1f} s in all"
    images = "one image" if bench.batch == 1 else counted(bench.batch, "image")
    times = f"{counted(bench.processes, 'process')} of each file in turn"
    return (
        f"{counted(bench.threads, 'thread')} on {where}, {images} a run, {times},"
        f" {bench.seconds:.1f} s in all"
    )


def _row(timing: Timing) -> tuple[str, ...]:
    latency = timing.latency
    return (
        timing.path,
        f"{latency.median_us:,.1f}",
        f"{latency.p95_us:,.1f}",
        f"{latency.runs:,}",
        *_over_the_first(timing),
    )


def _grid_row(timing: CombinationTiming) -> tuple[str, ...]:
    is_own_first = timing.own_ratio == 1 and timing.own_interval == (1, 1)
    return (
        timing.path,
        f"{timing.latency.threads}",
        f"{timing.batch}",
        f"{timing.us_an_image:,.1f}",
        "1 (first)" if is_own_first else _ratio(timing.own_ratio, timing.own_interval),
        f"{timing.open_ms:,.2f}",
        f"{timing.first_call_ms:,.3f}",
        *_over_the_first(timing),
    )


def _over_the_first(timing: Timing) -> tuple[str, str]:
    if timing.verdict == "first":
        return "1 (first)", ""
    return _ratio(timing.ratio, timing.interval), speed_doubt(timing.interval) or timing.verdict


def _ratio(ratio: float, interval: Interval | None) -> str:
    over = "in one process" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
    return f"{ratio:.3f} ({over})"
