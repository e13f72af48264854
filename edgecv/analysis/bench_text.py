"""The text and the JSON of a bench."""

import json
from dataclasses import asdict

from edgecv.analysis.bench import BenchResult, Timing
from edgecv.core.text import counted

HEADINGS = ("file", "median us", "p95 us", "runs", "time over the first (95%)", "verdict")


def to_json(bench: BenchResult) -> str:
    """Return all results as JSON."""
    return json.dumps(asdict(bench), indent=2, allow_nan=False)


def to_lines(bench: BenchResult) -> list[tuple[str, ...]]:
    """Return the headings, and a row for each file."""
    return [HEADINGS, *(_row(each) for each in bench.timings)]


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
    images = "one image" if bench.batch == 1 else counted(bench.batch, "image")
    times = f"{counted(bench.processes, 'process')} of each file in turn"
    return (
        f"{counted(bench.threads, 'thread')} on {where}, {images} a run, {times},"
        f" {bench.seconds:.1f} s in all"
    )


def _row(timing: Timing) -> tuple[str, ...]:
    latency = timing.latency
    is_first = timing.verdict == "first"
    interval = timing.interval
    over = "in one process" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
    return (
        timing.path,
        f"{latency.median_us:,.1f}",
        f"{latency.p95_us:,.1f}",
        f"{latency.runs:,}",
        "1 (first)" if is_first else f"{timing.ratio:.3f} ({over})",
        "" if is_first else timing.verdict,
    )
