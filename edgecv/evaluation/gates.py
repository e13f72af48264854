"""Limits on comparisons, and the verdict of a run."""

from collections.abc import Iterable, Mapping, Sequence

from edgecv.core.plugins import Task
from edgecv.core.records import Comparison, Gate, Outcome

ROUNDING = 1e-9


def conversion_gate(comparison: Comparison, limit: float) -> Gate:
    """Judge whether a float32 twin computes what the baseline computes, on every image."""
    return at_most(
        "conversion_difference",
        comparison,
        limit,
        comparison.max_probability_difference,
    )


def gates_of_every_run(
    comparisons: Sequence[Comparison], failures: Mapping[str, str], task: Task
) -> list[Gate]:
    """Return the gates that nobody has to ask for: files that failed, conversions of the twins.

    ``failures``: path -> reason. Without a baseline there is nothing to hold a twin against.
    """
    gates = [failed_file(path, reason) for path, reason in failures.items()]
    if any(each.agreement is not None for each in comparisons):
        twins = (each for each in comparisons if each.is_twin)
        gates += [conversion_gate(each, task.conversion_limit) for each in twins]
    return gates


def drop_gate(comparison: Comparison, limit: float) -> Gate:
    """Judge how many percentage points the metric fell below the baseline's (point value)."""
    difference = comparison.difference_points
    return at_most(
        "max_drop_points", comparison, limit, None if difference is None else 0.0 - difference
    )


def most_gate(name: str, subject: str, limit: float, observed: float) -> Gate:
    """Judge whether something that was asked for is no more than that."""
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


def at_most(name: str, comparison: Comparison, limit: float, observed: float | None) -> Gate:
    """Judge what the comparison with the baseline gave; inconclusive where there is none."""
    path = comparison.artifact.path
    if observed is None:
        return Gate(name, path, limit, None, "inconclusive", "there is no baseline to compare with")
    passed = observed <= limit + ROUNDING
    return Gate(name, path, limit, observed, "passed" if passed else "failed")
