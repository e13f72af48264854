"""Scores of 0 and 1: McNemar's exact test, Tango's interval, and the test of a margin."""

import math

import numpy as np
from numpy.typing import NDArray

from edgecv.core.paired_results import NoWorse, PairedAccuracy

CONFIDENCE = 0.95
POWER = 0.8
"""Power: probability that the reported number of needed images gives an answer."""
Counts = NDArray[np.int64]


def paired_accuracy(
    right: NDArray[np.bool_], baseline_right: NDArray[np.bool_], margin_points: float
) -> PairedAccuracy:
    """Return the statistics of two models' correct images: bool (N,), (N,)."""
    images = len(right)
    wins = int(np.sum(right & ~baseline_right))
    losses = int(np.sum(~right & baseline_right))
    low, high = difference_interval(wins, losses, images)
    return PairedAccuracy(
        images=images,
        both_right=int(np.sum(right & baseline_right)),
        wins=wins,
        losses=losses,
        both_wrong=int(np.sum(~right & ~baseline_right)),
        p_value=float(mcnemar(np.array(wins), np.array(losses))),
        difference_points=(wins - losses) / images * 100,
        interval_points=(low * 100, high * 100),
        no_worse=no_worse(wins, losses, images, margin_points),
    )


def mcnemar(wins: Counts, losses: Counts) -> NDArray[np.float64]:
    """Return the p values of the exact two-sided McNemar test: int (...), (...) -> float (...).

    Under the null hypothesis a changed image is a win or a loss with equal probability.

    >>> mcnemar(np.array([1, 5]), np.array([9, 5])).round(4).tolist()
    [0.0215, 1.0]
    """
    from scipy.special import bdtr

    fewer = bdtr(np.minimum(wins, losses), wins + losses, 0.5)
    smallest: NDArray[np.float64] = np.minimum(2 * fewer, 1.0)
    return smallest


def chance_of_at_most(count: int, images: int, fraction: float) -> float:
    """Return the probability of at most so many of some images, if each is one with ``fraction``.

    >>> round(chance_of_at_most(85, 100, 0.9), 3)
    0.073
    """
    from scipy.special import bdtr

    return float(bdtr(count, images, fraction))


def difference_interval(wins: int, losses: int, images: int) -> tuple[float, float]:
    """Return the 95% interval of candidate's minus baseline's accuracy, as fractions.

    The score interval of Tango (1998), "Equivalence test and confidence interval for the
    difference in proportions for the paired-sample design", Statistics in Medicine 17, 891-908.
    It holds the differences that McNemar's test, written for another difference than none, does
    not reject. Newcombe's (method 10) and the bootstrap cover less truly where few images
    changed: `pytest -m benchmark -s tests/benchmarks/test_coverage.py` prints it.
    """
    from scipy.optimize import brentq

    seen = (wins - losses) / images
    z = quantile((1 + CONFIDENCE) / 2)
    low, high = -1.0, 1.0
    if seen > -1:
        low = brentq(lambda other: _score(wins, losses, images, other) - z, -1.0, seen)
    if seen < 1:
        high = brentq(lambda other: _score(wins, losses, images, other) + z, seen, 1.0)
    return low, high


def no_worse(wins: int, losses: int, images: int, margin_points: float) -> NoWorse:
    """Test if a candidate is worse by less than a margin, or estimate the images needed for it."""
    z = quantile((1 + CONFIDENCE) / 2)
    score = _score(wins, losses, images, -margin_points / 100)
    if score >= z:
        return NoWorse(margin_points, "yes")
    if score < -z:
        return NoWorse(margin_points, "no")
    if score == 0:
        return NoWorse(margin_points, "cannot tell")
    # The score grows with the root of the images.
    needed = images * ((z + quantile(POWER)) / score) ** 2
    return NoWorse(margin_points, "cannot tell", math.ceil(needed))


def _score(wins: int, losses: int, images: int, difference: float) -> float:
    """Return the distance of the observed difference from another one, in standard errors."""
    above = wins - losses - images * difference
    # The maximum likelihood fraction of losses, given that difference.
    b = -wins - losses + (2 * images - wins + losses) * difference
    c = -losses * difference * (1 - difference)
    lost = (math.sqrt(max(b * b - 8 * images * c, 0.0)) - b) / (4 * images)
    variance = images * (2 * lost + difference * (1 - difference))
    if variance <= 0:
        return math.copysign(math.inf, above) if above else 0.0
    return above / math.sqrt(variance)


def quantile(probability: float) -> float:
    """Return the quantile of the normal distribution."""
    from scipy.special import ndtri

    return float(ndtri(probability))
