"""Meaning of a verdict: limits to what a run that passed proves, and its best files."""

from collections.abc import Iterator

from edgecv.core.comparison import Comparison
from edgecv.core.preprocessing import OTHER_SCORES_BETTER
from edgecv.core.report import Outcome, Report
from edgecv.core.text import counted
from edgecv.datasets.decoded import PERHAPS_TRAINED_ON
from edgecv.evaluation.latency import is_distinguishable
from edgecv.evaluation.task_of import task_of

DROP = "max_drop_points"
MEANINGS: dict[Outcome, str] = {
    "passed": "every limit holds, the files may be shipped",
    "failed": "a limit does not hold, not to be shipped as it is",
    "inconclusive": "it cannot be told whether every limit holds",
}
OTHER = "every limit holds, but other pixels score better: is --preprocess right?"
OPEN = "every limit holds on these images, which are too few to prove it: test more before shipping"
PARTLY_OPEN = "every limit holds on these images, which prove it for some of the files"
SLOWER = "every limit holds, the files may be shipped; none is as fast as its float32 file"
KNOWN = "every limit holds, but the model may have been trained on these images: test others"


def meaning(report: Report) -> str:
    """Return what the outcome of a run means for its files."""
    if report.outcome != "passed":
        return MEANINGS[report.outcome]
    if report.baseline is None:
        return "the files run, and nothing was compared"
    if other_preprocessing(report):
        return OTHER
    files = [each for each in report.comparisons if not each.is_twin]
    if found := open_losses(report):
        return PARTLY_OPEN if len(found) < len(files) else OPEN
    if perhaps_trained_on(report):
        return KNOWN
    return SLOWER if files and all(map(is_slower, files)) else MEANINGS["passed"]


def caveats(report: Report) -> list[str]:
    """Return what the figures of a run do not prove, as sentences."""
    others = other_preprocessing(report)
    more = (unproven(report), perhaps_trained_on(report), slower(report))
    return [*others, *filter(None, more)]


def other_preprocessing(report: Report) -> list[str]:
    """Return the notes on a preprocessing that was asked for, and is not the best."""
    notes = (*report.notes, *report.data.notes)
    return [note for note in notes if OTHER_SCORES_BETTER in note]


def perhaps_trained_on(report: Report) -> str:
    """Return that the model may know the test images, where that is so."""
    if PERHAPS_TRAINED_ON not in report.data.notes:
        return ""
    return f"The test images were drawn from all images: {PERHAPS_TRAINED_ON}"


def unproven(report: Report) -> str:
    """Return that a drop within the limit may be larger for all that the images show, if it may."""
    found = open_losses(report)
    if not found:
        return ""
    (first, (points, images, limit)), *others = sorted(
        found.items(), key=lambda each: each[1], reverse=True
    )
    more = "".join(f", {label} {each:.2f}" for label, (each, *_) in others)
    return (
        f"Not proven: {counted(images, 'image')} cannot rule out that {first} loses"
        f" {points:.2f} points{more} (95% interval); --max-drop {limit:g} --drop-on bound asks for"
        " the proof"
    )


def slower(report: Report) -> str:
    """Return which files take longer than their float32 file, where some do."""
    found = dict.fromkeys(each.artifact.path for each in report.comparisons if is_slower(each))
    if not found or report.deployment is not None:
        return ""
    return (
        f"Slower than the float32 file of the same format: {', '.join(found)};"
        " edgecv doctor FILE looks for the cause, which may be this processor"
    )


def is_slower(comparison: Comparison) -> bool:
    """Return True if a file takes longer than its float32 file by the whole interval."""
    interval = comparison.speedup_interval
    return not comparison.is_twin and is_distinguishable(interval) and max(interval or (1,)) < 1


def open_losses(report: Report) -> dict[str, tuple[float, int, float]]:
    """Return the points that files may lose beyond their limit, the images, and the limit."""
    limits = {gate.label: gate.limit for gate in report.gates if gate.name == DROP}
    found = {}
    for each in report.comparisons:
        statistics = each.against_better.statistics
        difference = None if statistics is None else statistics.difference
        if difference is not None and each.label in limits:
            lost = -difference.interval_points[0]
            if lost > limits[each.label]:
                found[each.label] = (lost, difference.images, limits[each.label])
    return found


def choice(report: Report) -> str:
    """Return which of several files that hold their limits is best at what; empty for one."""
    bad = {gate.artifact for gate in report.gates if gate.outcome != "passed"}
    head, *_ = task_of(report).heads()
    files = [
        each
        for each in report.comparisons
        if not each.is_twin and each.head == head.name and each.artifact.path not in bad
    ]
    if len(files) < 2 or report.deployment is not None:
        return ""
    best: dict[str, list[str]] = {}
    for quality, each in _best(files):
        best.setdefault(each.label, []).append(quality)
    named = [f"{label} is {' and '.join(qualities)}" for label, qualities in best.items()]
    return f"Of the files that hold the limits {', '.join(named)}"


def _best(files: list[Comparison]) -> Iterator[tuple[str, Comparison]]:
    """Yield the smallest file, and the fastest where all were timed and floats are no faster."""
    yield "the smallest", min(files, key=lambda each: each.artifact.bytes)
    times = {each.label: each.latency.median_us for each in files if each.latency is not None}
    if len(times) == len(files):
        fastest = min(files, key=lambda each: times[each.label])
        if not is_slower(fastest):
            yield "the fastest here", fastest
