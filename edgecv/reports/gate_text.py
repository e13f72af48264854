"""A gate as a sentence: what was observed, what the limit is, what it allows."""

from collections.abc import Callable

from edgecv.core.plugins import Task
from edgecv.core.quantity import FRACTION
from edgecv.core.report import Gate
from edgecv.evaluation.gates import PROOF
from edgecv.evaluation.limits import all_limits, gate_texts
from edgecv.evaluation.output_differences import OUTPUTS

DIGITS, MOST_DIGITS = 3, 12
LOST = "points lost"
GATES = {
    **gate_texts(),
    "conversion_difference": "largest difference in {output} after conversion",
    "int8_bytes": "bytes",
    "arena_bytes": "bytes of memory as plain C",
    "macs": "multiply-accumulates",
    "parameters": "parameters",
    "speedup": "times faster than the float32 twin",
    "latency_us": "microseconds an image",
    "weights": "fraction of weights that are not the twin's",
    "quantization": "rules of quantization that are broken",
    "ranges": "chance of such ranges after honest calibration",
    "precision": "another precision than it is called",
    "labels": "names in its labels",
    "same_answers": "fraction of images with the answer of this machine",
    PROOF: "accuracy, or the share of one answer,",
}


def gate_sentence(gate: Gate, task: Task) -> str:
    """Return the observed value and the limit of one gate as a sentence."""
    task = task.head_called(gate.head).task if gate.head else task
    if gate.name == OUTPUTS:
        return f"{gate.label}: {gate.reason}"
    if gate.name == "runs":
        return f"{gate.artifact} could not be measured: {gate.reason}"
    if gate.name == PROOF:
        return f"{gate.label} {gate.reason}"
    # A name that is not ours comes from a file: no template.
    observation = (
        GATES[gate.name].format(output=task.terms.output) if gate.name in GATES else gate.name
    )
    if gate.observed is None:
        return f"{gate.label}: {observation} not known, {gate.reason}"
    reason = f" ({gate.reason})" if gate.reason else ""
    observation += f" against the {gate.against}" if gate.against else ""
    if gained := gain_text(observation, gate, number_text):
        return f"{gate.label}: {gained}{reason}"
    observed, limit = _with_distinct_digits(gate)
    return f"{gate.label}: {observation} {observed}, limit {limit}{reason}"


def gain_text(observation: str, gate: Gate, write: Callable[[float], str]) -> str:
    """Return "points gained ..." for points lost that are less than none, and "" for all else."""
    if not observation.startswith(LOST) or gate.observed is None or gate.observed >= 0:
        return ""
    gained = f"points gained{observation.removeprefix(LOST)} {write(-gate.observed)}"
    return f"{gained}, limit {write(gate.limit)} lost"


def _with_distinct_digits(gate: Gate) -> tuple[str, str]:
    """Return observed value and limit, with as many digits as show that one misses the other."""
    observed = (gate.observed or 0.0) + 0.0  # Not minus zero.
    texts = number_text(observed), number_text(gate.limit)
    if gate.outcome == "passed" or texts[0] != texts[1]:
        return texts
    for digits in range(DIGITS + 1, MOST_DIGITS + 1):
        finer = f"{observed:.{digits}g}", f"{gate.limit:.{digits}g}"
        if finer[0] != finer[1]:
            return finer
    return texts


def allowed_text(gate: Gate) -> str:
    """Return what a limit allows, "" for a gate that is no such limit."""
    for key, limit in all_limits().items():
        if limit.allowed and gate.name in (key, *limit.other_gates):
            bound = "" if gate.name == key else " (95% interval)"
            value = gate.limit * 100 if limit.quantity is FRACTION else gate.limit
            text = limit.allowed.format(value, limit=gate.limit)
            return f"{text.replace('points', 'point') if value == 1 else text}{bound}"
    return ""


def number_text(value: float) -> str:
    """Format a number: counts in full, other values with few digits.

    >>> number_text(35_000), number_text(1.7042)
    ('35,000', '1.7')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{DIGITS}g}"
