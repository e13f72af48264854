"""Candidate and baseline image by image, in words: a line an artifact, tables for the curious."""

from collections.abc import Sequence

from edgecv.core.paired_results import (
    ClassDifference,
    Flips,
    NoWorse,
    PairedAccuracy,
    PairedStatistics,
)
from edgecv.core.records import Comparison, Report
from edgecv.evaluation.gates import cannot_tell
from edgecv.reports.markdown_table import markdown_table

MOST_CLASSES = 20
METHOD = (
    "Differences are candidate minus baseline on the same images, with the two-sided 95% score "
    'interval of Tango (1998) for paired proportions; p is the exact McNemar test. "No worse" '
    "is answered by the ends of that interval, so that a yes or a no is wrong in 2.5% of the "
    "cases at most. Of the classes, p is corrected by Holm's method for how many are looked at. "
    "Calibration error: expected calibration error, 15 bins of equal width."
)


def judged(report: Report) -> list[Comparison]:
    """Return the candidates that were compared; the twins where there are only twins."""
    compared = [each for each in report.comparisons if each.statistics is not None]
    return [each for each in compared if not each.is_twin] or compared


def pair_line(comparison: Comparison, classes: Sequence[str]) -> str:
    """Say in one line what the average does not."""
    statistics = comparison.statistics
    if statistics is None:
        return f"{comparison.artifact.path}: no baseline"
    parts = [_accuracy(statistics.accuracy)] if statistics.accuracy else []
    if statistics.accuracy:
        parts.append(no_worse_words(statistics.accuracy.no_worse, statistics.accuracy.images))
    if statistics.classes:
        parts.append(f"worst class {class_words(statistics.classes[0], classes)}")
    if statistics.calibration is not None:
        before, after = statistics.calibration.baseline, statistics.calibration.candidate
        parts.append(f"calibration error {before:.2%} -> {after:.2%}")
    parts.append(_flips(statistics.flips))
    return f"{comparison.artifact.path}: {'; '.join(parts)}"


def no_worse_words(found: NoWorse, images: int) -> str:
    """Answer the question of a margin.

    >>> no_worse_words(NoWorse(1.0, "cannot tell", 12_345), 5000)
    'no worse than 1 point (95%): cannot tell with 5,000 images, needs about 12,000'
    """
    answer = found.answer if found.answer != "cannot tell" else cannot_tell(found, images)
    unit = "point" if found.margin_points == 1 else "points"
    return f"no worse than {found.margin_points:g} {unit} (95%): {answer}"


def class_words(found: ClassDifference, classes: Sequence[str]) -> str:
    """Say how one class did, and whether chance would do the same."""
    words = f"{classes[found.label]} {found.difference_points:+.2f} points"
    if found.is_significant:
        return f"{words} (corrected p = {found.corrected_p_value:.2g})"
    return f"{words}, not distinguishable from chance"


def pair_section(report: Report) -> list[str]:
    """Return the Markdown of all pairs."""
    compared = judged(report)
    if not compared:
        return []
    lines = ["## Image by image against the baseline", ""]
    lines += [f"- {pair_line(each, report.data.classes)}" for each in compared]
    if report.data.has_labels:
        lines += ["", METHOD]
    for each in compared:
        lines += _details(each, report)
    return [*lines, ""]


def _details(comparison: Comparison, report: Report) -> list[str]:
    statistics, classes = comparison.statistics, report.data.classes
    if statistics is None or not statistics.flips.count:
        return []
    lines = ["", f"### {comparison.artifact.path}", ""]
    lines += [f"- {words}" for words in _confusions(statistics, classes)]
    if comparison.flips_picture is not None:
        picture = comparison.flips_picture
        lines += ["", f"![Images with another answer in {comparison.artifact.path}]({picture})"]
    return lines + _class_table(statistics.classes, classes)


def _confusions(statistics: PairedStatistics, classes: Sequence[str]) -> list[str]:
    return [
        f"{classes[each.label]} called {classes[each.answer]}: "
        f"{each.baseline:,} -> {each.candidate:,}"
        for each in statistics.confusion
    ]


def _class_table(found: tuple[ClassDifference, ...], classes: Sequence[str]) -> list[str]:
    if not found:
        return []
    headings = ("class", "images", "wins", "losses", "points", "p", "corrected p")
    rows = [
        (
            classes[each.label],
            f"{each.images:,}",
            f"{each.wins:,}",
            f"{each.losses:,}",
            f"{each.difference_points:+.2f}",
            f"{each.p_value:.2g}",
            f"{each.corrected_p_value:.2g}",
        )
        for each in found[:MOST_CLASSES]
    ]
    left_out = len(found) - len(rows)
    rest = ["", f"The other {left_out:,} classes did better."] if left_out else []
    return ["", *markdown_table(headings, rows), *rest]


def _accuracy(found: PairedAccuracy) -> str:
    low, high = found.interval_points
    return (
        f"{found.wins:,} wins and {found.losses:,} losses of {found.images:,} "
        f"(p = {found.p_value:.2g}), {found.difference_points:+.2f} points "
        f"({low:+.2f} to {high:+.2f})"
    )


def _flips(flips: Flips) -> str:
    return f"{flips.count:,} images with another answer ({flips.fraction:.2%})"
