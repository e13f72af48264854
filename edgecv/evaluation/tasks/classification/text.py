"""Text and tables about the classes of an artifact and its baseline."""

from collections.abc import Sequence

from edgecv.core.paired_results import GroupDifference, PairedStatistics
from edgecv.core.text import TextTable, counted

MOST_CLASSES = 20
METHOD = (
    "The p values of the classes are corrected by Holm's method for the number of classes. "
    "Calibration error: expected calibration error, 15 bins of equal width."
)
HEADINGS = ("class", "images", "wins", "losses", "points", "p", "corrected p")


def summary(statistics: PairedStatistics, names: Sequence[str]) -> list[str]:
    """Return the worst class and the calibration errors, for the summary line of an artifact."""
    parts = []
    if statistics.classes:
        parts.append(f"worst class {class_sentence(statistics.classes[0], names)}")
    if statistics.calibration is not None:
        before, after = statistics.calibration.baseline, statistics.calibration.candidate
        parts.append(f"calibration error {before:.2%} -> {after:.2%}")
    return parts


def class_sentence(found: GroupDifference, names: Sequence[str]) -> str:
    """Return the points that a class gained, and its significance."""
    text = f"{names[found.label]} {found.difference_points:+.2f} points"
    if found.is_significant:
        return f"{text} (corrected p = {found.corrected_p_value:.2g})"
    return f"{text}, not distinguishable from chance"


def confusions(statistics: PairedStatistics, names: Sequence[str]) -> list[str]:
    """Return the confusions whose numbers changed most."""
    return [
        f"{names[each.label]} called {names[each.answer]}: {each.baseline:,} -> {each.candidate:,}"
        for each in statistics.confusion
    ]


def class_table(statistics: PairedStatistics, names: Sequence[str]) -> TextTable | None:
    """Return a row for each class, the worst first; None where no class was compared."""
    found = statistics.classes
    if not found:
        return None
    rows = tuple(
        (
            names[each.label],
            f"{each.images:,}",
            f"{each.wins:,}",
            f"{each.losses:,}",
            f"{each.difference_points:+.2f}",
            f"{each.p_value:.2g}",
            f"{each.corrected_p_value:.2g}",
        )
        for each in found[:MOST_CLASSES]
    )
    left_out = len(found) - len(rows)
    below = f"The other {counted(left_out, 'class')} did better." if left_out else ""
    return TextTable(HEADINGS, rows, below)
