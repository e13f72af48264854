"""How often 95% intervals hold the true difference: `pytest -m benchmark -s`."""

from collections import Counter
from collections.abc import Callable
from itertools import product
from math import sqrt

import numpy as np
import pytest
from simulated import simulated_pairs

from edgecv.evaluation.statistics.binary_scores import difference_interval

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
