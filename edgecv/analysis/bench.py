"""Latency of any set of files, on a machine that may run other processes too.

Each file has its own child process, so that formats can be mixed and a file that crashes affects no
other. All children are pinned to the same cores and take turns, in blocks of some milliseconds.
"""

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgecv.analysis.options import BenchOptions as BenchOptions
from edgecv.core.display import Displayed
from edgecv.core.errors import InputError, RuntimeFailure
from edgecv.core.files import check_regular
from edgecv.core.records import Images, Latency, OnEvent, ignore_event
from edgecv.evaluation.latency import Blocks, block_times, is_distinguishable, speedup, summarize
from edgecv.formats.lookup import device_suffixes, runtime_of_file
from edgecv.pipeline.context import AnalysisContext, open_analysis
from edgecv.pipeline.recipe.parts import RunSettings
from edgecv.system.cpu import Watch, least_busy, processor_seconds, usable
from edgecv.system.isolation import ModelClient
from edgecv.system.isolation.timing import runs_a_block

FEWEST_BLOCKS = 10
MOST_SILENCE_S = 30.0
"""Longest silence of a child, where the budget is not longer."""
SHARE_OF_TIMING = 0.85
"""Share of the remaining budget for timing, once the files are open; the rest is for statistics."""
LEAST_SHARE = 0.2
"""Share of the whole budget that timing gets even if opening took all of it."""
OTHERS_SHARE, STOLEN_SHARE, SPREAD = 0.05, 0.02, 0.25
"""Shares from which other processes, stolen time or the spread of blocks are a warning."""

Verdict = Literal["first", "faster", "slower", "not distinguishable"]


@dataclass(frozen=True)
class Timing:
    """One file compared with the first: ``ratio`` is its time over the first file's."""

    path: str
    latency: Latency
    ratio: float
    interval: tuple[float, float]
    """95% interval of the ratio."""
    verdict: Verdict


@dataclass(frozen=True)
class BenchResult(Displayed):
    """The latencies of some files, and warnings on disturbances."""

    threads: int
    batch: int
    cores: tuple[int, ...]
    """The cores that the timed processes were pinned to."""
    seconds: float
    timings: tuple[Timing, ...]
    failures: dict[str, str]
    """Path -> reason of the files that could not be timed."""
    warnings: tuple[str, ...]
    """A sentence for each disturbance of the timing."""
    schema_version: int = field(default=1)


@dataclass
class _File:
    """A file that is open in its child, and its blocks so far."""

    path: Path
    worker: ModelClient
    median_s: float
    runs: int = 1
    blocks: list[NDArray[np.int64]] = field(default_factory=list)


def bench_files(
    paths: Sequence[Path],
    settings: BenchOptions,
    on_event: OnEvent = ignore_event,
    log: Path | None = None,
) -> BenchResult:
    """Time files in turn on random pixels, and compare each with the first that can be timed.

    A file that cannot be timed is a failure with its reason, and the others are timed. Raises
    InputError for wrong paths, RuntimeFailure where no file can be timed.
    """
    _check(paths, settings)
    with open_analysis(RunSettings(name="bench", threads=settings.threads), on_event, log) as made:
        return time_files(paths, settings, made)


def time_files(
    paths: Sequence[Path], settings: BenchOptions, context: AnalysisContext
) -> BenchResult:
    """Time files that were checked, with a context that the caller has opened."""
    began = time.monotonic()
    cores = least_busy(settings.threads)
    failures: dict[str, str] = {}
    with ExitStack() as stack:
        silence_s = max(MOST_SILENCE_S, settings.budget)
        workers = {
            path: stack.enter_context(
                ModelClient(
                    runtime_of_file(path).name,
                    settings.threads,
                    time_limit_s=silence_s,
                    log=context.log,
                )
            )
            for path in paths
        }
        files = _warmed_up(workers, settings, cores, failures, context)
        watch, started = Watch(usable()), time.monotonic()
        used = _processor_seconds(files)
        left_s = SHARE_OF_TIMING * (settings.budget - (started - began))
        left_s = max(left_s, LEAST_SHARE * settings.budget)
        _time(files, left_s, failures, context)
        warnings = _neighbours(watch, cores, _processor_seconds(files) - used, started)
    timed = [file for file in files if str(file.path) not in failures]
    if not timed:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in failures.items())
        raise RuntimeFailure("bench", f"no file could be timed: {reasons}")
    return BenchResult(
        threads=settings.threads,
        batch=settings.batch,
        cores=tuple(cores),
        seconds=time.monotonic() - began,
        timings=compared({str(file.path): np.array(file.blocks) for file in timed}, settings),
        failures=failures,
        warnings=(*warnings, *_spreads(timed)),
    )


def compared(blocks: dict[str, Blocks], settings: BenchOptions) -> tuple[Timing, ...]:
    """Compare each file's blocks, int64 (blocks, runs), with those of the first."""
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
    if settings.threads > len(usable()):
        raise InputError(
            "--threads",
            f"{settings.threads}",
            accepted=f"1 to {len(usable())}, the cores there are",
        )


def _warmed_up(
    workers: dict[Path, ModelClient],
    settings: BenchOptions,
    cores: Sequence[int],
    failures: dict[str, str],
    context: AnalysisContext,
) -> list[_File]:
    files = []
    generator = np.random.default_rng(0)
    for number, (path, worker) in enumerate(workers.items(), start=1):
        context.emit("warm-up", f"opening and warming up {path}", number, len(workers))
        try:
            shape = worker.open(path).input.shape[1:]
            pixels: Images = generator.integers(0, 256, (settings.batch, *shape), np.uint8)
            files.append(_File(path, worker, worker.warm_up(path, pixels, cores)))
        except RuntimeFailure as failure:
            failures[str(path)] = failure.reason
            worker.close()
    return files


def _time(
    files: Sequence[_File], budget_s: float, failures: dict[str, str], context: AnalysisContext
) -> None:
    """Time the files in turn until the budget is used, at least ``FEWEST_BLOCKS`` each."""
    for file in files:
        file.runs = runs_a_block(file.median_s, budget_s / len(files), FEWEST_BLOCKS, FEWEST_BLOCKS)
    context.emit("latency", f"timing {len(files)} files in turn")
    began, turn = time.monotonic(), 0
    while turn < FEWEST_BLOCKS or time.monotonic() - began < budget_s:
        # Forwards and backwards in turn, so that no file always follows the same other file.
        alive = [file for file in files if str(file.path) not in failures]
        if not alive:
            return
        for file in alive if turn % 2 == 0 else alive[::-1]:
            try:
                file.blocks.append(file.worker.time_block(file.path, file.runs))
            except RuntimeFailure as failure:
                failures[str(file.path)] = failure.reason
        turn += 1


def _processor_seconds(files: Sequence[_File]) -> float:
    return sum(processor_seconds(file.worker.pid) for file in files if file.worker.pid is not None)


def _neighbours(watch: Watch, cores: Sequence[int], own_s: float, started: float) -> list[str]:
    """Return warnings about other processes on the timed cores and on neighbouring ones."""
    seconds = max(time.monotonic() - started, 1e-9)
    loads = watch.load()
    found = []
    here = [loads[core] for core in cores if core in loads]
    where = f"core{'s' if len(cores) > 1 else ''} {', '.join(map(str, cores))}"
    if here:
        own = own_s / seconds / len(here)
        others = sum(each.busy - each.stolen for each in here) / len(here) - own
        if others > OTHERS_SHARE:
            found.append(f"other processes had {others:.0%} of {where}, where files were timed")
        stolen = sum(each.stolen for each in here) / len(here)
        if stolen > STOLEN_SHARE:
            found.append(f"other guests of this machine's host took {stolen:.0%} of {where}")
    beside = [core for core, load in loads.items() if core not in cores and load.busy > 0.5]
    if beside:
        names = ", ".join(map(str, beside))
        found.append(f"core {names} was busy meanwhile: caches and clock are shared with it")
    return found


def _spreads(files: Sequence[_File]) -> list[str]:
    """Return a warning if the blocks of a file vary much, for the file that varies most."""
    spreads = []
    for file in files:
        low, middle, high = np.percentile(block_times(np.array(file.blocks)), [10, 50, 90])
        spreads.append((float((high - low) / middle), str(file.path)))
    worst, path = max(spreads)
    if worst <= SPREAD:
        return []
    return [f"blocks of one file differ by up to {worst:.0%} (10th to 90th percentile; {path})"]
