"""Ratios of sizes and times as text, and what is compared with what."""

from edgecv.core.comparison import Comparison
from edgecv.core.report import Report
from edgecv.evaluation.latency import is_distinguishable
from edgecv.formats.tflite.interpreter import USUAL_KERNELS
from edgecv.formats.tflite.runtime import LiteRT

AS_FAST = "as fast"
INDISTINCT = "its speed is not distinguishable"


def kernels_of(report: Report) -> str:
    """Return the kernels of LiteRT that files ran with; empty for the usual ones."""
    found = str(report.recipe.get("kernels", USUAL_KERNELS))
    if report.deployment is not None and report.deployment.kernels:
        found = report.deployment.kernels
    return "" if found == USUAL_KERNELS else found


def speed_beside_twin(comparison: Comparison, speedup: float, report: Report) -> str:
    """Return a speed-up, with what is compared where that is not the usual.

    The speed-up of a deployed file is that on this machine, by kernels that a target computes as.
    """
    text, there, interval = speed_text(speedup), report.deployment, comparison.speedup_interval
    if text != AS_FAST and interval is not None and not is_distinguishable(interval):
        text = INDISTINCT
    kernels = kernels_of(report) if comparison.runtime == LiteRT.name else ""
    if not kernels and there is None:
        return text
    than = {AS_FAST: "as", INDISTINCT: "from that of"}.get(text, "than")
    both = f", both by LiteRT's {kernels} kernels" if kernels else ""
    where = "" if there is None else " on this machine: a device has other times"
    return f"{text} {than} its float32 twin{both}{where}"


def speed_text(speedup: float) -> str:
    """Return a speed-up as a factor above 1.

    >>> speed_text(0.25), speed_text(0.99)
    ('4.0 times slower', 'as fast')
    """
    return _ratio_text(speedup, "times faster", "times slower", AS_FAST)


def measured_speed_text(speedup: float) -> str:
    """Return a speed-up as a factor above 1 with the two digits of a limit.

    >>> measured_speed_text(0.48), measured_speed_text(3.83)
    ('2.08 times slower', '3.83 times faster')
    """
    return f"{max(speedup, 1 / speedup):.2f} times {'faster' if speedup >= 1 else 'slower'}"


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
