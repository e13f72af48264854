"""The cores of this machine: which are least busy, and what else ran on them meanwhile."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")
LOOK_S = 0.2
IDLE, WAITING, STOLEN = 3, 4, 7
FIELDS = 8
"""Of a core in /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal. Guests' time is
in user already."""


@dataclass(frozen=True)
class Load:
    """What cores did in some time, each as a fraction of it, of the average core."""

    busy: float
    """Of all processes, our own included."""
    stolen: float
    """Taken by other guests of the machine that this one runs on."""


class Watch:
    """Sees what some cores do from now on."""

    def __init__(self, cores: Sequence[int]) -> None:
        self._cores = cores
        self._before = _ticks()

    def load(self) -> dict[int, Load]:
        """Return what each core has done since the watch began; nothing where Linux is not."""
        after = _ticks()
        return {
            core: _load([b - a for a, b in zip(self._before[core], after[core], strict=True)])
            for core in self._cores
            if core in after and core in self._before
        }


def usable() -> list[int]:
    """Return the numbers of the cores that this process may use."""
    return sorted(os.sched_getaffinity(0))


def least_busy(count: int, look_s: float = LOOK_S) -> list[int]:
    """Return as many cores as asked for, or all: those that had least to do just now."""
    cores = usable()
    if count >= len(cores):
        return cores
    watch = Watch(cores)
    time.sleep(look_s)
    loads = watch.load()
    # Where two are as busy, the last: the first is the one that interrupts go to.
    order = sorted(cores, key=lambda core: (loads[core].busy if core in loads else 0.0, -core))
    return sorted(order[:count])


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    return (user + system) / os.sysconf("SC_CLK_TCK")


def _ticks() -> dict[int, list[int]]:
    try:
        lines = STAT.read_text("utf-8").splitlines()
    except OSError:
        return {}  # Not Linux: nobody says what a core does.
    found = {}
    for line in lines:
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu":
            found[int(name[3:])] = [int(each) for each in fields[:FIELDS]]
    return found


def _load(ticks: Sequence[int]) -> Load:
    total = max(1, sum(ticks))
    idle = ticks[IDLE] + ticks[WAITING]
    return Load(busy=(total - idle) / total, stolen=ticks[STOLEN] / total)
