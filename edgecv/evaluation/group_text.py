"""Sentence and table about groups of images, such as classes, beside the baseline."""

from collections.abc import Callable, Mapping, Sequence

from edgecv.core.paired_results import GroupDifference
from edgecv.core.text import TextTable, counted

MOST_ROWS = 20
Columns = Mapping[str, Callable[[GroupDifference], str]]
"""The cell of a group below each heading."""


def group_sentence(found: GroupDifference, names: Sequence[str]) -> str:
    """Return the points that a group gained, and its significance."""
    text = f"{names[found.label]} {found.difference_points:+.2f} points"
    if found.is_certain:
        return f"{text} (corrected p = {found.corrected_p_value:.2g})"
    return f"{text}, {doubt(found)}"


def doubt(found: GroupDifference) -> str:
    """Return why a difference of a group is not certain."""
    if found.is_significant:
        better = f"better on {counted(found.wins, 'image')}"
        return f"{better} and worse on {found.losses:,}: cannot tell"
    return "not distinguishable from chance"


def group_table(
    found: Sequence[GroupDifference], names: Sequence[str], figure: str, points: str
) -> TextTable | None:
    """Return a row for each class, the worst first; None where none was compared.

    ``figure`` and ``points``: the names of the metric of a class, which some tasks have, and of its
    differences.
    """
    if not found:
        return None
    has_figures = found[0].candidate is not None
    columns = _with_figures(figure, points) if has_figures else _without_figures(points)
    rows = tuple(
        (names[each.label], *(cell(each) for cell in columns.values()))
        for each in found[:MOST_ROWS]
    )
    left_out = len(found) - len(rows)
    below = f"The other {left_out:,} did better." if left_out else ""
    return TextTable(("class", *columns), rows, below)


def _with_figures(figure: str, points: str) -> Columns:
    return {
        "images": lambda each: f"{each.images:,}",
        f"{figure} before": lambda each: f"{each.baseline:.2%}",
        figure: lambda each: f"{each.candidate:.2%}",
        points: lambda each: f"{each.difference_points:+.2f}",
        "better": lambda each: f"{each.wins:,}",
        "worse": lambda each: f"{each.losses:,}",
        "corrected p": lambda each: f"{each.corrected_p_value:.2g}",
    }


def _without_figures(points: str) -> Columns:
    return {
        "images": lambda each: f"{each.images:,}",
        "wins": lambda each: f"{each.wins:,}",
        "losses": lambda each: f"{each.losses:,}",
        points: lambda each: f"{each.difference_points:+.2f}",
        "p": lambda each: f"{each.p_value:.2g}",
        "corrected p": lambda each: f"{each.corrected_p_value:.2g}",
    }
