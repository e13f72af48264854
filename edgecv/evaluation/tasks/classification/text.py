"""Text and tables about the classes of an artifact and its baseline."""

from collections.abc import Sequence

from edgecv.core.paired_results import PairedStatistics
from edgecv.evaluation.group_text import group_sentence

METHOD = (
    "The p values of the classes are corrected by Holm's method for the number of classes. "
    "Calibration error: expected calibration error, 15 bins of equal width."
)


def summary(statistics: PairedStatistics, names: Sequence[str]) -> list[str]:
    """Return the worst class and the calibration errors, for the summary line of an artifact."""
    parts = []
    if statistics.classes:
        parts.append(f"worst class {group_sentence(statistics.classes[0], names)}")
    if statistics.calibration is not None:
        before, after = statistics.calibration.baseline, statistics.calibration.candidate
        parts.append(f"calibration error {before:.2%} -> {after:.2%}")
    return parts


def confusions(statistics: PairedStatistics, names: Sequence[str]) -> list[str]:
    """Return the confusions whose numbers changed most."""
    return [
        f"{names[each.label]} called {names[each.answer]}: {each.baseline:,} -> {each.candidate:,}"
        for each in statistics.confusion
    ]
