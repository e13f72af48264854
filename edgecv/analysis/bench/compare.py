"""The comparison of timed files, and what is said of those that could not be timed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from edgecv.analysis.bench.records import Combination, CombinationTiming, Timing, Verdict
from edgecv.analysis.options import BenchOptions
from edgecv.core.artifact import ModelStart
from edgecv.core.comparison import Blocks
from edgecv.evaluation.latency import is_distinguishable, speedup, summarize

ENOUGH_PROCESSES = 5
"""Processes below which a sentence says that the interval is wide."""


def compared(
    blocks: Mapping[Combination, list[Blocks]],
    starts: Mapping[Combination, Sequence[ModelStart]],
) -> tuple[Timing, ...]:
    """Compare the blocks of each file's processes with those of the first.

    With ``starts``, of files that were timed in several combinations: each with the first file of
    the same threads and images a call, and with the same file's first combination.
    """
    firsts: dict[tuple[int, int], Combination] = {}
    own_firsts: dict[Path, Combination] = {}
    timings = []
    for each, own in blocks.items():
        first = firsts.setdefault((each.threads, each.batch), each)
        # How many times faster the first is: how many times longer this one takes.
        ratio, interval = speedup(own, blocks[first])
        verdict: Verdict = "slower" if ratio > 1 else "faster"
        if each == first:
            verdict = "first"
        elif not is_distinguishable(interval):
            verdict = "not distinguishable"
        latency = summarize(own, each.threads)
        timing = Timing(str(each.path), latency, ratio, interval, verdict)
        if each in starts:
            own_first = own_firsts.setdefault(each.path, each)
            calls, calls_interval = speedup(own, blocks[own_first])
            an_image = own_first.batch / each.batch
            low, high = calls_interval or (0.0, 0.0)
            timing = CombinationTiming(
                **vars(timing),
                batch=each.batch,
                us_an_image=latency.median_us / each.batch,
                own_ratio=calls * an_image,
                own_interval=(low * an_image, high * an_image) if calls_interval else None,
                open_ms=1000 * median(start.open_s for start in starts[each]),
                first_call_ms=1000 * median(start.first_call_s for start in starts[each]),
            )
        timings.append(timing)
    return tuple(timings)


def failure_lines(
    failures: Mapping[Combination, str], combinations: Sequence[Combination], settings: BenchOptions
) -> dict[str, str]:
    """Return path -> reason; one line for a file that fails alike in all its combinations."""
    lines: dict[str, str] = {}
    for each, reason in failures.items():
        reasons = {failures.get(other) for other in combinations if other.path == each.path}
        lines[str(each.path) if len(reasons) == 1 else each.name(settings)] = reason
    return lines


def few_processes(processes: int, settings: BenchOptions) -> list[str]:
    """Return a warning where so few processes fit into the budget that intervals are wide."""
    if processes >= ENOUGH_PROCESSES:
        return []
    return [
        f"{processes} processes of each file fit into {settings.budget:g} s: the intervals are"
        " wide; a longer --budget narrows them"
    ]
