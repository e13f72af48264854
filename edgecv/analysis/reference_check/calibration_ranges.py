"""Ranges of a file: the calibration images that set them, and test images that exceed them.

A range from minimum and maximum ends at a value of one image. The float twin gives the same value
for that image, which identifies it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecv.analysis.reference_check.layer_structure import PairedPoint
from edgecv.core.data import Labels
from edgecv.core.quantization import Extremes

LEVEL = 0.05
"""Probability that honest ranges fail by chance, over both tests of the ranges together: the stated
95% level. Each test gets half of it."""
ONE_TEST = LEVEL / 2
SAME_VALUE = 5e-4
"""Tolerance as a part of a step: float32 sums in another order differ by about 1e-6 of the largest
value, which is 255 steps."""
FEWEST_IMAGES = 2
NEARLY_ALL = 0.9
"""Share of the traced images that must be of one class to suspect it: one may be an accident."""
DRAWS = 4000
SEED = 0
USUAL_CALIBRATION = 50
"""Fewest images that nobody calls too few. TensorFlow's guides calibrate on 100 and more; 50 drawn
at random are an honest choice, whose ranges more test images exceed."""
FEWEST_CALIBRATION = 10
MOST_CALIBRATION = 1000


@dataclass(frozen=True)
class Traced:
    """The images that set ranges: their rows, and the bounds they set."""

    images: tuple[int, ...]
    bounds: tuple[PairedPoint, ...]


@dataclass(frozen=True)
class OneClass:
    """The classes of the images that set the ranges, tested against a fair draw."""

    images: int
    of_class: int
    label: int
    p_value: float


@dataclass(frozen=True)
class Beyond:
    """The bound that test images exceed most, compared with honest calibration."""

    name: str
    images: int
    of: int
    p_value: float
    """Corrected for the number of bounds."""


def trace(bounds: Sequence[PairedPoint], extremes: Extremes) -> Traced:
    """Find the image that set each bound: the one whose largest value equals it.

    Only ranges that start at 0 are traced: others were moved so that 0 is a whole step. If several
    images have that value, as white ones may, none is traced.
    """
    images, found = [], []
    for bound in bounds:
        if not bound.steps.is_cut:
            continue
        distance = np.abs(extremes.high[:, bound.place] - bound.steps.ceiling)
        near = np.flatnonzero(distance <= SAME_VALUE * bound.steps.scale)
        if len(near) == 1:
            images.append(int(near[0]))
            found.append(bound)
    return Traced(tuple(images), tuple(found))


def judge_classes(
    bounds: Sequence[PairedPoint],
    traced: Traced,
    extremes: Extremes,
    labels: Labels,
    *,
    is_all: bool,
) -> OneClass | None:
    """Test the hypothesis that the file was calibrated on images of all classes.

    The p-value is the probability that a random sample of training images would point to one class
    as clearly: the traced images are of one class, and images of that class span the ranges that do
    not start at 0. It is estimated from random draws. It counts every class that is no likelier
    than the found one, as some classes have larger values than others and set most ranges of honest
    files too. ``is_all``: True if every training image was run: a class that spans no range was
    then not the only one. Returns None if too few images were traced.
    """
    distinct = sorted(set(traced.images))
    if len(distinct) < FEWEST_IMAGES:
        return None
    ((label, count),) = Counter(int(labels[each]) for each in distinct).most_common(1)
    high = extremes.high[:, [bound.place for bound in traced.bounds]]
    spans = [bound for bound in bounds if not bound.steps.is_cut]
    spanned = [_spanned(bound, extremes, labels == label) for bound in spans]
    found = sum(is_found for is_found, _ in spanned)
    if count < NEARLY_ALL * len(distinct) or (spans and not found and is_all):
        return OneClass(len(distinct), count, label, 1.0)
    chances = [chance for _, chance in spanned]
    likely = np.zeros(int(labels.max()) + 1)
    draws = 0
    size = _calibration_size(traced, high)
    for setting, ends in _draws(high, [bound.place for bound in spans], extremes, size):
        if len(setting) != len(distinct):
            continue
        draws += 1
        counts = np.bincount(labels[setting])
        if counts.max() >= count:
            is_of_class = (labels[ends] == counts.argmax()).all(axis=0)
            pairs = [1.0 if sure else c for sure, c in zip(is_of_class, chances, strict=True)]
            likely[counts.argmax()] += _at_least(found, pairs)
    as_unlikely = float(likely[likely <= likely[label]].sum())
    return OneClass(len(distinct), count, label, (1 + as_unlikely) / (1 + draws))


def _calibration_size(traced: Traced, high: NDArray[np.float32]) -> int:
    """Estimate the number of calibration images from the share of images that reach the bounds."""
    reached = [
        float(np.mean(high[:, column] >= high[image, column]))
        for column, image in enumerate(traced.images)
    ]
    size = round(1 / float(np.median(reached)))
    return min(max(size, FEWEST_CALIBRATION), MOST_CALIBRATION, len(high))


def _draws(
    high: NDArray[np.float32], spans: Sequence[int], extremes: Extremes, size: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield, for each random draw, the images that set the traced ranges and the ends of others.

    The latter are int64 (2, ranges): the images with the largest and with the smallest value.
    """
    random = np.random.default_rng(SEED)
    above, below = extremes.high[:, list(spans)], extremes.low[:, list(spans)]
    for _ in range(DRAWS):
        chosen = random.choice(len(high), size, replace=False, shuffle=False)
        ends = np.stack([above[chosen].argmax(axis=0), below[chosen].argmin(axis=0)])
        yield np.unique(chosen[high[chosen].argmax(axis=0)]), chosen[ends]


def _spanned(
    bound: PairedPoint, extremes: Extremes, chosen: NDArray[np.bool_]
) -> tuple[bool, float]:
    """Return True if two of the chosen images span a range, and the chance of a coincidence."""
    low = extremes.low[chosen, bound.place].astype(np.float64)
    high = extremes.high[chosen, bound.place].astype(np.float64)
    steps = bound.steps
    # The zero point was rounded: the ends are known to a step, their distance exactly.
    ends = low[np.abs(low - steps.floor) <= steps.scale] + (steps.ceiling - steps.floor)
    high = np.sort(high)

    def pairs(width: float) -> int:
        first, last = (np.searchsorted(high, ends + sign * width * steps.scale) for sign in (-1, 1))
        return int((last - first).sum())

    chance = -np.expm1(-pairs(1.0) * 2 * SAME_VALUE)
    return pairs(2 * SAME_VALUE) > 0, float(chance)


def _at_least(count: int, chances: Sequence[float]) -> float:
    """Return the probability that at least ``count`` of independent events happen.

    >>> round(_at_least(1, [0.5, 0.5]), 3)
    0.75
    """
    exactly = np.array([1.0])
    for chance in chances:
        exactly = np.convolve(exactly, [1 - chance, chance])
    return float(exactly[count:].sum())


def judge_fit(bounds: Sequence[PairedPoint], extremes: Extremes, calibration: int) -> Beyond | None:
    """Test whether more test images exceed a range than honest calibration explains.

    The number of m test images that exceed the largest value of n calibration images is
    beta-binomial, whatever the network (Gumbel and von Schelling, 1950).
    """
    from scipy.stats import betabinom

    count = len(extremes.high)
    worst: Beyond | None = None
    tests = [test for bound in bounds for test in _ends(bound, extremes)]
    for name, images in tests:
        if images == 0:
            p_value = 1.0
        else:
            p_value = min(1.0, len(tests) * float(betabinom.sf(images - 1, count, 1, calibration)))
        if worst is None or p_value < worst.p_value:
            worst = Beyond(name, images, count, p_value)
    return worst


def _ends(bound: PairedPoint, extremes: Extremes) -> list[tuple[str, int]]:
    """Return how many images exceed each end that a calibration image has set.

    By more than half a step: less is lost to rounding anyway. Where nearly all images have the same
    largest value, as those with one background do, sums in another order alone would exceed it; and
    a range on both sides of 0 was moved by up to half a step, so that 0 is a whole one.
    """
    steps = bound.steps
    room = 0.5 * steps.scale
    high = extremes.high[:, bound.place]
    above = (bound.name, int((high > steps.ceiling + room).sum()))
    if steps.is_cut:
        return [above]
    low = extremes.low[:, bound.place]
    return [above, (bound.name, int((low < steps.floor - room).sum()))]
