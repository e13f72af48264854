"""The estimator of a ratio on simulated machines that do other things too."""

import numpy as np
import pytest

from edgecv.evaluation.latency import is_distinguishable, speedup

pytestmark = pytest.mark.quick

PROCESSES, TURNS, RUNS, RUN_NS = 6, 50, 40, 50_000.0
Processes = list[np.ndarray]


def blocks_of_both(seed: int, slower: float, spread: float = 0.0) -> tuple[Processes, Processes]:
    """Return two files' blocks: slow seconds, neighbours that take the core, noisy runs.

    ``spread``: standard deviation of what each process has by chance.
    """
    random = np.random.default_rng(seed)
    both: tuple[Processes, Processes] = ([], [])
    for _ in range(PROCESSES):
        pace = np.ones(TURNS)
        pace[random.integers(0, TURNS) :] *= random.uniform(1.2, 2)
        for blocks, factor in zip(both, (1.0, slower), strict=True):
            times = RUN_NS * factor * np.exp(random.normal(0, spread)) * pace[:, None]
            times = times * random.normal(1, 0.01, (TURNS, RUNS))
            times += RUN_NS * factor * random.exponential(0.05, times.shape)
            taken = random.random(times.shape) < 0.02
            times[taken] += random.uniform(1e6, 4e6, int(taken.sum()))
            blocks.append(times.astype(np.int64))
    return both


@pytest.mark.parametrize(
    ("slower", "with_distinct_names"),
    [(1.0, 0), (1.015, 0), (1 / 1.015, 0), (1.05, 20), (1.3, 20), (1 / 1.3, 20)],
)
def test_copies_are_the_same_and_slower_files_are_with_distinct_digits(
    slower: float, with_distinct_names: int
) -> None:
    found = 0
    for seed in range(20):
        first, other = blocks_of_both(seed, slower)
        ratio, interval = speedup(other, first)
        assert ratio == pytest.approx(slower, rel=0.01)
        found += is_distinguishable(interval)
    assert found == with_distinct_names


@pytest.mark.parametrize("spread", [0.002, 0.01, 0.05])
def test_the_interval_covers_the_ratio_whatever_a_process_has_by_chance(spread: float) -> None:
    """Blocks of one process share its chance: an interval over blocks would be too narrow."""
    covered = 0
    for seed in range(100):
        first, other = blocks_of_both(seed, 1.3, spread)
        _, interval = speedup(other, first)
        assert interval is not None
        covered += interval[0] <= 1.3 <= interval[1]
    assert covered >= 90
