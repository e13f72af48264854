"""How often 95% intervals hold the true difference: `pytest -m benchmark -s`."""

from collections import Counter
from collections.abc import Callable
from itertools import product
from math import sqrt

import numpy as np
import pytest
from simulated import (
    REAL_SCORES,
    mean_overlap,
    simulated_counts,
    simulated_pairs,
    simulated_scores,
)

from edgecv.evaluation.statistics.binary_scores import difference_interval
from edgecv.evaluation.statistics.real_scores import interval

pytestmark = pytest.mark.benchmark
PAIRS = 10_000
Z = 1.959964
IMAGES = (200, 1000, 5000)
ACCURACIES = (0.6, 0.75, 0.95)
CHANGED = (0.01, 0.03, 0.08, 0.15)
DIFFERENCES = (0.0, -0.005, -0.01, -0.02)
Cells = tuple[int, int, int, int]
Interval = tuple[float, float]


def tango(cells: Cells) -> Interval:
    _, wins, losses, _ = cells
    return difference_interval(wins, losses, sum(cells))


def newcombe(cells: Cells) -> Interval:
    """Newcombe (1998), method 10: Wilson's intervals of both accuracies, and their correlation."""
    both, wins, losses, neither = cells
    images = sum(cells)
    one, other = (both + wins) / images, (both + losses) / images
    (low, high), (other_low, other_high) = wilson(one, images), wilson(other, images)
    product_of_cells = both * neither - wins * losses
    if product_of_cells > 0:
        product_of_cells = max(product_of_cells - images / 2, 0)
    margins = (both + wins) * (losses + neither) * (both + losses) * (wins + neither)
    phi = product_of_cells / sqrt(margins) if margins else 0.0
    below = (one - low) ** 2 - 2 * phi * (one - low) * (other_high - other)
    above = (other - other_low) ** 2 - 2 * phi * (other - other_low) * (high - one)
    return (
        one - other - sqrt(max(below + (other_high - other) ** 2, 0)),
        one - other + sqrt(max(above + (high - one) ** 2, 0)),
    )


def wilson(fraction: float, images: int) -> Interval:
    middle = fraction + Z**2 / (2 * images)
    half = Z * sqrt(fraction * (1 - fraction) / images + Z**2 / (4 * images**2))
    return (middle - half) / (1 + Z**2 / images), (middle + half) / (1 + Z**2 / images)


def bootstrap(cells: Cells) -> Interval:
    """The percentile bootstrap over images."""
    images = sum(cells)
    drawn = np.random.default_rng(0).multinomial(images, np.array(cells) / images, size=1000)
    low, high = np.percentile((drawn[:, 1] - drawn[:, 2]) / images, [2.5, 97.5])
    return float(low), float(high)


def coverage(method: Callable[[Cells], Interval], pairs: Counter[Cells], true: float) -> float:
    covered = 0
    for cells, times in pairs.items():
        low, high = method(cells)
        covered += times * (low - 1e-12 <= true <= high + 1e-12)
    return covered / pairs.total()


def test_coverage_of_the_interval() -> None:
    """Print a line a setting, and hold Tango's to 94 to 96% where ten images or more changed."""
    print("\nimages accuracy changed difference | tango newcombe bootstrap, percent covered")
    outside = []
    for images, accuracy, changed, true in product(IMAGES, ACCURACIES, CHANGED, DIFFERENCES):
        if abs(true) >= changed or accuracy + changed > 1.02:
            continue
        seen = simulated_pairs(images, accuracy, changed, true, PAIRS).tolist()
        pairs = Counter(tuple(cells) for cells in seen)
        few = Counter(tuple(cells) for cells in seen[:500])
        figures = coverage(tango, pairs, true), coverage(newcombe, pairs, true)
        line = f"{images:6} {accuracy:8.0%} {changed:7.0%} {true:+10.1%} |"
        print(line, *(f"{100 * each:5.1f}" for each in (*figures, coverage(bootstrap, few, true))))
        if images * changed >= 10 and not 0.94 <= figures[0] <= 0.96:
            outside.append((line, figures[0]))
    assert outside == []


SETS = 600
"""Simulated test sets a setting: the standard error of a coverage is 0.9%."""


def test_coverage_of_the_interval_of_real_scores() -> None:
    """Print a line a setting, and hold the interval to 93 to 97%, within the simulation's error."""
    print("\nscores images changed | percent covered")
    random, outside = np.random.default_rng(0), []
    for kind, (images, changed) in product(
        REAL_SCORES, ((30, 1.0), (100, 0.3), (100, 1.0), (300, 0.1), (300, 1.0), (1000, 0.05))
    ):
        before, after = simulated_scores(kind, 2_000_000, changed, random)
        true, covered = float((after - before).mean()), 0
        for _ in range(SETS):
            before, after = simulated_scores(kind, images, changed, random)
            gain = after - before
            low, high = interval(
                lambda rows, gain=gain: float(gain[rows].mean()), images, np.count_nonzero(gain)
            )
            covered += low <= true <= high
        print(f"{kind:15} {images:6} {changed:7.0%} | {covered / SETS:5.1%}")
        if not 0.93 - 0.018 <= covered / SETS <= 0.97 + 0.018:
            outside.append((kind, images, changed, covered / SETS))
    assert outside == []


def test_coverage_of_the_interval_of_a_metric_of_a_whole_set() -> None:
    """Print a line for each number of images: the mean intersection over union of four classes."""
    print("\nimages | percent covered")
    random, outside = np.random.default_rng(0), []
    before, after = simulated_counts(500_000, random)
    true = mean_overlap(after) - mean_overlap(before)
    for images in (50, 150, 500):
        covered = 0
        for _ in range(SETS):
            before, after = simulated_counts(images, random)
            low, high = interval(
                lambda rows, before=before, after=after: (
                    mean_overlap(after[rows]) - mean_overlap(before[rows])
                ),
                images,
                images,
            )
            covered += low <= true <= high
        print(f"{images:6} | {covered / SETS:5.1%}")
        if not 0.93 - 0.018 <= covered / SETS <= 0.97 + 0.018:
            outside.append((images, covered / SETS))
    assert outside == []
