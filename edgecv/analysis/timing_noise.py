"""Disturbances of a timing: other processes on the timed cores, busy neighbours, uneven blocks."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from edgecv.core.comparison import Blocks
from edgecv.evaluation.latency import block_times
from edgecv.system.cpu import Load, Watch, processor_seconds, usable

OTHERS_SHARE, STOLEN_SHARE, SPREAD = 0.05, 0.02, 0.25
"""Shares from which other processes, stolen time or the spread of blocks are a warning."""
BUSY_SHARE = 0.5


@dataclass(frozen=True)
class _Watched:
    """The load of all cores while some of them were timed, and the share of our own there."""

    seconds: float
    cores: tuple[int, ...]
    loads: Mapping[int, Load]
    own: float


@dataclass
class Disturbances:
    """The load of the machine while files were timed, in several stretches of time."""

    _stretches: list[_Watched] = field(default_factory=list)

    @contextmanager
    def watched(self, cores: Sequence[int], pids: Sequence[int]) -> Iterator[None]:
        """Watch the machine while the processes ``pids`` are timed on some cores."""
        watch, started = Watch(usable()), time.monotonic()
        used_s = sum(map(processor_seconds, pids))
        yield
        seconds = max(time.monotonic() - started, 1e-9)
        own = (sum(map(_seconds_of, pids)) - used_s) / seconds / max(1, len(cores))
        self._stretches.append(_Watched(seconds, tuple(cores), watch.load(), own))

    @property
    def cores(self) -> tuple[int, ...]:
        """The cores that files were timed on."""
        return tuple(sorted({core for each in self._stretches for core in each.cores}))

    def warnings(self) -> list[str]:
        """Return warnings about other processes on the timed cores and on neighbouring ones."""
        known = [each for each in self._stretches if set(each.cores) & set(each.loads)]
        if not known:
            return []
        seconds = [each.seconds for each in known]
        others = float(np.average([_others(each) for each in known], weights=seconds))
        stolen = float(np.average([_stolen(each) for each in known], weights=seconds))
        where = f"core{'s' if len(self.cores) > 1 else ''} {', '.join(map(str, self.cores))}"
        found = []
        if others > OTHERS_SHARE:
            found.append(f"other processes had {others:.0%} of {where}, where files were timed")
        if stolen > STOLEN_SHARE:
            found.append(f"other guests of this machine's host took {stolen:.0%} of {where}")
        beside = sorted({core for each in known for core in _busy_beside(each)})
        if beside:
            names = ", ".join(map(str, beside))
            found.append(f"core {names} was busy meanwhile: caches and clock are shared with it")
        return found


def spread_warnings(files: Mapping[str, Sequence[Blocks]]) -> list[str]:
    """Return a warning if the blocks of a file vary much, for the file that varies most."""
    spreads = []
    for path, processes in files.items():
        times = np.concatenate([block_times(blocks) for blocks in processes])
        low, middle, high = np.percentile(times, [10, 50, 90])
        spreads.append((float((high - low) / middle), path))
    worst, path = max(spreads)
    if worst <= SPREAD:
        return []
    return [f"blocks of one file differ by up to {worst:.0%} (10th to 90th percentile; {path})"]


def _timed_loads(watched: _Watched) -> list[Load]:
    return [watched.loads[core] for core in watched.cores if core in watched.loads]


def _others(watched: _Watched) -> float:
    loads = _timed_loads(watched)
    return sum(each.busy - each.stolen for each in loads) / len(loads) - watched.own


def _stolen(watched: _Watched) -> float:
    loads = _timed_loads(watched)
    return sum(each.stolen for each in loads) / len(loads)


def _busy_beside(watched: _Watched) -> list[int]:
    return [
        core
        for core, load in watched.loads.items()
        if core not in watched.cores and load.busy > BUSY_SHARE
    ]


def _seconds_of(pid: int) -> float:
    """Return the processor time of a process, 0 where it has died meanwhile."""
    import psutil

    try:
        return processor_seconds(pid)
    except psutil.NoSuchProcess:
        return 0.0
