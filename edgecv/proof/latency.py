"""What timed runs in interleaved blocks say: int64 (blocks, runs a block), nanoseconds."""

import numpy as np
from numpy.typing import NDArray

from edgecv.records import Latency

Blocks = NDArray[np.int64]
RESAMPLES = 1_000


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

    The interval is a percentile bootstrap over pairs of neighbouring blocks, so that a machine
    that slows down for a second slows both sides of a pair.
    """
    ratio = float(np.median(twin) / np.median(candidate))
    pairs = min(len(twin), len(candidate))
    twin_medians = np.median(twin[:pairs], axis=1)
    candidate_medians = np.median(candidate[:pairs], axis=1)
    chosen = np.random.default_rng(0).integers(0, pairs, size=(RESAMPLES, pairs))
    ratios = np.median(twin_medians[chosen], axis=1) / np.median(candidate_medians[chosen], axis=1)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return ratio, (float(low), float(high))
