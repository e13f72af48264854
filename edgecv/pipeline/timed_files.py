"""Latency of files: those of one format are timed in turn, in several fresh processes."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from edgecv.core.artifact import Artifact
from edgecv.core.comparison import Blocks
from edgecv.core.data import Images
from edgecv.core.errors import RuntimeFailure
from edgecv.formats.lookup import runtime_of_format
from edgecv.system.cpu import least_busy
from edgecv.system.isolation import ModelClient

if TYPE_CHECKING:
    from edgecv.pipeline.measure import MeasuredFile

SECONDS_A_FILE = 0.5
"""Time spent on the latency of one file, after its warm-ups."""
PROCESSES = 4
"""Fresh processes in which the files of a format are timed: the interval of a speed-up is over
them. Each takes about half a second more, to start and to warm up. A runtime that loads TensorFlow
is too slow to start: its files are timed in one process, and no interval is claimed."""
LOOK_S = 0.1
"""Time of looking for the least busy cores before each process."""
FEWEST_RUNS = 10
"""Runs of a file in all processes, and its blocks, even where that takes longer."""


class _Named(Protocol):
    """A file that failures are told apart by."""

    @property
    def artifact(self) -> Artifact: ...


F = TypeVar("F", bound=_Named)
T = TypeVar("T")


def timed_together(
    files: Sequence[F], time: Callable[[Sequence[F]], T], failures: dict[str, str]
) -> tuple[list[F], T | None]:
    """Return the files that can be timed, and what ``time`` gives for them together.

    Where it fails, files that fail alone too are added to ``failures``, and the others are timed
    again; where none does, all are. None where no file is left.
    """
    alive = list(files)
    while alive:
        try:
            return alive, time(alive)
        except RuntimeFailure as failure:
            alone = _failing_alone(alive, time) if len(alive) > 1 else {}
            failures |= alone or {file.artifact.path: failure.reason for file in alive}
        alive = [file for file in alive if file.artifact.path not in failures]
    return [], None


def _failing_alone(files: Sequence[F], time: Callable[[Sequence[F]], T]) -> dict[str, str]:
    found = {}
    for file in files:
        try:
            time([file])
        except RuntimeFailure as failure:
            found[file.artifact.path] = failure.reason
    return found


def time_in_turn(
    worker: ModelClient, files: Sequence["MeasuredFile"], image: Images, threads: int
) -> dict[str, tuple[Blocks, ...]]:
    """Time files of one format in turn: by the path of each, its blocks in each process."""
    runtime = runtime_of_format(files[0].artifact.format)
    count = 1 if runtime.needs_tensorflow else PROCESSES
    timed = [_timed(worker, files, image, threads, number, count) for number in range(count)]
    return {file.artifact.path: tuple(each[file.path] for each in timed) for file in files}


def _timed(
    worker: ModelClient,
    files: Sequence["MeasuredFile"],
    image: Images,
    threads: int,
    number: int,
    count: int,
) -> dict[Path, Blocks]:
    """Time files of one format in turn, in process ``number`` of ``count``.

    Each is fresh except for the first; every other one opens and times them in reverse order.
    """
    if number:
        worker.renew()
    some = files if number % 2 == 0 else files[::-1]
    fewest = math.ceil(FEWEST_RUNS / count)
    return worker.time_interleaved(
        [file.path for file in some],
        image,
        budget_s=SECONDS_A_FILE * len(some) / count,
        min_runs=fewest,
        min_blocks=fewest,
        input_specs=[file.input_spec for file in some],
        cores=least_busy(threads, LOOK_S),
    )
