"""Scatter plots of quality against bytes and time, as the places that a template draws."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from edgecv.core.comparison import Comparison
from edgecv.core.report import Report
from edgecv.evaluation.task_of import task_of
from edgecv.reports.page.records import Mark, Plot, PlotAxis, TimePlot
from edgecv.reports.ratio_text import size_text, speed_text

WIDTH, HEIGHT = 460, 320
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 14, 46
TICKS = 5
LINE = 15
"""Pixels between two labels."""
FAR = 2.5
"""Lines that a label moves away from its mark before it covers the line of an interval."""
LETTER = 7.2
"""Approximate width of a letter of a label."""
LONGEST_LABEL = 22
FARTHEST = 4
"""Times the slowest third quartile that lines of times are drawn to: longer ones are cut."""


def plots(reports: Sequence[Report]) -> list[Plot]:
    """Return quality against bytes and against time of the files of runs, of one head each."""
    found = [_marks(report, with_twins=len(reports) == 1) for report in reports]
    every = [pair for each in found for pair in each]
    has_points = all(each.difference_points is not None for each, _ in every)
    limit = _limit(reports) if has_points else None
    kinds: tuple[tuple[str, str, Callable[[Comparison], float | None]], ...] = (
        ("Quality and size", "bytes", lambda each: each.artifact.bytes),
        (
            "Quality and time",
            "microseconds for one image, median",
            lambda each: None if each.latency is None else each.latency.median_us,
        ),
    )
    made = []
    for title, unit, value in kinds:
        marks = [
            _mark(each, text, number if len(found) == 1 else series, float(x), has_points)
            for series, pairs in enumerate(found)
            for number, (each, text) in enumerate(pairs)
            if (x := value(each)) is not None and _quality(each, has_points) is not None
        ]
        if marks:
            metric = task_of(reports[0]).headline.name
            quality = f"{metric}, points against the baseline" if has_points else "agreement, %"
            made.append(_plot(title, (unit, quality), marks, has_points, limit))
    return made


def _marks(report: Report, *, with_twins: bool) -> list[tuple[Comparison, str]]:
    """Return files and their texts; the twins of several runs would hide each other."""
    files = [each for each in report.comparisons if with_twins or not each.is_twin]
    return [(each, mark_text(each, report)) for each in files or report.comparisons]


def mark_text(comparison: Comparison, report: Report) -> str:
    """Return a file, its figures and its recipe as one text."""
    task = task_of(report)
    parts = [f"{comparison.metric} {task.headline.text(comparison.value)}"]
    statistics = comparison.statistics
    if comparison.difference_points is not None:
        text = f"{comparison.difference_points:+.2f} points"
        if statistics is not None and statistics.difference is not None:
            low, high = statistics.difference.interval_points
            text += f" ({low:+.2f} to {high:+.2f})"
        parts.append(text)
    parts.append(f"{comparison.artifact.bytes:,} bytes")
    if comparison.size_ratio is not None:
        parts[-1] += f", {size_text(comparison.size_ratio)}"
    if comparison.latency is not None:
        parts.append(f"{comparison.latency.median_us:,.1f} us")
        if comparison.speedup is not None:
            parts[-1] += f", {speed_text(comparison.speedup)}"
    source = "float32 twin" if comparison.is_twin else made_by(comparison, report)
    return f"{report.name}, {comparison.label}: {'; '.join(parts)}. {source}"


def made_by(comparison: Comparison, report: Report) -> str:
    """Return the techniques and the export that made a file."""
    names = [str(each["technique"]) for each in report.recipe.get("technique", ())]
    return " + ".join([*names, f"{comparison.artifact.precision} {comparison.artifact.format}"])


def _quality(comparison: Comparison, has_points: bool) -> float | None:
    if has_points:
        return comparison.difference_points
    return None if comparison.agreement is None else comparison.agreement * 100


def _mark(comparison: Comparison, text: str, series: int, x: float, has_points: bool) -> Mark:
    statistics = comparison.statistics
    difference = None if statistics is None else statistics.difference
    return Mark(
        label=comparison.artifact.path,
        text=text,
        x=x,
        y=_quality(comparison, has_points) or 0.0,
        interval=difference.interval_points if has_points and difference is not None else None,
        is_twin=comparison.is_twin,
        series=series,
    )


def _limit(reports: Sequence[Report]) -> float | None:
    """Return the points that the files may lose, below 0; None where they differ in that."""
    found = {
        gate.limit
        for report in reports
        for gate in report.gates
        if gate.name == "max_drop_points" and not gate.against
    }
    return -found.pop() if len(found) == 1 else None


def _plot(
    title: str, axes: tuple[str, str], marks: Sequence[Mark], has_points: bool, limit: float | None
) -> Plot:
    heights = [each.y for each in marks]
    heights += [end for each in marks for end in each.interval or ()]
    heights += [0.0 if has_points else 100.0, *([] if limit is None else [limit])]
    x = axis_of(axes[0], [0.0, *(each.x * 1.04 for each in marks)], LEFT, WIDTH - RIGHT)
    y = axis_of(axes[1], heights, HEIGHT - BOTTOM, TOP)
    return Plot(title, x, y, tuple(_labelled(marks, x, y)), has_points, limit)


def axis_of(title: str, values: Iterable[float], start: float, end: float) -> PlotAxis:
    """Return an axis that holds values, with round numbers at its ticks."""
    known = list(values)
    low, high = min(known), max(known)
    step = _round_step((high - low or abs(high) or 1.0) / TICKS)
    first, last = math.floor(low / step), math.ceil(high / step)
    last = max(last, first + 1)
    ticks = tuple(number * step for number in range(first, last + 1))
    return PlotAxis(title, ticks[0], ticks[-1], start, end, ticks)


def _round_step(least: float) -> float:
    """Return 1, 2 or 5 times a power of ten that is no smaller.

    >>> _round_step(0.03), _round_step(70_000)
    (0.05, 100000.0)
    """
    power = 10.0 ** math.floor(math.log10(least))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= least * 0.999)


Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""


def _labelled(marks: Sequence[Mark], x: PlotAxis, y: PlotAxis) -> list[Mark]:
    """Return marks with the places of their labels, which cover neither each other nor a mark.

    Lines of intervals are covered only where every other place is far away.
    """
    made: list[Mark] = []
    taken = [_circle(each, x, y) for each in marks]
    lines = [box for each in marks for box in _line(each, x, y)]
    for each in sorted(marks, key=lambda mark: (-mark.y, mark.x)):
        label = each.label
        if len(label) > LONGEST_LABEL:
            label = f"{label[: LONGEST_LABEL - 2]}.."
        places = _places(x.at(each.x), y.at(each.y), LETTER * len(label))
        free = [place for place in places if not _crosses(place[1], taken)]
        near = y.at(each.y) - 3
        is_left, box = min(
            free or places[:1],
            key=lambda place: abs(place[1][3] - near) + FAR * LINE * _crosses(place[1], lines),
        )
        taken.append(box)
        start = box[2] if is_left else box[0]
        made.append(replace(each, label=label, label_x=start, label_y=box[3] - 3, is_left=is_left))
    return made


def _circle(mark: Mark, x: PlotAxis, y: PlotAxis) -> Box:
    """Return the box of a mark."""
    across, down = x.at(mark.x), y.at(mark.y)
    return across - 6, down - 6, across + 6, down + 6


def _line(mark: Mark, x: PlotAxis, y: PlotAxis) -> list[Box]:
    """Return the box of the line of its interval; none where it has no interval."""
    if mark.interval is None:
        return []
    low, high = (y.at(end) for end in mark.interval)
    return [(x.at(mark.x) - 2, high, x.at(mark.x) + 2, low)]


def _places(across: float, down: float, width: float) -> list[tuple[bool, Box]]:
    """Return the places of the label of a mark, the nearest first, with those to its left named."""
    found = []
    for step in (0, 1, -1, 2, -2, 3, -3, 4, -4, 5):
        bottom = down - 3 + step * LINE
        right, left = across + 9, across - 9 - width
        for is_left, start in ((False, right), (True, left)):
            is_inside = start >= LEFT and start + width <= WIDTH - RIGHT
            if is_inside and bottom - LINE >= TOP and bottom <= HEIGHT - BOTTOM:
                found.append((is_left, (start, bottom - LINE, start + width, bottom)))
    side = across + 10 + width > WIDTH - RIGHT
    start = across - 9 - width if side else across + 9
    return [*found, (side, (start, down - 3 - LINE, start + width, down - 3))]


def _crosses(one: Box, others: Sequence[Box]) -> bool:
    """Return True if a box shares a point with another, that of their edges aside."""
    return any(
        one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
        for other in others
    )


def time_plot(report: Report) -> TimePlot | None:
    """Return the spread of the times of each file; None in reports from before."""
    rows = [
        (each.artifact.path, (*spread[:2], latency.median_us, spread[2], latency.p95_us))
        for each in report.files
        if (latency := each.latency) is not None and (spread := latency.spread_us)
    ]
    if not rows:
        return None
    highest = max(times[-1] for _, times in rows)
    # A machine that was busy for a moment would leave nothing to see of the others.
    longest = min(highest, FARTHEST * max(times[3] for _, times in rows))
    axis = axis_of("microseconds", [0.0, longest], 150, WIDTH - RIGHT)
    return TimePlot(axis, tuple(rows), longest)
