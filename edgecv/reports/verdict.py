"""A report in words: one sentence for the run, one for each gate."""

from collections.abc import Sequence

from edgecv.core.records import Comparison, Gate, Report
from edgecv.evaluation.limits import gate_texts

GATE_WORDS = {
    **gate_texts(),
    "conversion_difference": "largest difference in a probability after conversion",
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
    "conversion_difference", "runs", "weights", "quantization", "ranges", "precision", "labels"
)  # fmt: skip
"""Gates that nobody has to ask for."""
FEW = 2


def verdict_line(report: Report) -> str:
    """Return the verdict of a run in one line, or in one a gate where many did not pass."""
    word = report.outcome.upper()
    failed, open_ones = (
        _joined([gate_sentence(gate) for gate in report.gates if gate.outcome == outcome])
        for outcome in ("failed", "inconclusive")
    )
    if failed and open_ones:
        end = "\n" if "\n" in failed else ". "
        return f"{word}: {failed}{end}Inconclusive: {open_ones}"
    if failed or open_ones:
        return f"{word}: {failed or open_ones}"
    candidates = [each for each in report.comparisons if not each.is_twin]
    summary = "; ".join(_candidate(each) for each in candidates or report.comparisons)
    return f"{word}: {summary}. {_limits(report)}{_no_faster(report)}"


def _joined(sentences: Sequence[str]) -> str:
    """Join a few sentences in a line, and give each of many its own.

    >>> _joined(["a", "b"])
    'a; b'
    >>> _joined(["a", "b", "c"])
    '3 gates\\n  a\\n  b\\n  c'
    """
    if len(sentences) <= FEW:
        return "; ".join(sentences)
    return "\n  ".join([f"{len(sentences)} gates", *sentences])


def _no_faster(report: Report) -> str:
    """Say where zeros and shared weights do not change the latency, lest someone expect it."""
    names = {each["technique"] for each in report.recipe.get("technique", ())}
    words = {"prune": "Zeros", "cluster": "Shared weights"}
    found = [words[name] for name in words if name in names]
    if not found:
        return ""
    return (
        f". {' and '.join(found)} make the file smaller where it is compressed (gzip), not faster:"
        " these runtimes compute with them as with any others"
    )


def gate_sentence(gate: Gate) -> str:
    """Say of one gate what was seen and what is allowed."""
    if gate.name == "runs":
        return f"{gate.artifact} could not be measured: {gate.reason}"
    words = GATE_WORDS.get(gate.name, gate.name)
    if gate.observed is None:
        return f"{gate.artifact}: {words} not known, {gate.reason}"
    reason = f" ({gate.reason})" if gate.reason else ""
    observed = gate.observed + 0.0  # Not minus zero.
    return f"{gate.artifact}: {words} {_number(observed)}, limit {_number(gate.limit)}{reason}"


def _number(value: float) -> str:
    """Write counts whole, everything else short.

    >>> _number(35_000), _number(1.7042)
    ('35,000', '1.7')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _candidate(comparison: Comparison) -> str:
    parts = [f"{comparison.metric} {percent(comparison.value, 1)}"]
    if comparison.value is None and comparison.agreement is not None:
        parts.append(f"agreement {comparison.agreement:.1%}")
    if comparison.difference_points is not None:
        parts.append(f"{comparison.difference_points:+.2f} points")
    if comparison.size_ratio is not None and not comparison.is_twin:
        parts.append(f"{comparison.size_ratio:.1f} times smaller")
    if comparison.speedup is not None and not comparison.is_twin:
        parts.append(speed_words(comparison.speedup))
    return f"{comparison.artifact.path} {', '.join(parts)}"


def percent(value: float | None, digits: int = 2) -> str:
    """Write a metric that may not be known.

    >>> percent(0.747), percent(None)
    ('74.70%', 'unknown')
    """
    return "unknown" if value is None else f"{value:.{digits}%}"


def speed_words(speedup: float) -> str:
    """Say a speed-up in words.

    >>> speed_words(0.25)
    '4.0 times slower'
    """
    return f"{speedup:.1f} times faster" if speedup >= 1 else f"{1 / speedup:.1f} times slower"


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
