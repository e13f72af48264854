"""Interleaved timing of several models, so that a slow second affects all of them equally.

The module is sent to other machines too: it runs under Python 3.8, with numpy alone.
"""

from __future__ import annotations

import gc
import math
import time
from typing import TYPE_CHECKING, Callable, Sequence

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Call = Callable[[], object]

BLOCK_S = 0.005
RUNS_A_BLOCK = 5
MOST_RUNS_A_BLOCK = 5_000
WARM_UP_RUNS = 50
WARM_UP_S = 0.1
LONGEST_WARM_UP_S = 1.0
STEADY = 0.02
"""Medians of two warm-up blocks that differ by less than this fraction count as steady."""


def warm_up(call: Call, longest_s: float = LONGEST_WARM_UP_S) -> float:
    """Run until two blocks in a row take the same time, and return the median run, in seconds.

    The warm-up ends after ``longest_s`` where the runs are long or their time is never steady.
    """
    began = time.perf_counter()
    call()  # The very first run allocates and packs weights: its time is not representative.
    first = _seconds(_run_block(call, 1))
    runs = RUNS_A_BLOCK if first < longest_s / RUNS_A_BLOCK else 1
    runs = max(runs, min(MOST_RUNS_A_BLOCK, math.ceil(BLOCK_S / first)))
    done, before = 2, math.inf
    while True:
        median = _seconds(_run_block(call, runs))
        done += runs
        spent = time.perf_counter() - began
        steady = abs(median - before) <= STEADY * median
        if spent >= longest_s or (steady and done >= WARM_UP_RUNS and spent >= WARM_UP_S):
            return median
        before = median


def runs_a_block(median_s: float, budget_s: float, min_runs: int, min_blocks: int) -> int:
    """Return the number of runs of a block: about 5 ms and at least 5, within the budget.

    >>> runs_a_block(50e-6, budget_s=0.5, min_runs=10, min_blocks=10)
    100
    >>> runs_a_block(0.003, budget_s=0.5, min_runs=10, min_blocks=10)
    5
    >>> runs_a_block(0.5, budget_s=0.5, min_runs=10, min_blocks=10)
    1
    """
    wanted = min(MOST_RUNS_A_BLOCK, max(RUNS_A_BLOCK, math.ceil(BLOCK_S / median_s)))
    affordable = int(budget_s / (min_blocks * median_s))
    return max(1, math.ceil(min_runs / min_blocks), min(wanted, affordable))


def interleave(
    calls: Sequence[Call], runs: Sequence[int], *, budget_s: float, min_blocks: int
) -> list[NDArray[np.int64]]:
    """Time warm calls in alternating blocks until the budget is used, at least ``min_blocks``.

    Returns, for each call, nanoseconds: int64 (blocks, runs of that call).
    """
    blocks: list[list[list[int]]] = [[] for _ in calls]
    # A collection in the middle of a run would be counted as the model's own time.
    gc.collect()
    gc.disable()
    try:
        began = time.perf_counter()
        turn = 0
        while turn < min_blocks or time.perf_counter() - began < budget_s:
            for index in _turns(len(calls), turn):
                _settle(calls[index], runs[index])
                blocks[index].append(_run_block(calls[index], runs[index]))
            turn += 1
    finally:
        gc.enable()
    return [np.array(each, np.int64) for each in blocks]


def timed_block(call: Call, runs: int) -> NDArray[np.int64]:
    """Time one block of a warm call that another process alternates with: int64 (runs,), ns."""
    gc.disable()
    try:
        _settle(call, runs)
        return np.array(_run_block(call, runs), np.int64)
    finally:
        gc.enable()


def _turns(count: int, turn: int) -> list[int]:
    # Rotated every second turn and reversed every other, so that no model always follows the same
    # neighbour, whose weights are still in the cache: AB BA BA AB, ABC CBA BCA ACB.
    start = turn // 2 % count
    indices = [(start + step) % count for step in range(count)]
    return indices if turn % 2 == 0 else indices[::-1]


def _settle(call: Call, runs: int) -> None:
    # The first runs after a neighbour's meet cold caches and sleeping threads (measured: 3% longer
    # on one thread, four times on two); a model alone on its device does not.
    # In blocks of slow models the effect is negligible, and these runs would cost too much.
    for _ in range(math.ceil(runs / 10) if runs >= RUNS_A_BLOCK else 0):
        call()


def _run_block(call: Call, runs: int) -> list[int]:
    clock = time.perf_counter_ns
    taken = [0] * runs
    for run in range(runs):
        start = clock()
        call()
        taken[run] = clock() - start
    return taken


def _seconds(block: Sequence[int]) -> float:
    return max(float(np.median(block)) / 1e9, 1e-7)
