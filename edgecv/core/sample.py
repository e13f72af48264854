"""Samples of a split: drawn over the whole of it, as files lie in the order of their classes."""

import numpy as np
from numpy.typing import NDArray


def sample_rows(count: int, most: int, seed: int = 0) -> NDArray[np.int64]:
    """Return up to ``most`` of ``count`` rows: int64 (min(count, most),), in random order.

    The rows are cut into ``most`` equal stretches and one row of each is drawn, so that every class
    has its share. The order is random, so that the first rows of a sample are a sample too.

    >>> np.sort(sample_rows(6, 3) // 2).tolist()
    [0, 1, 2]
    """
    size = min(count, most)
    edges = np.arange(size + 1, dtype=np.int64) * count // max(1, size)
    random = np.random.default_rng(seed)
    return random.permutation(random.integers(edges[:-1], edges[1:]))
