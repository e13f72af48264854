"""Samples of a split: drawn over the whole of it, as files lie in the order of their classes."""

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Targets


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


def balanced_rows(labels: Targets, most: int, seed: int = 0) -> NDArray[np.int64]:
    """Return up to ``most`` rows of labelled images, as many of each class: int64 (N,).

    Labels that are no classes, one number an image, have no shares: rows are drawn over all then.

    >>> labels = np.array([0] * 90 + [1] * 10)
    >>> np.bincount(labels[balanced_rows(labels, 20)]).tolist()
    [10, 10]
    """
    if not _are_classes(labels):
        return sample_rows(len(labels), most, seed)
    classes = np.unique(labels)
    share = -(-most // max(1, len(classes)))
    found = [sample_rows(0, 0)]
    for each in classes:
        rows = np.flatnonzero(labels == each)
        found.append(rows[sample_rows(len(rows), share, seed)])
    return np.random.default_rng(seed).permutation(np.concatenate(found))[:most]


def proportional_rows(labels: Targets, most: int, seed: int = 0) -> NDArray[np.int64]:
    """Return up to ``most`` rows of labelled images, each class with its share: int64 (N,).

    >>> labels = np.array([0] * 90 + [1] * 10)
    >>> np.bincount(labels[proportional_rows(labels, 20)]).tolist()
    [18, 2]
    """
    rows = sample_rows(len(labels), most, seed)
    return np.argsort(labels, kind="stable")[rows] if _are_classes(labels) else rows


def _are_classes(labels: Targets) -> bool:
    """Return True for the number of a class an image."""
    return labels.ndim == 1 and labels.dtype.kind in "iu"
