"""Ratios of sizes and times as text, and what is compared with what."""

from collections.abc import Sequence

from edgecv.core.comparison import Comparison
from edgecv.core.report import Report
from edgecv.evaluation.latency import ZONE, is_distinguishable
from edgecv.formats.tflite.interpreter import USUAL_KERNELS
from edgecv.formats.tflite.runtime import LiteRT

AS_FAST = "as fast"
INDISTINCT = "not distinguishable"
NEARLY = f"may be within {ZONE:.0%}"


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
    text, there = speed_text(speedup), report.deployment
    doubt = "" if text == AS_FAST else speed_doubt(comparison.speedup_interval)
    if doubt:
        text = f"its speed {'is ' * (doubt == INDISTINCT)}{doubt}"
    kernels = kernels_of(report) if comparison.runtime == LiteRT.name else ""
    if not kernels and there is None:
        return text
    than = {INDISTINCT: "from that of", NEARLY: "of that of"}.get(
        doubt, "as" if text == AS_FAST else "than"
    )
    both = f", both by LiteRT's {kernels} kernels" if kernels else ""
    where = "" if there is None else " on this machine: a device has other times"
    return f"{text} {than} its float32 twin{both}{where}"


def speed_doubt(interval: Sequence[float] | None) -> str:
    """Return why a 95% interval of a speed-up shows no difference; empty where it shows one.

    It holds 1, or it reaches into the 3% by which two copies of one file differ.

    >>> speed_doubt((0.98, 1.05)), speed_doubt((1.01, 1.05)), speed_doubt((1.28, 1.31))
    ('not distinguishable', 'may be within 3%', '')
    """
    if interval is None or is_distinguishable(interval):
        return ""
    low, high = interval
    return INDISTINCT if low <= 1 <= high else NEARLY


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
