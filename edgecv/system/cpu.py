"""The processor of this machine: its cores, their load, its name and instruction sets."""

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

STAT = Path("/proc/stat")
"""Parsed here: psutil omits the numbers of the cores, which shift where one is offline."""
CPU_INFO = Path("/proc/cpuinfo")
"""Parsed here: psutil knows neither the processor's name nor its instruction sets."""
LOOK_S = 0.2
IDLE, WAITING, STOLEN = 3, 4, 7
FIELDS = 8
"""Columns of a core in /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal. The time
of guests is included in user."""


@dataclass(frozen=True)
class Load:
    """The load of a core, as fractions of the observed time."""

    busy: float
    """Used by processes, our own included."""
    stolen: float
    """Taken by other virtual machines on the same host."""


class Watch:
    """Measures the load of some cores from now on."""

    def __init__(self, cores: Sequence[int]) -> None:
        self._cores = cores
        self._before = _ticks()

    def load(self) -> dict[int, Load]:
        """Return the load of each core since the start; empty on other systems than Linux."""
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
    """Return up to ``count`` cores: those with the least load at the moment."""
    cores = usable()
    if count >= len(cores):
        return cores
    watch = Watch(cores)
    time.sleep(look_s)
    loads = watch.load()
    # Of two equally busy cores the last: interrupts go to the first.
    idle_first = sorted(cores, key=lambda core: (loads[core].busy if core in loads else 0.0, -core))
    return sorted(idle_first[:count])


def processor_seconds(pid: int) -> float:
    """Return the processor time used by all threads of a process."""
    import psutil

    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def model_name() -> str:
    """Return the processor's name: ``platform.processor`` is empty on most Linux systems."""
    return _cpu_info("model name") or platform.processor() or platform.machine()


def instructions() -> frozenset[str]:
    """Return the processor's instruction set extensions by their Linux names; none elsewhere."""
    return frozenset((_cpu_info("flags") or _cpu_info("Features")).split())


def _cpu_info(key: str) -> str:
    """Return a value of the first core; empty where there is none, as on other systems."""
    try:
        lines = CPU_INFO.read_text("utf-8").splitlines()
    except OSError:
        return ""
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in pairs if name.strip() == key), "")


def _ticks() -> dict[int, list[int]]:
    try:
        lines = STAT.read_text("utf-8").splitlines()
    except OSError:
        return {}  # Not Linux: the load of a core is not known.
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
