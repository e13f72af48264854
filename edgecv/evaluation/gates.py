"""Limits on comparisons, and the verdict of a run."""

from collections.abc import Iterable, Sequence

from edgecv.core.paired_results import NoWorse
from edgecv.core.records import Comparison, Gate, Outcome

CONVERSION_LIMIT = 1e-4
"""The most that one probability of a float32 twin may differ from the Keras model's."""
ROUNDING = 1e-9
NO_BASELINE = "there is no baseline to compare with"
NO_LABELS = "the images have no labels"


def conversion_gate(comparison: Comparison) -> Gate:
    """Judge whether a float32 twin computes what the baseline computes, on every image."""
    name, path = "conversion_difference", comparison.artifact.path
    observed = comparison.max_probability_difference
    if observed is None:
        return Gate(name, path, CONVERSION_LIMIT, None, "inconclusive", NO_BASELINE)
    return most_gate(name, path, CONVERSION_LIMIT, observed)


def most_gate(name: str, subject: str, limit: float, observed: float) -> Gate:
    """Fail if ``observed`` exceeds ``limit``."""
    passed = observed <= limit + ROUNDING
    return Gate(name, subject, limit, observed, "passed" if passed else "failed")


def speed_gate(comparison: Comparison, limit: float) -> Gate:
    """Judge a speed-up over the twin: failed where its 95% interval lies below the limit."""
    if comparison.speedup is None or comparison.speedup_interval is None:
        return Gate("speedup", comparison.artifact.path, limit, None, "inconclusive", "no twin")
    reaches = comparison.speedup_interval[1] >= limit
    return Gate(
        "speedup",
        comparison.artifact.path,
        limit,
        comparison.speedup,
        "passed" if reaches else "failed",
    )


def latency_gate(comparison: Comparison, limit: float) -> Gate:
    """Judge a latency in microseconds: what is over by less than a tenth may be this minute's."""
    if comparison.latency is None:
        path = comparison.artifact.path
        return Gate("latency_us", path, limit, None, "inconclusive", "it was not timed")
    observed = comparison.latency.median_us
    outcome: Outcome = "failed"
    if observed <= limit * 1.1:
        outcome = "passed" if observed <= limit else "inconclusive"
    return Gate("latency_us", comparison.artifact.path, limit, observed, outcome)


def failed_file(path: str, reason: str) -> Gate:
    """Say that a file could not be measured at all."""
    return Gate("runs", path, 0.0, None, "failed", reason)


def verdict(gates: Iterable[Gate]) -> Outcome:
    """Return the outcome of a run: the worst of its gates.

    >>> verdict([])
    'passed'
    """
    outcomes = {gate.outcome for gate in gates}
    if "failed" in outcomes:
        return "failed"
    return "inconclusive" if "inconclusive" in outcomes else "passed"


def exit_code(gates: Sequence[Gate]) -> int:
    """Return 0 passed, 1 a gate failed, 3 a file could not be measured, 4 inconclusive."""
    if any(gate.name == "runs" for gate in gates):
        return 3
    return {"passed": 0, "failed": 1, "inconclusive": 4}[verdict(gates)]


def cannot_tell(found: NoWorse, images: int) -> str:
    """Say how many images would tell.

    >>> cannot_tell(NoWorse(1.0, "cannot tell", 12_345), 5000)
    'cannot tell with 5,000 images, needs about 12,000'
    """
    words = f"cannot tell with {images:,} images"
    if found.needed_images is None:
        return f"{words}, nor with any number while the difference is what it is"
    return f"{words}, needs about {float(f'{found.needed_images:.2g}'):,.0f}"
