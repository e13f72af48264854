"""Estimate of the time that a training takes, from the time of one batch."""

import time
from collections.abc import Callable
from typing import Any

from edgecv.core.text import counted

FORWARDS_A_STEP = 3.5
"""A step computes outputs, gradients of twice that cost, and varies the images."""
CALLS, ENOUGH_S = 5, 1.0
"""Calls that are timed at most, and the time in all after which no further one begins."""
MUCH_SLOWER = 1.5
"""Times of a step in 16 bits over that in float32, from which it is no noise."""
MINUTE, HOUR = 60, 3600


def seconds_of(call: Callable[[], Any]) -> float:
    """Return the least time of a few calls, after a first one that compiles.

    One call alone may be waiting for another program: 30 times as long has been seen.
    """
    call()
    times: list[float] = []
    while len(times) < CALLS and sum(times) < ENOUGH_S:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def duration(seconds: float) -> str:
    """Return a rough time in words.

    >>> duration(3.2), duration(96), duration(4000)
    ('5 seconds', '2 minutes', '1.1 hours')
    """
    if seconds < MINUTE:
        return f"{max(5, round(seconds / 5) * 5)} seconds"
    if seconds < HOUR:
        return counted(round(seconds / MINUTE), "minute")
    return f"{seconds / HOUR:.1f} hours"
