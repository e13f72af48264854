"""A deadline for a process on a busy machine: what it waits for a processor does not count."""

import math
import time
from pathlib import Path

MOST = 5
"""Times the seconds of a deadline after which it has passed, however busy the machine is."""
NANOSECONDS = 1e9


class Deadline:
    """The end of a number of seconds in which a process could run.

    Linux says how long each thread was ready and waited for a processor; where it does not, all
    seconds count.
    """

    def __init__(self, pid: int, seconds: float) -> None:
        self._pid = pid
        self._end = time.monotonic() + seconds
        self._last = self._end + (MOST - 1) * seconds
        self._before = _waits(pid) if math.isfinite(seconds) else {}

    def __call__(self) -> float:
        """Return the deadline as it is now, as ``time.monotonic`` counts."""
        if time.monotonic() < self._end:
            return self._end
        return min(self._end + self._waited_s(), self._last)

    def _waited_s(self) -> float:
        """Return the seconds that the thread which waited longest has waited."""
        now = _waits(self._pid)
        waited = (wait - self._before.get(thread, 0) for thread, wait in now.items())
        return max(waited, default=0) / NANOSECONDS


def _waits(pid: int) -> dict[str, int]:
    """Return the nanoseconds that each thread has waited for a processor."""
    found = {}
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            found[path.parent.name] = int(path.read_text().split()[1])
        except (OSError, IndexError, ValueError):  # The thread has ended, or no kernel of today.
            continue
    return found
