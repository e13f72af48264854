"""The estimator of a ratio on a simulated machine that does other things too."""

import numpy as np
import pytest

from edgecv.evaluation.latency import is_distinguishable, speedup

pytestmark = pytest.mark.quick

TURNS, RUNS, RUN_NS = 300, 40, 50_000.0


def blocks_of_both(seed: int, slower: float) -> tuple[np.ndarray, np.ndarray]:
    """Return two files' blocks: slow seconds, neighbours that take the core, noisy runs."""
    random = np.random.default_rng(seed)
    pace = np.ones(TURNS)
    for start in random.integers(0, TURNS, 6):
        pace[start : start + 30] *= random.uniform(1.2, 2)
    both = []
    for factor in (1.0, slower):
        times = RUN_NS * factor * pace[:, None] * random.normal(1, 0.01, (TURNS, RUNS))
        times += RUN_NS * random.exponential(0.05, times.shape)
        taken = random.random(times.shape) < 0.02
        times[taken] += random.uniform(1e6, 4e6, int(taken.sum()))
        both.append(times.astype(np.int64))
    return both[0], both[1]


@pytest.mark.parametrize(
    ("slower", "told_apart"),
    [(1.0, 0), (1.015, 0), (1 / 1.015, 0), (1.05, 20), (1.3, 20), (1 / 1.3, 20)],
)
def test_copies_are_the_same_and_slower_files_are_told_apart(
    slower: float, told_apart: int
) -> None:
    found = 0
    for seed in range(20):
        first, other = blocks_of_both(seed, slower)
        ratio, interval = speedup(other, first)
        assert ratio == pytest.approx(slower, rel=0.01)
        found += is_distinguishable(interval)
    assert found == told_apart


def test_an_interval_covers_the_ratio_of_slow_seconds_that_last() -> None:
    """Where one side alone is disturbed for a while, neighbours are no independent witnesses."""
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        drift = np.convolve(random.normal(0, 0.02, TURNS + 20), np.ones(21) / 21**0.5, "valid")
        first = np.full((TURNS, 1), RUN_NS)
        _, (low, high) = speedup((first * np.exp(drift[:, None])).astype(np.int64), first)
        covered += low <= 1 <= high
    assert covered >= 80
