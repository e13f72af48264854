"""The peak of resident memory of this process and of its child processes."""

import resource
from pathlib import Path

from edgecv.core.report import MemoryPeaks

KIB = 1024


def peak_memory() -> MemoryPeaks:
    """Return the peaks of this process, over its whole life, and of its largest child."""
    import psutil

    own, ended = (
        resource.getrusage(whose).ru_maxrss * KIB
        for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    alive = [_peak_of(child.pid) for child in psutil.Process().children(recursive=True)]
    return MemoryPeaks(own, max([ended, *alive]))


def _peak_of(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # It has just ended, or this system has no such files.
        return 0
    peaks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peaks[0]) * KIB if peaks else 0
