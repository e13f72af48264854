"""Latency of any set of files, on a machine that may run other processes too.

Each file has its own child process, so that formats can be mixed and a file that crashes affects no
other. All children are pinned to the same cores and take turns, in blocks of some milliseconds.
What a process has by chance, such as its place in memory, lasts as long as it: so the processes are
replaced several times, and the intervals are over them. With several numbers of threads or images a
call, each combination of them has its own child, and the start of the file is timed too.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from edgecv.analysis.bench.compare import compared, failure_lines, few_processes
from edgecv.analysis.bench.records import BenchResult as BenchResult
from edgecv.analysis.bench.rounds import Bench
from edgecv.analysis.bench.text import to_markdown
from edgecv.analysis.described_files import check_is_read_as, described_input, report_in
from edgecv.analysis.options import BenchOptions as BenchOptions
from edgecv.analysis.timing_noise import spread_warnings
from edgecv.core.errors import InputError, failure_of_all
from edgecv.core.events import OnEvent, ignore_event
from edgecv.core.files import check_regular, no_file
from edgecv.core.input_spec import DEFAULT_INPUT
from edgecv.core.options import parse_options
from edgecv.formats.lookup import device_suffixes, runtime_of_file
from edgecv.pipeline.context import AnalysisContext, open_analysis
from edgecv.pipeline.recipe.run_settings import RunSettings
from edgecv.system.cpu import usable
from edgecv.system.storage import check_outside_runs, write_bytes

MOST_COMBINATIONS = 64
"""Children that may be open at once: a file, threads and images a call each."""


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
    own = {"name": "bench", "threads": max(settings.threads), "device": settings.device()}
    with open_analysis(parse_options(RunSettings, own, "--on"), on_event, log) as made:
        found = time_files(paths, settings, made)
    if settings.markdown is not None:
        write_bytes(settings.markdown, to_markdown(found).encode())
    return found


def time_files(
    paths: Sequence[Path], settings: BenchOptions, context: AnalysisContext
) -> BenchResult:
    """Time files that were checked, with a context that the caller has opened."""
    from edgecv.analysis.bench.on_device import DeviceBench

    began = time.monotonic()
    device = context.measurements.device
    bench = (Bench if device is None else DeviceBench)(paths, settings, context)
    bench.run()
    timed = {each: bench.blocks[each] for each in bench.alive()}
    failures = failure_lines(bench.failures, bench.combinations, settings)
    if not timed:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in failures.items())
        raise failure_of_all("bench", f"no file could be timed: {reasons}", bench.causes)
    processes = min(map(len, timed.values()))
    return BenchResult(
        threads=settings.threads if settings.is_grid else settings.threads[0],
        batch=settings.batch if settings.is_grid else settings.batch[0],
        cores=bench.disturbances.cores,
        seconds=time.monotonic() - began,
        timings=compared(timed, bench.starts),
        failures=failures,
        warnings=(
            *bench.disturbances.warnings(),
            *spread_warnings({each.name(settings): blocks for each, blocks in timed.items()}),
            *(few_processes(processes, settings) if len(timed) > 1 else ()),
        ),
        processes=processes,
        exit_code=max((each.exit_code for each in bench.causes), default=0),
        device="" if device is None else device.place,
    )


def _check(paths: Sequence[Path], settings: BenchOptions) -> None:
    if not paths:
        raise InputError("FILE", "none given", accepted=f"files in {device_suffixes()}")
    places = [os.path.realpath(path) for path in paths]
    for number, path in enumerate(paths):
        check_regular(path, "FILE")
        if not path.is_file():
            raise no_file("FILE", path)
        if not runtime_of_file(path).runs_on_devices:
            raise InputError(
                str(path), "is not a file for a device", accepted=f"files in {device_suffixes()}"
            )
        if places[number] in places[:number]:
            raise InputError("FILE", f"{path} is given twice", remedy="give a copy of it")
    if settings.input_spec != DEFAULT_INPUT:
        asked = settings.input_spec
        read = [described_input(path, asked, report_in(path.parent)) for path in paths]
        check_is_read_as(asked, read)
    if settings.markdown is not None:
        _check_target(settings.markdown, places)
    if settings.on is None and max(settings.threads) > len(usable()):
        raise InputError(
            "--threads",
            f"{max(settings.threads)}",
            accepted=f"1 to {len(usable())}, the cores there are",
        )
    count = len(paths) * len(settings.threads) * len(settings.batch)
    if settings.is_grid and count > MOST_COMBINATIONS:
        raise InputError(
            "--threads, --batch",
            f"{count} combinations of files, threads and images a call",
            accepted=f"up to {MOST_COMBINATIONS}",
        )


def _check_target(target: Path, places: Sequence[str]) -> None:
    """Raise InputError, before the slow part, if the Markdown cannot be written."""
    if not target.parent.is_dir():
        raise InputError("--markdown", f"there is no folder {target.parent}")
    check_regular(target, "--markdown")
    if os.path.realpath(target) in places:
        raise InputError("--markdown", f"{target} is a file that is timed")
    check_outside_runs(target, "--markdown")
