"""Real scores, and metrics of a whole set: a bootstrap over images, and Wilcoxon's test."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgecv.core.paired_results import NoWorse, PairedScores
from edgecv.evaluation.statistics.binary_scores import (
    CONFIDENCE,
    POWER,
    difference_interval,
    quantile,
)

RESAMPLES = 2000
SEED = 0
"""The same images are drawn for every candidate."""
MOST_GROUPS = 400
"""Groups of images that are left out in turn; each is one image where there are no more."""
SMALLEST = 1e-9
Scores = NDArray[np.float64]
Statistic = Callable[[NDArray[np.int64]], float]
"""A figure of some images, by their rows: int (N,); a row may occur several times."""


def paired_scores(
    difference: Statistic,
    scores: Scores,
    baseline_scores: Scores,
    margin_points: float,
    moved: int = 0,
) -> PairedScores:
    """Return the statistics of two models by a metric, and by the scores of the images.

    ``difference`` of the metric in points, candidate minus baseline; scores: float (N,), (N,).
    ``moved``: images that may move the metric, though some of them keep their score.
    """
    from scipy.stats import wilcoxon

    images, changed = len(scores), int(np.sum(scores != baseline_scores))
    whole = difference(np.arange(images))
    is_same = not changed and not whole
    ends = unchanged_interval(images) if is_same else interval(difference, images, changed, moved)
    found = PairedScores(
        images=images,
        difference_points=whole,
        interval_points=ends,
        p_value=float(wilcoxon(scores, baseline_scores).pvalue) if changed else 1.0,
        no_worse=NoWorse(margin_points, "cannot tell"),
        wins=int(np.sum(scores > baseline_scores)),
        losses=int(np.sum(scores < baseline_scores)),
        spread_images=spread_over(np.abs(scores - baseline_scores)),
    )
    return replace(found, no_worse=no_worse(found, margin_points))


def unchanged_interval(images: int) -> tuple[float, float]:
    """Return the 95% interval in points where no image changed, which a bootstrap calls (0, 0).

    It is that of a classifier of which none of so many images changed: one image moves a metric by
    no more than all of its share.

    >>> [round(end, 2) for end in unchanged_interval(240)], round(unchanged_interval(3)[1])
    ([-1.58, 1.58], 56)
    """
    _, high = difference_interval(0, 0, images)
    return -100 * high, 100 * high


def spread_over(changes: Scores) -> float | None:
    """Return the number of equal changes that would be spread as these are; None without any.

    The participation ratio. Where few images carry most of the change, none or several of them may
    have been drawn by chance, and no interval can tell (84% instead of 95% at 30 changed images of
    which three carry it, and as much by a wider t: `tests/benchmarks/test_coverage.py`).

    >>> spread_over(np.array([1.0, 1.0, 0.0])), spread_over(np.array([9.0, 0.1, 0.1])) < 2
    (2.0, True)
    """
    squares = float(np.sum(changes**2))
    return float(np.sum(changes)) ** 2 / squares if squares else None


def interval(
    statistic: Statistic, images: int, changed: int, moved: int = 0
) -> tuple[float, float]:
    """Return the 95% interval of a figure by drawing images anew, of which some ``changed``.

    Of those that ``moved`` beside them, as many count as the effects of leaving images out are
    spread over.

    The bias-corrected, accelerated bootstrap of Efron (1987), "Better bootstrap confidence
    intervals", with the quantiles of Student's t for so many changed images (Hesterberg 2015,
    "What teachers should know about the bootstrap"), and nowhere narrower than Student's interval:
    where few images changed, a bootstrap is too narrow.
    `pytest -m benchmark -s tests/benchmarks/test_coverage.py` prints how often it is right.
    """
    from scipy.special import ndtr, stdtrit

    random = np.random.default_rng(SEED)
    drawn = np.array([statistic(random.integers(0, images, images)) for _ in range(RESAMPLES)])
    seen = statistic(np.arange(images))
    moves = _left_out(statistic, images)
    error, acceleration = _error(moves), _acceleration(moves)
    if not error and np.ptp(drawn) == 0:
        return seen, seen
    moving = min(moved, int(spread_over(np.abs(moves)) or 0))
    freedom = max(changed, moving, 2) - 1
    wide = float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
    below = (np.mean(drawn < seen) + np.mean(drawn <= seen)) / 2
    bias = quantile(min(max(float(below), 1 / RESAMPLES), 1 - 1 / RESAMPLES))
    far = wide * math.sqrt((freedom + 1) / freedom)
    ends = np.array([bias - far, bias + far])
    # Beyond the end of the acceleration lies the last of the drawn figures.
    corrected = ends / np.maximum(1 - acceleration * ends, SMALLEST)
    low, high = np.quantile(drawn, ndtr(bias + corrected))
    return float(min(low, seen - wide * error)), float(max(high, seen + wide * error))


def _left_out(statistic: Statistic, images: int) -> Scores:
    """Return how far a figure moves where each group of images is left out: float (groups,)."""
    count = min(images, MOST_GROUPS)
    groups = np.random.default_rng(SEED).permutation(images) % count
    without = np.array([statistic(np.flatnonzero(groups != each)) for each in range(count)])
    far: Scores = without.mean() - without
    return far


def _error(far: Scores) -> float:
    """Return the standard error of a figure."""
    return math.sqrt(float(np.sum(far**2)) * (len(far) - 1) / len(far))


def _acceleration(far: Scores) -> float:
    squares = float(np.sum(far**2))
    return float(np.sum(far**3)) / (6 * squares**1.5) if squares else 0.0


def no_worse(found: PairedScores, margin_points: float) -> NoWorse:
    """Test if a candidate is worse by less than a margin, or estimate the images needed for it."""
    low, high = found.interval_points
    if low >= -margin_points:
        return NoWorse(margin_points, "yes")
    if high < -margin_points:
        return NoWorse(margin_points, "no")
    if found.wins == found.losses == found.difference_points == 0 < margin_points < 100:
        square = quantile((1 + CONFIDENCE) / 2) ** 2
        return NoWorse(margin_points, "cannot tell", math.ceil(square * (100 / margin_points - 1)))
    distance = abs(found.difference_points + margin_points)
    if not distance:
        return NoWorse(margin_points, "cannot tell")
    # The width of the interval shrinks with the root of the images.
    share = (high - low) / 2 / distance * (1 + quantile(POWER) / quantile((1 + CONFIDENCE) / 2))
    return NoWorse(margin_points, "cannot tell", math.ceil(found.images * share**2))
