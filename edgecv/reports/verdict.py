"""The verdict of a report: one sentence for the run, one for each gate."""

from collections.abc import Sequence

from edgecv.core.plugins import SHARED_VALUES, ZEROS, Task
from edgecv.core.records import Comparison, Gate, Report
from edgecv.core.registry import TECHNIQUES
from edgecv.evaluation.limits import gate_texts
from edgecv.evaluation.output_differences import OUTPUTS
from edgecv.evaluation.task_of import task_of

GATES = {
    **gate_texts(),
    "conversion_difference": "largest difference in {output} after conversion",
    "int8_bytes": "bytes",
    "macs": "multiply-accumulates",
    "parameters": "parameters",
    "speedup": "times faster than the float32 twin",
    "latency_us": "microseconds an image",
    "weights": "fraction of weights that are not the twin's",
    "quantization": "rules of quantization that are broken",
    "ranges": "chance of such ranges after honest calibration",
    "precision": "another precision than it is called",
    "labels": "names in its labels",
}
OF_EVERY_RUN = (
    OUTPUTS,
    "conversion_difference", "runs", "weights", "quantization", "ranges", "precision", "labels"
)  # fmt: skip
"""Texts of the gates that are not limits."""
FEW = 2


def verdict_line(report: Report) -> str:
    """Return the verdict of a run in one line, or a line for each gate if many did not pass."""
    word, task = report.outcome.upper(), task_of(report)
    failed, open_ones = (
        _joined([gate_sentence(gate, task) for gate in report.gates if gate.outcome == outcome])
        for outcome in ("failed", "inconclusive")
    )
    if failed and open_ones:
        end = "\n" if "\n" in failed else ". "
        return f"{word}: {failed}{end}Inconclusive: {open_ones}"
    if failed or open_ones:
        return f"{word}: {failed or open_ones}"
    candidates = [each for each in report.comparisons if not each.is_twin]
    summary = "; ".join(_candidate(each, task) for each in candidates or report.comparisons)
    return f"{word}: {summary}. {_limits(report)}{_no_faster(report)}"


def _joined(sentences: Sequence[str]) -> str:
    """Join few sentences in one line, and put many on lines of their own.

    >>> _joined(["a", "b"])
    'a; b'
    >>> _joined(["a", "b", "c"])
    '3 gates\\n  a\\n  b\\n  c'
    """
    if len(sentences) <= FEW:
        return "; ".join(sentences)
    return "\n  ".join([f"{len(sentences)} gates", *sentences])


def _no_faster(report: Report) -> str:
    """Explain that zeros and shared weights do not reduce the latency, where there are any."""
    names = [each["technique"] for each in report.recipe.get("technique", ())]
    made = {each for name in names for each in _made_by(name)}
    subjects = {ZEROS: "Zeros", SHARED_VALUES: "Shared weights"}
    found = [subjects[each] for each in subjects if each in made]
    if not found:
        return ""
    return (
        f". {' and '.join(found)} make the file smaller where it is compressed (gzip), not faster:"
        " these runtimes compute with them as with any others"
    )


def _made_by(name: str) -> frozenset[str]:
    """Return the properties that a technique gives a model; empty if it is not installed."""
    found = TECHNIQUES.classes.get(name)
    return frozenset() if found is None else found.makes


def gate_sentence(gate: Gate, task: Task) -> str:
    """Return the observed value and the limit of one gate as a sentence."""
    if gate.name == OUTPUTS:
        return f"{gate.artifact}: {gate.reason}"
    if gate.name == "runs":
        return f"{gate.artifact} could not be measured: {gate.reason}"
    # A name that is not ours comes from a file: no template.
    observation = (
        GATES[gate.name].format(output=task.terms.output) if gate.name in GATES else gate.name
    )
    if gate.observed is None:
        return f"{gate.artifact}: {observation} not known, {gate.reason}"
    reason = f" ({gate.reason})" if gate.reason else ""
    observed = gate.observed + 0.0  # Not minus zero.
    return (
        f"{gate.artifact}: {observation} {_number(observed)}, limit {_number(gate.limit)}{reason}"
    )


def _number(value: float) -> str:
    """Format a number: counts in full, other values with few digits.

    >>> _number(35_000), _number(1.7042)
    ('35,000', '1.7')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _candidate(comparison: Comparison, task: Task) -> str:
    parts = [f"{comparison.metric} {task.headline.text(comparison.value, 1)}"]
    if comparison.value is None and comparison.agreement is not None:
        parts.append(f"agreement {comparison.agreement:.1%}")
    if comparison.difference_points is not None:
        parts.append(f"{comparison.difference_points:+.2f} points")
    if comparison.size_ratio is not None and not comparison.is_twin:
        parts.append(size_text(comparison.size_ratio))
    if comparison.speedup is not None and not comparison.is_twin:
        parts.append(speed_text(comparison.speedup))
    return f"{comparison.artifact.path} {', '.join(parts)}"


def percent(value: float | None, digits: int = 2) -> str:
    """Format a metric that may be unknown.

    >>> percent(0.747), percent(None)
    ('74.70%', 'unknown')
    """
    return "unknown" if value is None else f"{value:.{digits}%}"


def speed_text(speedup: float) -> str:
    """Return a speed-up as a factor above 1.

    >>> speed_text(0.25), speed_text(0.99)
    ('4.0 times slower', 'as fast')
    """
    return _ratio_text(speedup, "times faster", "times slower", "as fast")


def size_text(ratio: float) -> str:
    """Return a ratio of sizes as a factor above 1.

    >>> size_text(3.7), size_text(0.1)
    ('3.7 times smaller', '10.0 times larger')
    """
    return _ratio_text(ratio, "times smaller", "times larger", "as large")


def _ratio_text(ratio: float, better: str, worse: str, equal: str) -> str:
    if f"{ratio:.1f}" == "1.0":
        return equal
    return f"{ratio:.1f} {better}" if ratio > 1 else f"{1 / ratio:.1f} {worse}"


def _limits(report: Report) -> str:
    for name, bound in (("max_drop_points", ""), ("max_drop_points_bound", " (95% interval)")):
        drops = sorted({gate.limit for gate in report.gates if gate.name == name})
        if drops:
            return f"Allowed: {drops[0]:g} points lost{bound}"
    if any(gate.name not in OF_EVERY_RUN for gate in report.gates):
        return "All limits are held"
    if report.baseline is None:
        return "Nothing was compared: give --baseline for that"
    if not report.data.has_labels:
        return "The images have no labels: no accuracy is known, and no limit on it can be set"
    return "No limit was asked for: set one with --max-drop POINTS"
