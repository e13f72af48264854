"""Comparisons against the limits that were asked for: passed, failed or inconclusive."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from edgecv.core.paired_results import NoWorse
from edgecv.core.records import Comparison, Gate, Outcome
from edgecv.evaluation.gates import ROUNDING, at_most, drop_gate, latency_gate, most_gate
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.statistics.binary_scores import no_worse

NO_BASELINE = "there is no baseline to compare with"
NO_LABELS = "the images have no labels"
NOT_OF_TASK = "the task has no such figure"


def judge_limits(
    comparison: Comparison, limits: Limits, *, classes: Sequence[str], machine: str
) -> list[Gate]:
    """Hold one candidate against every limit that is given.

    ``classes``: the names of the classes of the data; ``machine``: this one, as
    ``environment.machine`` calls it.
    """
    judges: dict[str, Callable[[], Gate]] = {
        "max_drop_points": lambda: _drop(comparison, limits),
        "min_agreement": lambda: _agreement(comparison, limits.min_agreement or 0.0),
        "max_flips": lambda: _flips(comparison, limits.max_flips or 0),
        "max_class_drop_points": lambda: _class_drop(
            comparison, limits.max_class_drop_points or 0.0, classes
        ),
        "max_calibration_error_rise": lambda: _calibration(
            comparison, limits.max_calibration_error_rise or 0.0
        ),
        "max_probability_difference": lambda: at_most(
            "max_probability_difference",
            comparison,
            limits.max_probability_difference or 0.0,
            comparison.max_probability_difference,
        ),
        "max_bytes": lambda: _size("max_bytes", comparison, limits.max_bytes or 0),
        "max_gzip_bytes": lambda: _size("max_gzip_bytes", comparison, limits.max_gzip_bytes or 0),
        "min_speedup": lambda: _speedup(comparison, limits.min_speedup or 0.0),
        "max_latency_us": lambda: _latency(comparison, limits, machine),
    }
    return [judge() for name, judge in judges.items() if getattr(limits, name) is not None]


def _drop(comparison: Comparison, limits: Limits) -> Gate:
    limit = limits.max_drop_points or 0.0
    if limits.drop_on != "bound":
        return drop_gate(comparison, limit)
    name, path = "max_drop_points_bound", comparison.artifact.path
    accuracy = None if comparison.statistics is None else comparison.statistics.accuracy
    if accuracy is None:
        return _not_known(name, comparison, limit)
    lost = 0.0 - accuracy.interval_points[0]
    found = no_worse(accuracy.wins, accuracy.losses, accuracy.images, limit)
    outcomes: dict[str, Outcome] = {"yes": "passed", "no": "failed", "cannot tell": "inconclusive"}
    reason = cannot_tell(found, accuracy.images) if found.answer == "cannot tell" else ""
    return Gate(name, path, limit, lost, outcomes[found.answer], reason)


def cannot_tell(found: NoWorse, images: int) -> str:
    """Say how many images would tell.

    >>> cannot_tell(NoWorse(1.0, "cannot tell", 12_345), 5000)
    'cannot tell with 5,000 images, needs about 12,000'
    """
    words = f"cannot tell with {images:,} images"
    if found.needed_images is None:
        return f"{words}, nor with any number while the difference is what it is"
    return f"{words}, needs about {float(f'{found.needed_images:.2g}'):,.0f}"


def _agreement(comparison: Comparison, limit: float) -> Gate:
    observed = comparison.agreement
    if observed is None:
        return _not_known("min_agreement", comparison, limit)
    outcome: Outcome = "passed" if observed >= limit - ROUNDING else "failed"
    return Gate("min_agreement", comparison.artifact.path, limit, observed, outcome)


def _flips(comparison: Comparison, limit: int | float) -> Gate:
    name = "max_flips" if isinstance(limit, int) else "max_flip_fraction"
    if comparison.statistics is None:
        return _not_known(name, comparison, limit)
    flips = comparison.statistics.flips
    observed = flips.count if isinstance(limit, int) else flips.fraction
    return most_gate(name, comparison.artifact.path, limit, observed)


def _class_drop(comparison: Comparison, limit: float, classes: Sequence[str]) -> Gate:
    """Judge the class that lost most: what is over the limit fails where chance cannot be why."""
    name, path = "max_class_drop_points", comparison.artifact.path
    if comparison.statistics is None or not comparison.statistics.classes:
        return _not_known(name, comparison, limit)
    found = comparison.statistics.classes
    over = [each for each in found if -each.difference_points > limit + ROUNDING]
    certain = [each for each in over if each.is_significant]
    worst = (certain or found)[0]
    outcome: Outcome = "failed" if certain else "inconclusive" if over else "passed"
    reason = f"{classes[worst.label]}, {worst.images:,} images"
    if outcome == "inconclusive":
        reason += f", not distinguishable from chance (p = {worst.corrected_p_value:.2g})"
    return Gate(name, path, limit, 0.0 - worst.difference_points, outcome, reason)


def _calibration(comparison: Comparison, limit: float) -> Gate:
    name = "max_calibration_error_rise"
    if comparison.statistics is None or comparison.statistics.calibration is None:
        return _not_known(name, comparison, limit)
    return most_gate(name, comparison.artifact.path, limit, comparison.statistics.calibration.rise)


def _size(name: str, comparison: Comparison, limit: int) -> Gate:
    artifact = comparison.artifact
    observed = artifact.bytes if name == "max_bytes" else artifact.gzip_bytes
    return most_gate(name, artifact.path, limit, observed)


def _speedup(comparison: Comparison, limit: float) -> Gate:
    path = comparison.artifact.path
    if comparison.speedup is None or comparison.speedup_interval is None:
        return Gate("min_speedup", path, limit, None, "inconclusive", "no twin")
    low, high = comparison.speedup_interval
    outcome: Outcome = "passed" if low >= limit else "failed" if high < limit else "inconclusive"
    reason = f"its 95% interval is {low:.2f} to {high:.2f}" if outcome == "inconclusive" else ""
    return Gate("min_speedup", path, limit, comparison.speedup, outcome, reason)


def _latency(comparison: Comparison, limits: Limits, machine: str) -> Gate:
    limit = limits.max_latency_us or 0.0
    if limits.latency_machine not in (None, machine):
        reason = f"the limit is of the machine {limits.latency_machine}, this is {machine}"
        return Gate("max_latency_us", comparison.artifact.path, limit, None, "inconclusive", reason)
    return replace(latency_gate(comparison, limit), name="max_latency_us")


def _not_known(name: str, comparison: Comparison, limit: float) -> Gate:
    reason = NOT_OF_TASK
    if comparison.agreement is None:
        reason = NO_BASELINE
    elif comparison.value is None:
        reason = NO_LABELS
    return Gate(name, comparison.artifact.path, limit, None, "inconclusive", reason)
