"""The report that benchmark_model prints: latency and memory. It is untrusted."""

import re

NUMBER = r"([0-9.]+(?:e[+-]?[0-9]+)?)"
INFERENCE = re.compile(rf"Inference timings in us: .*Inference \(avg\): {NUMBER}")
MEMORY = re.compile(rf"(?:Memory footprint delta|Peak memory footprint)[^\n]*overall={NUMBER}")
LONGEST_US, MOST_MB = 1e9, 1e6


def mean_ns(report: str) -> int | None:
    """Return the mean time of a run in nanoseconds; None where the report has none.

    >>> mean_ns("Inference timings in us: Init: 5, First inference: 9, Inference (avg): 1.2e+03")
    1200000
    """
    found = _number(INFERENCE, report, LONGEST_US)
    return None if found is None else round(found * 1000)


def memory_bytes(report: str) -> int | None:
    """Return the bytes of memory of the model and its run; None where the report has none.

    >>> memory_bytes("Memory footprint delta from the start of the tool (MB): init=1 overall=2.5")
    2621440
    """
    found = _number(MEMORY, report, MOST_MB)
    return None if found is None else round(found * 2**20)


def _number(pattern: re.Pattern[str], report: str, most: float) -> float | None:
    match = pattern.search(report)
    try:
        found = float(match[1]) if match else 0.0
    except ValueError:  # 1.2.3
        return None
    return found if 0 < found <= most else None
