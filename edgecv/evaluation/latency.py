"""Latency and speed-up of runs in interleaved blocks, of several processes.

``Blocks`` of one process: int64 (blocks, runs a block), in ns.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgecv.core.comparison import Blocks, Latency

ZONE = 0.03
"""Ratios within 1/1.03 to 1.03 count as the same speed.

Two copies of one file, opened in one process or in two, differ by up to 1.5% for as long as they
stay open, depending on their place in memory: longer measurement does not remove this difference.
"""
QUANTILE = 25
"""Percentile that represents a block. Other programs only make a run longer, so the lower quartile
is less disturbed than the median; the minimum would depend on a single run."""
SPREAD = (5, 25, 75)
"""Percentiles of ``Latency.spread_us``."""
CONFIDENCE = 0.95
FEWEST_PROCESSES = 2
"""Processes from which on there is an interval."""
LEAST_SPREAD = 0.005
"""Standard deviation of the ratio's logarithm between processes, where fewer of them agree better.

Most processes of a quiet machine differ by 0.1%, and one in ten by several percent: four that agree
have met none of these."""
NORMAL_QUANTILE = 1.96
MEDIAN_ERROR = math.sqrt(math.pi / 2)
"""Standard error of a median over that of a mean, for normal values."""
Interval = tuple[float, float]


def summarize(processes: Sequence[Blocks], threads: int) -> Latency:
    """Return the median and other percentiles over all runs.

    >>> summarize([np.array([[1000, 3000], [2000, 2000]])], threads=1).median_us
    2.0
    """
    runs = np.concatenate([blocks.ravel() for blocks in processes])
    return Latency(
        median_us=float(np.median(runs)) / 1_000,
        p95_us=float(np.percentile(runs, 95)) / 1_000,
        threads=threads,
        runs=int(runs.size),
        spread_us=tuple(float(each) / 1_000 for each in np.percentile(runs, SPREAD)),
    )


def speedup(twin: Sequence[Blocks], candidate: Sequence[Blocks]) -> tuple[float, Interval | None]:
    """Return how many times faster the candidate is, with a 95% interval.

    The ratio of one process of each is ``paired_ratio``; the result is the median over the
    processes: one that met a busy neighbour all its life does not move it. What a process has by
    chance, such as its place in memory, lasts as long as it: so the interval is over processes, as
    wide as Student's t makes it for their logarithms, and a single process has none. Few processes
    may agree by chance, so it is never narrower than that of a known spread, ``LEAST_SPREAD``.
    """
    if twin is candidate:
        return 1.0, (1.0, 1.0)
    logs = np.log([paired_ratio(*each) for each in zip(twin, candidate, strict=True)])
    middle = float(np.median(logs))
    if len(logs) < FEWEST_PROCESSES:
        return math.exp(middle), None
    seen = _t_quantile(len(logs) - 1) * float(logs.std(ddof=1))
    half = MEDIAN_ERROR * max(seen, NORMAL_QUANTILE * LEAST_SPREAD) / math.sqrt(len(logs))
    return math.exp(middle), (math.exp(middle - half), math.exp(middle + half))


def paired_ratio(twin: Blocks, candidate: Blocks) -> float:
    """Return how many times faster the candidate is in one process.

    Each block is compared with its neighbour of the other model, so that a machine that slows down
    for a second affects both blocks of a pair; the result is the median over the pairs.
    """
    pairs = min(len(twin), len(candidate))
    return float(np.median(block_times(twin)[:pairs] / block_times(candidate)[:pairs]))


def block_times(blocks: Blocks) -> NDArray[np.float64]:
    """Return the time that represents each block: (blocks, runs) -> (blocks,), nanoseconds."""
    times: NDArray[np.float64] = np.percentile(blocks, QUANTILE, axis=1)
    return times


def is_distinguishable(interval: Sequence[float] | None) -> bool:
    """Return True if an interval of a ratio lies outside of the zone of equal speed.

    >>> is_distinguishable((1.28, 1.31)), is_distinguishable((0.70, 0.80))
    (True, True)
    >>> is_distinguishable((0.98, 1.02)), is_distinguishable((1.02, 1.31)), is_distinguishable(None)
    (False, False, False)
    """
    if interval is None:
        return False
    low, high = interval
    return low > 1 + ZONE or high < 1 / (1 + ZONE)


def _t_quantile(freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
