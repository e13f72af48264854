"""Latency of any set of files, on a machine that may run other processes too.

Each file has its own child process, so that formats can be mixed and a file that crashes affects no
other. All children are pinned to the same cores and take turns, in blocks of some milliseconds.
What a process has by chance, such as its place in memory, lasts as long as it: so the processes are
replaced several times, and the intervals are over them.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from edgecv.analysis.described_files import described_input, report_in
from edgecv.analysis.disturbances import Disturbances, spread_warnings
from edgecv.analysis.options import BenchOptions as BenchOptions
from edgecv.core.display import Displayed
from edgecv.core.errors import InputError, RuntimeFailure, failure_of_all
from edgecv.core.events import OnEvent, ignore_event
from edgecv.core.files import check_regular
from edgecv.core.options import parse_options
from edgecv.core.report import Blocks, Latency
from edgecv.core.text import counted
from edgecv.evaluation.latency import is_distinguishable, speedup, summarize
from edgecv.formats.lookup import device_suffixes, runtime_of_file
from edgecv.pipeline.context import AnalysisContext, open_analysis
from edgecv.pipeline.recipe.parts import RunSettings
from edgecv.system.cpu import least_busy, usable
from edgecv.system.isolation import ModelClient
from edgecv.system.isolation.timing import runs_a_block

FEWEST_PROCESSES = 3
"""Processes of each file, even where they take longer than the budget."""
ENOUGH_PROCESSES = 5
"""Processes below which a sentence says that the interval is wide."""
FEWEST_BLOCKS = 4
"""Blocks of a file in each process."""
MOST_SILENCE_S = 30.0
"""Longest silence of a child, where the budget is not longer."""
LONGEST_WARM_UP_S, SHORTEST_WARM_UP_S = 1.0, 0.1
WARM_UP_SHARE = 0.03
"""Longest warm-up of one file in one process, as a share of the budget."""
TIMING_SHARE = 0.5
"""Timing of a process, as a share of the time that opening has taken."""
LEAST_TIMING_S = 0.03
"""Timing of one file in one process, even where that takes longer than the budget."""
LOOK_S = 0.1
"""Time of looking for the least busy cores before each round."""

Verdict = Literal["first", "faster", "slower", "not distinguishable"]


@dataclass(frozen=True)
class Timing:
    """One file compared with the first: ``ratio`` is its time over the first file's."""

    path: str
    latency: Latency
    ratio: float
    interval: tuple[float, float] | None
    """95% interval of the ratio, over processes; None where there was only one."""
    verdict: Verdict


@dataclass(frozen=True)
class BenchResult(Displayed):
    """The latencies of some files, and warnings on disturbances."""

    threads: int
    batch: int
    cores: tuple[int, ...]
    """The cores that the timed processes were pinned to, over all processes."""
    seconds: float
    timings: tuple[Timing, ...]
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


@dataclass
class _File:
    """A file that is open in its child."""

    path: Path
    worker: ModelClient
    median_s: float
    runs: int = 1
    blocks: list[Blocks] = field(default_factory=list)


@dataclass
class Bench:
    """Files that are timed in rounds, each with fresh processes."""

    paths: Sequence[Path]
    settings: BenchOptions
    context: AnalysisContext
    failures: dict[str, str] = field(default_factory=dict)
    causes: list[RuntimeFailure] = field(default_factory=list)
    blocks: dict[Path, list[Blocks]] = field(default_factory=dict)
    """Blocks of each process of a file."""
    disturbances: Disturbances = field(default_factory=Disturbances)

    def run(self) -> None:
        """Time the files in rounds until the budget is used."""
        began, number, budget_s = time.monotonic(), 0, self.settings.budget
        while self.alive():
            spent = time.monotonic() - began
            if number >= FEWEST_PROCESSES and spent * (number + 1) / number > budget_s:
                return
            needed = max(1, FEWEST_PROCESSES - number)
            self.round(number, (budget_s - spent) / needed)
            number += 1

    def drop(self, path: Path, failure: RuntimeFailure) -> None:
        """Leave a file out that cannot be timed."""
        self.failures[str(path)] = failure.reason
        self.causes.append(failure)

    def alive(self) -> list[Path]:
        """Return the files that are timed."""
        return [path for path in self.paths if str(path) not in self.failures]

    def round(self, number: int, most_s: float) -> None:
        """Open the files in fresh processes and time them, for half as long as opening has taken.

        More processes say more than longer ones. Every other round opens them in reverse order.
        """
        began, cores = time.monotonic(), least_busy(self.settings.threads, LOOK_S)
        paths = self.alive()[:: 1 if number % 2 == 0 else -1]
        self.context.emit("latency", f"timing {counted(len(paths), 'file')} in turn", number + 1)
        with self._fresh(paths) as workers:
            files = self._warmed_up(workers, cores)
            opening_s = time.monotonic() - began
            budget_s = min(TIMING_SHARE * opening_s, most_s - opening_s)
            pids = [file.worker.pid for file in files if file.worker.pid is not None]
            with self.disturbances.watched(cores, pids):
                self._time(files, max(budget_s, LEAST_TIMING_S * len(files)))
        for file in files:
            if str(file.path) not in self.failures:
                self.blocks.setdefault(file.path, []).append(np.array(file.blocks))

    @contextmanager
    def _fresh(self, paths: Sequence[Path]) -> Iterator[dict[Path, ModelClient]]:
        silence_s = max(MOST_SILENCE_S, self.settings.budget)
        with ExitStack() as stack:
            yield {
                path: stack.enter_context(
                    ModelClient(
                        runtime_of_file(path).name,
                        self.settings.threads,
                        time_limit_s=silence_s,
                        log=self.context.log,
                    )
                )
                for path in paths
            }

    def _warmed_up(self, workers: dict[Path, ModelClient], cores: Sequence[int]) -> list[_File]:
        files = []
        longest_s = WARM_UP_SHARE * self.settings.budget
        for path, worker in workers.items():
            try:
                median_s = worker.warm_up_random(
                    path,
                    batch=self.settings.batch,
                    input_spec=described_input(
                        path, self.settings.input_spec, report_in(path.parent)
                    ),
                    cores=cores,
                    longest_s=min(max(longest_s, SHORTEST_WARM_UP_S), LONGEST_WARM_UP_S),
                )
                files.append(_File(path, worker, median_s))
            except RuntimeFailure as failure:
                self.drop(path, failure)
                worker.close()
        return files

    def _time(self, files: Sequence[_File], budget_s: float) -> None:
        """Time the files in turn until the budget is used, at least ``FEWEST_BLOCKS`` each."""
        for file in files:
            share_s = budget_s / len(files)
            file.runs = runs_a_block(file.median_s, share_s, FEWEST_BLOCKS, FEWEST_BLOCKS)
        began, turn = time.monotonic(), 0
        while turn < FEWEST_BLOCKS or time.monotonic() - began < budget_s:
            # Forwards and backwards in turn, so that no file always follows the same other file.
            alive = [file for file in files if str(file.path) not in self.failures]
            if not alive:
                return
            for file in alive if turn % 2 == 0 else alive[::-1]:
                try:
                    file.blocks.append(file.worker.time_block(file.path, file.runs))
                except RuntimeFailure as failure:
                    self.drop(file.path, failure)
            turn += 1


def bench_files(
    paths: Sequence[Path],
    settings: BenchOptions,
    on_event: OnEvent = ignore_event,
    log: Path | None = None,
) -> BenchResult:
    """Time files in turn on random values of their inputs, and compare each with the first.

    A file that cannot be timed is a failure with its reason, and the others are timed. Raises
    InputError for wrong paths, RuntimeFailure where no file can be timed.
    """
    _check(paths, settings)
    own = {"name": "bench", "threads": settings.threads, "device": settings.device()}
    with open_analysis(parse_options(RunSettings, own, "--on"), on_event, log) as made:
        return time_files(paths, settings, made)


def time_files(
    paths: Sequence[Path], settings: BenchOptions, context: AnalysisContext
) -> BenchResult:
    """Time files that were checked, with a context that the caller has opened."""
    from edgecv.analysis.bench_on_device import DeviceBench

    began = time.monotonic()
    device = context.measurements.device
    bench = (Bench if device is None else DeviceBench)(paths, settings, context)
    bench.run()
    timed = {str(path): bench.blocks[path] for path in paths if str(path) not in bench.failures}
    if not timed:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in bench.failures.items())
        raise failure_of_all("bench", f"no file could be timed: {reasons}", bench.causes)
    processes = min(map(len, timed.values()))
    return BenchResult(
        threads=settings.threads,
        batch=settings.batch,
        cores=bench.disturbances.cores,
        seconds=time.monotonic() - began,
        timings=compared(timed, settings),
        failures=bench.failures,
        warnings=(
            *bench.disturbances.warnings(),
            *spread_warnings(timed),
            *(_few_processes(processes, settings) if len(timed) > 1 else ()),
        ),
        processes=processes,
        exit_code=max((each.exit_code for each in bench.causes), default=0),
        device="" if device is None else device.place,
    )


def compared(blocks: dict[str, list[Blocks]], settings: BenchOptions) -> tuple[Timing, ...]:
    """Compare the blocks of each file's processes with those of the first."""
    first = next(iter(blocks))
    timings = []
    for path, own in blocks.items():
        # How many times faster the first is: how many times longer this one takes.
        ratio, interval = speedup(own, blocks[first])
        verdict: Verdict = "slower" if ratio > 1 else "faster"
        if path == first:
            verdict = "first"
        elif not is_distinguishable(interval):
            verdict = "not distinguishable"
        timings.append(Timing(path, summarize(own, settings.threads), ratio, interval, verdict))
    return tuple(timings)


def _few_processes(processes: int, settings: BenchOptions) -> list[str]:
    if processes >= ENOUGH_PROCESSES:
        return []
    return [
        f"{processes} processes of each file fit into {settings.budget:g} s: the intervals are"
        " wide; a longer --budget narrows them"
    ]


def _check(paths: Sequence[Path], settings: BenchOptions) -> None:
    if not paths:
        raise InputError("FILE", "none given", accepted=f"files in {device_suffixes()}")
    places = [os.path.realpath(path) for path in paths]
    for number, path in enumerate(paths):
        check_regular(path, "FILE")
        if not path.is_file():
            raise InputError("FILE", f"there is no file {path}")
        if not runtime_of_file(path).runs_on_devices:
            raise InputError(
                str(path), "is not a file for a device", accepted=f"files in {device_suffixes()}"
            )
        if places[number] in places[:number]:
            raise InputError("FILE", f"{path} is given twice", remedy="give a copy of it")
    if settings.on is None and settings.threads > len(usable()):
        raise InputError(
            "--threads",
            f"{settings.threads}",
            accepted=f"1 to {len(usable())}, the cores there are",
        )
