"""Distances of an operator's input from its output that let them share memory."""

from collections.abc import Sequence

import numpy as np


def distance(
    rows: Sequence[int], columns: Sequence[int], width: int, read: int, written: int
) -> int:
    """Return the bytes by which the input must lie above an output that is written pixel by pixel.

    ``rows``, ``columns``: by the row and column of an output's pixel, the first that it reads;
    they never decrease. ``width``: the input's. ``read``, ``written``: bytes of a pixel.

    >>> distance([0, 1], [0, 1], 2, 8, 8)  # One after the other: a pixel is read while written.
    8
    """
    first = np.asarray(columns, np.int64)
    written_to = np.arange(1, len(first) + 1, dtype=np.int64) * written
    largest = 0
    for number, row in enumerate(rows):
        following = rows[number + 1] * width if number + 1 < len(rows) else None
        needed = row * width + first
        if following is not None:
            needed = np.minimum(needed, following + first[0])
        behind = number * len(first) * written + written_to - needed * read
        largest = max(largest, int(behind.max()))
    return largest


def elementwise(count: int, read: int, written: int) -> int:
    """Return the same for an operator that reads each element before it writes it."""
    return max(0, count * (written - read))
