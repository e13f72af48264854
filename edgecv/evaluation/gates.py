"""Limits on comparisons, and the verdict of a run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from edgecv.core.comparison import Comparison
from edgecv.core.data import Outputs, Targets
from edgecv.core.paired_results import NoWorse
from edgecv.core.plugins import Task
from edgecv.core.report import Gate, Outcome
from edgecv.core.text import counted

ROUNDING = 1e-9
MOST_TIMES = 100
"""Times as many images as there are that somebody could still collect to decide a comparison."""
PROOF = "proof"
NO_BASELINE = "there is no baseline to compare with"
NO_LABELS = "the images have no labels"
NOTHING_JUDGES = (
    "ran, and nothing says whether its answers are right: the images have no labels, and there is"
    " no baseline (--baseline MODEL)"
)
NOT_OF_TASK = "the task has no such figure"


def conversion_gate(comparison: Comparison, limit: float) -> Gate:
    """Fail if a float32 twin's outputs differ from the baseline's on any image."""
    name, path = "conversion_difference", comparison.artifact.path
    observed = comparison.max_probability_difference
    if observed is None:
        return Gate(name, path, limit, None, "inconclusive", NO_BASELINE)
    return most_gate(name, path, limit, observed)


def gates_of_every_run(
    comparisons: Sequence[Comparison], failures: Mapping[str, str], task: Task
) -> list[Gate]:
    """Return the gates of every run: files that failed, conversions of the twins.

    ``failures``: path -> reason. Without a baseline the twins are not checked.
    """
    gates = [failed_file(path, reason) for path, reason in failures.items()]
    if any(each.agreement is not None for each in comparisons):
        twins = (each for each in comparisons if each.is_twin)
        for each in twins:
            gate = conversion_gate(each, task.head_called(each.head).task.conversion_limit)
            gates.append(replace(gate, head=each.head))
    return gates


def proof_gates(path: str, outputs: Outputs, targets: Targets | None, task: Task) -> list[Gate]:
    """Return the gates of a model that all is compared with: can its answers prove anything?

    One a head. ``targets`` are None for images without labels. A task that cannot tell gives none.
    """
    gates = []
    for head in task.heads():
        found = head.task.proof(head.of(outputs), head.targets(targets))
        if found is not None:
            outcome: Outcome = "passed" if found.holds else "inconclusive"
            observed, reason = found.observed, found.reason
            gates.append(Gate(PROOF, path, found.limit, observed, outcome, reason, head.name))
    return gates


def most_gate(name: str, subject: str, limit: float, observed: float) -> Gate:
    """Fail if ``observed`` exceeds ``limit``."""
    passed = observed <= limit + ROUNDING
    return Gate(name, subject, limit, observed, "passed" if passed else "failed")


def speed_gate(comparison: Comparison, limit: float) -> Gate:
    """Fail if the 95% interval of the speed-up over the twin lies below the limit."""
    if comparison.speedup is None or comparison.speedup_interval is None:
        reason = without_interval(comparison)
        return Gate("speedup", comparison.artifact.path, limit, None, "inconclusive", reason)
    reaches = comparison.speedup_interval[1] >= limit
    return Gate(
        "speedup",
        comparison.artifact.path,
        limit,
        comparison.speedup,
        "passed" if reaches else "failed",
    )


def without_interval(comparison: Comparison) -> str:
    """Return the reason why a speed-up has no interval, which a limit needs."""
    return "no twin" if comparison.speedup is None else "timed in one process: no interval"


def latency_gate(comparison: Comparison, limit: float) -> Gate:
    """Fail if a latency in microseconds exceeds the limit; inconclusive if by less than a tenth."""
    if comparison.latency is None:
        path = comparison.artifact.path
        return Gate("latency_us", path, limit, None, "inconclusive", "it was not timed")
    observed = comparison.latency.median_us
    outcome: Outcome = "failed"
    if observed <= limit * 1.1:
        outcome = "passed" if observed <= limit else "inconclusive"
    return Gate("latency_us", comparison.artifact.path, limit, observed, outcome)


def failed_file(path: str, reason: str) -> Gate:
    """Return the failed gate of a file that could not be measured."""
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
    """Return 0 (passed), 1 (a gate failed), 3 (a file was not measured) or 4 (inconclusive)."""
    if any(gate.name == "runs" for gate in gates):
        return 3
    return {"passed": 0, "failed": 1, "inconclusive": 4}[verdict(gates)]


def cannot_tell(found: NoWorse, images: int) -> str:
    """Describe an undecided comparison, with the number of images that it needs.

    >>> cannot_tell(NoWorse(1.0, "cannot tell", 12_345), 5000)
    'cannot tell with 5,000 images, needs about 12,000'
    """
    text = f"cannot tell with {counted(images, 'image')}"
    if found.needed_images is None:
        return f"{text}, nor with any number while the difference is what it is"
    if found.needed_images > MOST_TIMES * images:
        return f"{text}: the difference is too near to the limit"
    return f"{text}, needs about {float(f'{found.needed_images:.2g}'):,.0f}"
