"""Other readings of a kernel: is it the twin's in another order, or times a factor?"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXPLAINED = 0.02
"""Share of the weights that a cause may leave unexplained."""
STILL_OFF = 0.25
"""Share of the weights that differ which a cause may leave unexplained."""
SMALLEST_GAIN = 1e-3
SAME_GAIN = 0.02
"""Factors that differ by less than this part of them are one."""
SMALLEST = 1e-30
"""Added to divisors: a kernel may be all zeros."""
MOST_NAMED = 4

Reals = NDArray[np.floating[Any]]


def explains(off: NDArray[np.bool_], own: Reals, true: Reals, room: Reals) -> bool:
    """Return True if values are equal in another reading, of which some are ``off`` as they are.

    Nearly all of them, and most of those that were off: a few damaged weights fit any reading.
    """
    left = ~(np.abs(own - true) <= room)
    return bool(np.mean(left) <= EXPLAINED and left.sum() <= STILL_OFF * off.sum())


def and_listed(names: Sequence[str]) -> str:
    """Return names as in a sentence, at most ``MOST_NAMED`` of them."""
    shown = list(names[:MOST_NAMED])
    if len(names) > MOST_NAMED:
        return f"{', '.join(shown)} and {len(names) - MOST_NAMED} more"
    return " and ".join([part for part in (", ".join(shown[:-1]), shown[-1]) if part])
