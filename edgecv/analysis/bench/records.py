"""The records of a bench: what was timed, and what came of it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from edgecv.analysis.options import BenchOptions
from edgecv.core.comparison import Latency
from edgecv.core.display import Displayed
from edgecv.core.text import counted
from edgecv.evaluation.latency import Interval

Verdict = Literal["first", "faster", "slower", "not distinguishable"]


class Combination(NamedTuple):
    """A file with the threads and the images a call that it is timed with."""

    path: Path
    threads: int
    batch: int

    def name(self, settings: BenchOptions) -> str:
        """Return the path, with threads and images a call where there are several of them."""
        if not settings.is_grid:
            return str(self.path)
        return f"{self.path}, {counted(self.threads, 'thread')}, batch {self.batch}"


@dataclass(frozen=True)
class Timing:
    """One file compared with the first: ``ratio`` is its time over the first file's."""

    path: str
    latency: Latency
    ratio: float
    interval: Interval | None
    """95% interval of the ratio, over processes; None where there was only one."""
    verdict: Verdict


@dataclass(frozen=True)
class CombinationTiming(Timing):
    """One file with some threads and images a call, compared with the first file that has both."""

    batch: int
    us_an_image: float
    """Median of a call over the images of a call."""
    own_ratio: float
    """Its time an image over that of the same file's first combination."""
    own_interval: Interval | None
    open_ms: float
    """Median time to open the file where the runtime is loaded and the file is in memory."""
    first_call_ms: float
    """Median time of the first call after that."""


@dataclass(frozen=True)
class BenchResult(Displayed):
    """The latencies of some files, and warnings on disturbances."""

    threads: int | tuple[int, ...]
    """Threads of a runtime; where several were asked for, all of them."""
    batch: int | tuple[int, ...]
    """Images a call; where several were asked for, all of them."""
    cores: tuple[int, ...]
    """The cores that the timed processes were pinned to, over all processes."""
    seconds: float
    timings: tuple[Timing, ...]
    """``CombinationTiming`` where several numbers of threads or images a call were asked for."""
    failures: dict[str, str]
    """Path -> reason of the files that could not be timed."""
    warnings: tuple[str, ...]
    """A sentence for each disturbance of the timing."""
    processes: int = 1
    """Fresh processes of each file."""
    device: str = ""
    """The device that they ran on; empty for this machine."""
    exit_code: int = 0
    """2 if files could not be timed because they do not fit, 3 for any other reason."""
    schema_version: int = field(default=1)
