"""The Pareto front of a search: the recipes that no other one beats in all figures."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from edgecv.core.plugins import Task
from edgecv.core.report import Outcome
from edgecv.core.text import counted
from edgecv.evaluation.limits import DEFAULT, NONE, Limits, all_limits, gate_texts
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.search.trial import SearchTrial, TrialFigures
from edgecv.reports.markdown_table import markdown_table
from edgecv.reports.ratio_text import measured_speed_text

T = TypeVar("T")
INDISTINCT = 1.03
"""Ratio of two speeds within which they count as the same."""


@dataclass(frozen=True)
class FrontPoint:
    """A recipe of the front: its trial, and its run on the test images."""

    trial: SearchTrial
    folder: str
    """The folder of the run."""
    figures: TrialFigures
    """Figures on the test images."""
    outcome: Outcome
    """Verdict on the test images."""


@dataclass(frozen=True)
class SearchResult:
    """The result of a search."""

    name: str
    folder: str
    limits: dict[str, Any]
    trials: tuple[SearchTrial, ...]
    front: tuple[FrontPoint, ...]
    nearest: SearchTrial | None
    """The trial that came nearest, where none holds all limits on validation images."""
    notes: tuple[str, ...]

    @property
    def outcome(self) -> Outcome:
        """The best verdict of the front; failed without one."""
        outcomes = {point.outcome for point in self.front}
        order: tuple[Outcome, ...] = ("passed", "inconclusive")
        return next((each for each in order if each in outcomes), "failed")


def front_of(trials: Sequence[SearchTrial]) -> list[SearchTrial]:
    """Return the finished trials that hold all limits and that no other one beats or equals.

    Fewest bytes first. What is beaten only by trials that are beaten themselves stays: times
    within the noise of each other would else rule out a faster file step by step.
    """
    held = [
        (each, each.figures)
        for each in trials
        if each.state == "finished" and each.outcome == "passed" and each.figures is not None
    ]
    kept = list[tuple[SearchTrial, TrialFigures]]()
    for one, own in sorted(held, key=lambda each: _best_first(*each)):
        if not any(dominates(other, own) or _is_equal(other, own) for _, other in kept):
            kept.append((one, own))
    return [one for one, _ in sorted(kept, key=lambda each: (each[1].bytes, each[0].number))]


def _best_first(trial: SearchTrial, figures: TrialFigures) -> tuple[float, int, float, int]:
    return figures.lost_points, figures.bytes, figures.median_us or 0.0, trial.number


def _is_equal(one: TrialFigures, other: TrialFigures) -> bool:
    """Return True for two files of the same quality and bytes, and of speeds that count as such."""
    is_alike = (one.lost_points, one.bytes) == (other.lost_points, other.bytes)
    return is_alike and 1 / INDISTINCT <= _times_faster(one, other) <= INDISTINCT


def _times_faster(one: TrialFigures, other: TrialFigures) -> float:
    """Return how many times faster a file is than another; 1 where times are not known."""
    return 1.0 if not one.median_us or not other.median_us else other.median_us / one.median_us


def dominates(one: TrialFigures, other: TrialFigures) -> bool:
    """Return True if a file is no worse in quality, bytes and speed, and better in one of them."""
    if one.lost_points > other.lost_points or one.bytes > other.bytes:
        return False
    ratio = _times_faster(one, other)
    if ratio < 1 / INDISTINCT:
        return False
    is_better = one.lost_points < other.lost_points or one.bytes < other.bytes
    return is_better or ratio > INDISTINCT


def held_limits(recipe: Recipe) -> dict[str, Any]:
    """Return the limits that trials and front are held to, the default ones too, by key.

    Those of labelled images: others are not searched.
    """
    held = recipe.gates.with_defaults().model_dump(exclude_none=True)
    for key, limit in all_limits().items():
        if held.get(key) == DEFAULT and limit.default is not None:
            is_meant = limit.needs_labels and (key == "max_drop_points" or _has_groups(recipe.task))
            held |= {key: limit.default.value if is_meant else NONE}
    return {key: value for key, value in held.items() if value != NONE}


def _has_groups(task: Task) -> bool:
    """Return True for a task, or one of its heads, that compares classes or labels."""
    return any(type(head.task).groups is not Task.groups for head in task.heads())


def limits_note(recipe: Recipe) -> str:
    """Return a sentence on the limits that were held."""
    texts, given = gate_texts(), {key for key, _, _ in recipe.gates.given()}
    parts = [
        f"{texts[key]} {value:,.10g}{'' if key in given else ' (default)'}"
        for key, value in held_limits(recipe).items()
        if key in texts
    ]
    return f"limits of all trials and of the front: {', '.join(parts) or 'none'}"


def violations(figures: TrialFigures, limits: Limits) -> dict[str, float]:
    """Return how far each limit is exceeded, as a fraction of it; not above 0 where it holds.

    Times are left out: they differ from one measurement to the next.
    """
    found, drop = {}, limits.max_drop_points
    default = all_limits()["max_drop_points"].default
    if isinstance(drop, int | float):
        found["max_drop_points"] = (figures.lost_points - drop) / 100
    elif drop != NONE and default is not None:  # It is held by the drop as it was measured.
        found["max_drop_points"] = (-figures.points - default.value) / 100
    if limits.max_bytes is not None:
        found["max_bytes"] = figures.bytes / limits.max_bytes - 1
    if limits.max_gzip_bytes is not None:
        found["max_gzip_bytes"] = figures.gzip_bytes / limits.max_gzip_bytes - 1
    return found


def exceeded(figures: TrialFigures, limits: Limits) -> float:
    """Return the sum of the fractions by which limits do not hold, without those on times."""
    return sum(max(0.0, each) for each in violations(figures, limits).values())


def exceeded_with_times(figures: TrialFigures, limits: Limits) -> float:
    """Return the sum of the fractions by which limits do not hold, those on times included."""
    found = exceeded(figures, limits)
    if limits.min_speedup is not None and figures.speedup:
        found += max(0.0, limits.min_speedup / figures.speedup - 1)
    if limits.max_latency_us is not None and figures.median_us:
        found += max(0.0, figures.median_us / limits.max_latency_us - 1)
    return found


def nearest(found: Sequence[tuple[T, TrialFigures]], limits: Limits) -> T:
    """Return the one of those found whose figures exceed the limits least: the first of equals."""
    return min(found, key=lambda each: exceeded_with_times(each[1], limits))[0]


def to_markdown(result: SearchResult) -> str:
    """Return the front as a page."""
    tried = [each for each in result.trials if each.state != "proposed"]
    finished = [each for each in tried if each.state == "finished"]
    failed = [each for each in tried if each.state == "failed"]
    lines = [
        f"# {result.name}",
        "",
        f"{counted(len(tried), 'recipe')} tried on validation images:"
        f" {len(finished)} in full, {len(failed)} failed.",
        "",
    ]
    if result.front:
        rows = [_row(point) for point in result.front]
        lines += [*markdown_table(HEADINGS, rows), ""]
    elif result.nearest is not None and result.nearest.figures is not None:
        lines += [f"No recipe holds all limits. {nearest_text(result.nearest)}", ""]
    else:
        lines += ["No recipe was run in full.", ""]
    lines += [f"- {note}" for note in result.notes]
    lines += [f"- trial {each.number} failed: {each.steps}: {each.reason}" for each in failed]
    return "\n".join(lines).rstrip() + "\n"


def nearest_text(trial: SearchTrial) -> str:
    """Return a sentence on the trial that came nearest to the limits."""
    figures = trial.figures
    assert figures is not None
    speed = f", {measured_speed_text(figures.speedup)}" if figures.speedup else ""
    missed = f": {'; '.join(trial.missed)}" if trial.missed else ""
    return (
        f"The nearest, trial {trial.number} ({trial.steps}), {figures.lost_text} points, has"
        f" {figures.bytes:,} bytes{speed}, on {figures.images:,} validation images{missed}"
    )


HEADINGS = (
    "trial",
    "recipe",
    "bytes",
    "points",
    "at worst",
    "median us",
    "speed-up",
    "verdict",
    "points on validation",
)


def to_json(result: SearchResult) -> dict[str, Any]:
    """Return the result as plain values."""
    return {**asdict(result), "outcome": result.outcome}


def exit_code(result: SearchResult) -> int:
    """Return 0 where a recipe of the front has passed, 4 where none is certain, else 1."""
    return {"passed": 0, "failed": 1, "inconclusive": 4}[result.outcome]


def _row(point: FrontPoint) -> tuple[str, ...]:
    own, before = point.figures, point.trial.figures
    return (
        str(point.trial.number),
        point.trial.steps,
        f"{own.bytes:,}",
        f"{own.points:+.2f}",
        own.worst_text,
        "-" if own.median_us is None else f"{own.median_us:.1f}",
        "-" if own.speedup is None else f"{own.speedup:.2f}",
        point.outcome,
        "-" if before is None else f"{before.points:+.2f}",
    )
