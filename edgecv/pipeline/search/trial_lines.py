"""Trials while a search runs: a row of a table, and a line where there is no terminal."""

from collections.abc import Sequence
from typing import Any

from edgecv.core.text import counted
from edgecv.pipeline.search.trial import SearchTrial
from edgecv.reports.markdown_table import markdown_table
from edgecv.reports.ratio_text import measured_speed_text

HEADINGS = ("trial", "recipe", "state", "points", "at worst", "bytes", "speed-up", "verdict")


def row_of(trial: SearchTrial) -> dict[str, str]:
    """Return what is known of a trial on validation images, by heading."""
    figures = trial.figures or trial.screened
    texts = ("-", "-", "-", "-")
    if figures is not None:
        speed = f"{figures.speedup:.2f}" if figures.speedup else "-"
        points = f"{figures.points:+.2f}"
        texts = (points, figures.worst_text, f"{figures.bytes:,}", speed)
    verdict = trial.reason or verdict_of(trial)
    row = (str(trial.number), trial.steps, trial.state, *texts, verdict)
    return dict(zip(HEADINGS, row, strict=True))


def status_text(name: str, trials: Sequence[SearchTrial]) -> str:
    """Return all trials as a table, on validation images."""
    rows = [tuple(row_of(each).values()) for each in trials]
    done = sum(each.state != "proposed" for each in trials)
    head = f"{name}: {done} of {counted(len(trials), 'recipe')} that were proposed are done"
    return "\n".join([head, "", *markdown_table(HEADINGS, rows)]) + "\n"


def status_table(name: str, trials: Sequence[SearchTrial]) -> dict[str, Any]:
    """Return all trials as plain values."""
    return {"name": name, "trials": [each.record() for each in trials]}


def line_of(trial: SearchTrial) -> str:
    """Return a line on a trial that has ended."""
    if trial.state == "failed":
        return f"trial {trial.number}, {trial.steps}: failed: {trial.reason}"
    figures = trial.figures or trial.screened
    assert figures is not None
    kind = "" if trial.figures else ", on a part of the images"
    speed = f", {measured_speed_text(figures.speedup)}" if figures.speedup else ""
    verdict = f": {verdict_of(trial)}" if trial.outcome else ""
    return (
        f"trial {trial.number}{kind}, {trial.steps}: {figures.points:+.2f} points,"
        f" {figures.lost_text}, {figures.bytes:,} bytes{speed}{verdict}"
    )


def verdict_of(trial: SearchTrial) -> str:
    """Return the verdict on a trial, with the limits that it misses; "" without one."""
    missed = f": {'; '.join(trial.missed)}" if trial.missed else ""
    return f"{trial.outcome or ''}{missed}"
