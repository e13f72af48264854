"""Gates of limits that are more than one comparison of a figure, and of the default limits.

A limit that nobody gave fails only what chance does not explain: few test images are no reason to
call an honest file wrong.
"""

from collections.abc import Callable
from dataclasses import replace

from edgecv.core.comparison import OutputDifference
from edgecv.core.paired_results import GroupDifference
from edgecv.core.report import Gate, Outcome
from edgecv.core.text import counted
from edgecv.evaluation.gates import ROUNDING, cannot_tell, latency_gate, most_gate, without_interval
from edgecv.evaluation.group_text import doubt
from edgecv.evaluation.limit import Judged
from edgecv.evaluation.paired_statistics import no_worse
from edgecv.evaluation.statistics.binary_scores import CONFIDENCE, chance_of_at_most

ONE_IMAGE = "cannot tell with 1 image"
"""The reason of a metric without an interval: one image, whose score is no right or wrong."""


def drop(judged: Judged, limit: float) -> Gate:
    """Check the measured drop of the metric, or the worse end of its interval."""
    comparison = judged.comparison
    if judged.limits.drop_on != "bound":
        name, gained = "max_drop_points", comparison.difference_points
        if gained is None:
            return judged.not_known(name, limit)
        gate = most_gate(name, comparison.artifact.path, limit, 0.0 - gained)
        if gate.outcome == "passed":
            return gate
        return replace(gate, reason=_decided_by_point(judged, limit))
    name, statistics = "max_drop_points_bound", comparison.statistics
    difference = None if statistics is None else statistics.difference
    if difference is None:
        is_one = statistics is not None and comparison.value is not None
        return judged.not_known(name, limit, ONE_IMAGE if is_one else "")
    lost = 0.0 - difference.interval_points[0]
    found = no_worse(difference, limit)
    outcomes: dict[str, Outcome] = {"yes": "passed", "no": "failed", "cannot tell": "inconclusive"}
    reason = cannot_tell(found, difference.images) if found.answer == "cannot tell" else ""
    return judged.gate(name, limit, lost, outcomes[found.answer], reason)


def _decided_by_point(judged: Judged, limit: float) -> str:
    """Return why a drop fails whose interval reaches back to the limit; empty for any other."""
    statistics = judged.comparison.statistics
    difference = None if statistics is None else statistics.difference
    found = None if difference is None else no_worse(difference, limit)
    if difference is None or found is None or found.answer != "cannot tell":
        return ""
    open_text = cannot_tell(found, difference.images)
    return f"the drop as measured decides; its 95% interval {open_text}"


def default_drop(judged: Judged, limit: float) -> Gate:
    """Check the measured drop: over the limit it fails with its whole 95% interval only."""
    gate, statistics = drop(judged, limit), judged.comparison.statistics
    difference = None if statistics is None else statistics.difference
    if gate.outcome != "failed" or judged.limits.drop_on is not None:
        return gate
    if difference is None:
        return replace(gate, outcome="inconclusive", reason=ONE_IMAGE)
    found = no_worse(difference, limit)
    if found.answer == "no":
        return gate
    return replace(gate, outcome="inconclusive", reason=cannot_tell(found, difference.images))


def default_agreement(judged: Judged, limit: float) -> Gate | None:
    """Check the agreement where there are no labels, by the exact binomial test."""
    comparison, name = judged.comparison, "min_agreement"
    observed, statistics = comparison.agreement, comparison.statistics
    if comparison.value is not None or observed is None or statistics is None:
        return None
    if observed >= limit - ROUNDING:
        return judged.gate(name, limit, observed, "passed")
    images = round(statistics.flips.count / statistics.flips.fraction)
    if chance_of_at_most(images - statistics.flips.count, images, limit) < (1 - CONFIDENCE) / 2:
        return judged.gate(name, limit, observed, "failed")
    reason = f"cannot tell with {counted(images, 'image')}"
    return judged.gate(name, limit, observed, "inconclusive", reason)


def flips(judged: Judged, limit: int | float) -> Gate:
    """Check the number of images with another answer, or their fraction."""
    name = "max_flips" if isinstance(limit, int) else "max_flip_fraction"
    if judged.comparison.statistics is None:
        return judged.not_known(name, limit)
    flips = judged.comparison.statistics.flips
    observed = flips.count if isinstance(limit, int) else flips.fraction
    return most_gate(name, judged.comparison.artifact.path, limit, observed)


def class_drop(judged: Judged, limit: float) -> Gate:
    """Check the class with the largest loss: over the limit it fails unless chance explains it."""
    name, statistics = "max_class_drop_points", judged.comparison.statistics
    if statistics is None or not statistics.classes:
        return judged.not_known(name, limit)
    over = _classes_over(judged, limit)
    certain = [each for each in over if each.is_certain]
    unclear = [each for each in over if each.is_significant]
    worst = (certain or unclear or statistics.classes)[0]
    outcome: Outcome = "failed" if certain else "inconclusive" if over else "passed"
    reason = f"{judged.classes[worst.label]}, {counted(worst.images, 'image')}"
    if outcome == "inconclusive":
        reason += f", {doubt(worst)}"
        reason += "" if worst.is_significant else f" (p = {worst.corrected_p_value:.2g})"
    return judged.gate(name, limit, 0.0 - worst.difference_points, outcome, reason)


def default_class_drop(judged: Judged, limit: float) -> Gate:
    """Check the class with the largest loss: a loss that chance explains passes."""
    gate = class_drop(judged, limit)
    is_chance = not any(each.is_significant for each in _classes_over(judged, limit))
    return replace(gate, outcome="passed") if is_chance else gate


def _classes_over(judged: Judged, limit: float) -> list[GroupDifference]:
    """Return the classes that lost more than the limit, the worst first."""
    statistics = judged.comparison.statistics
    found = () if statistics is None else statistics.classes
    return [each for each in found if -each.difference_points > limit + ROUNDING]


def speedup(judged: Judged, limit: float) -> Gate:
    """Check the whole 95% interval of the speed-up over the twin."""
    comparison = judged.comparison
    if comparison.speedup is None or comparison.speedup_interval is None:
        return judged.not_known("min_speedup", limit, without_interval(comparison))
    low, high = comparison.speedup_interval
    outcome: Outcome = "passed" if low >= limit else "failed" if high < limit else "inconclusive"
    reason = f"its 95% interval is {low:.2f} to {high:.2f}" if outcome == "inconclusive" else ""
    return judged.gate("min_speedup", limit, comparison.speedup, outcome, reason)


def latency(judged: Judged, limit: float) -> Gate:
    """Check the median latency, on the machine that the limit is meant for."""
    meant = judged.limits.latency_machine
    if meant not in (None, judged.machine):
        reason = f"the limit is of the machine {meant}, this is {judged.machine}"
        return judged.not_known("max_latency_us", limit, reason)
    return replace(latency_gate(judged.comparison, limit), name="max_latency_us")


def cosine(judged: Judged, limit: float) -> Gate:
    """Check the least cosine similarity of an output."""
    return _worst_output(judged, "min_cosine", limit, lambda each: each.cosine)


def default_cosine(judged: Judged, limit: float) -> Gate | None:
    """Check the least cosine similarity where outputs are compared by numbers."""
    return cosine(judged, limit) if judged.comparison.output_differences else None


def sqnr(judged: Judged, limit: float) -> Gate:
    """Check the least signal to quantization noise ratio of an output, in decibels."""
    return _worst_output(judged, "min_sqnr_db", limit, lambda each: each.sqnr_db)


def difference(judged: Judged, limit: float) -> Gate:
    """Check the largest difference of a number, as a fraction of the range of its output."""
    return _worst_output(judged, "max_difference", limit, lambda each: each.of_range)


def _worst_output(
    judged: Judged, key: str, limit: float, figure: Callable[[OutputDifference], float | None]
) -> Gate:
    """Check the output with the worst figure; an output without one is equal, or constant."""
    differing = [each for each in judged.comparison.output_differences if each.largest]
    if not differing:
        if judged.comparison.output_differences:
            return judged.gate(key, limit, limit, "passed", "no number differs")
        return judged.not_known(key, limit)
    constant = [each for each in differing if figure(each) is None]
    if constant:
        reason = f"{constant[0].name}: the baseline's numbers are all equal, these are not"
        return judged.gate(key, limit, 0.0, "failed", reason)
    is_least = key.startswith("min_")
    pairs = [(figure(each) or 0.0, each.name) for each in differing]
    value, name = min(pairs) if is_least else max(pairs)
    holds = value >= limit - ROUNDING if is_least else value <= limit + ROUNDING
    return judged.gate(key, limit, value, "passed" if holds else "failed", name)
