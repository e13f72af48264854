"""Latency and speed-up of runs in interleaved blocks: int64 (blocks, runs a block), in ns."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgecv.core.records import Latency

Blocks = NDArray[np.int64]
RESAMPLES = 1_000
ZONE = 0.03
"""Ratios within 1/1.03 to 1.03 count as the same speed.

Two copies of one file, opened in one process or in two, differ by up to 1.5% for as long as they
stay open, depending on their place in memory: longer measurement does not remove this difference.
"""
QUANTILE = 25
"""Percentile that represents a block. Other programs only make a run longer, so the lower quartile
is less disturbed than the median; the minimum would depend on a single run."""


def summarize(blocks: Blocks, threads: int) -> Latency:
    """Return the median and the 95th percentile over all runs.

    >>> summarize(np.array([[1000, 3000], [2000, 2000]]), threads=1).median_us
    2.0
    """
    return Latency(
        median_us=float(np.median(blocks)) / 1_000,
        p95_us=float(np.percentile(blocks, 95)) / 1_000,
        threads=threads,
        runs=int(blocks.size),
    )


def speedup(twin: Blocks, candidate: Blocks) -> tuple[float, tuple[float, float]]:
    """Return how many times faster the candidate is, with a 95% interval.

    Each block is compared with its neighbour of the other model, so that a machine that slows down
    for a second affects both blocks of a pair; the result is the median over the pairs. The
    interval is a percentile bootstrap over stretches of neighbouring pairs, as slow periods last
    longer than a pair.
    """
    pairs = min(len(twin), len(candidate))
    ratios = block_times(twin)[:pairs] / block_times(candidate)[:pairs]
    medians = np.median(ratios[_stretches(pairs)], axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return float(np.median(ratios)), (float(low), float(high))


def block_times(blocks: Blocks) -> NDArray[np.float64]:
    """Return the time that represents each block: (blocks, runs) -> (blocks,), nanoseconds."""
    times: NDArray[np.float64] = np.percentile(blocks, QUANTILE, axis=1)
    return times


def is_distinguishable(interval: Sequence[float]) -> bool:
    """Return True if an interval of a ratio lies outside of the zone of equal speed.

    >>> is_distinguishable((1.28, 1.31)), is_distinguishable((0.70, 0.80))
    (True, True)
    >>> is_distinguishable((0.98, 1.02)), is_distinguishable((1.02, 1.31))
    (False, False)
    """
    low, high = interval
    return low > 1 + ZONE or high < 1 / (1 + ZONE)


def _stretches(pairs: int) -> NDArray[np.int64]:
    """Return resampled indices, (resamples, pairs): circular stretches of neighbours."""
    length = max(1, math.isqrt(pairs))
    starts = np.random.default_rng(0).integers(
        0, pairs, size=(RESAMPLES, math.ceil(pairs / length), 1)
    )
    places = (starts + np.arange(length)) % pairs
    chosen: NDArray[np.int64] = places.reshape(RESAMPLES, -1)[:, :pairs]
    return chosen
