"""Which images set the ranges of a file, and do the test images fit into them?

A range that was found by the smallest and the largest value *is* a value of one image: the float
twin gives that value again, and the image is found by it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecv.records import Labels
from edgecv.stored import Extremes, Steps

LEVEL = 0.05
"""A file whose ranges are honest fails by chance in at most so many of all cases: the 95% level
that is stated, over both tests of the ranges together. Each of the two gets half of it."""
ONE_TEST = LEVEL / 2
SAME_VALUE = 5e-4
"""Of a step: float32 sums in another order differ by about 1e-6 of the largest value, which is
255 steps."""
FEWEST_IMAGES = 3
"""Fewer images of one class are no evidence with ten classes."""
DRAWS = 4000
SEED = 0
USUAL_CALIBRATION = 100
FEWEST_CALIBRATION = 10


@dataclass(frozen=True)
class Bound:
    """The range of one point: ``place`` is its column in the extremes of the twin."""

    name: str
    place: int
    steps: Steps
    starts_at_zero: bool


@dataclass(frozen=True)
class Traced:
    """Images that ranges were set by: their rows, and which bounds these are."""

    images: tuple[int, ...]
    bounds: tuple[Bound, ...]


@dataclass(frozen=True)
class OneClass:
    """Whether the images that set the ranges are a fair draw of the classes."""

    images: int
    of_class: int
    label: int
    p_value: float


@dataclass(frozen=True)
class Beyond:
    """The bound that most test images go beyond, for how often honest calibration allows it."""

    name: str
    images: int
    of: int
    p_value: float
    """Corrected for the number of bounds."""


def trace(bounds: Sequence[Bound], extremes: Extremes) -> Traced:
    """Find the image that each bound was set by: the one whose largest value it is.

    Only ranges that start at 0 are found: others were moved so that 0 is a whole step.
    """
    images, found = [], []
    for bound in bounds:
        if not bound.starts_at_zero or bound.steps.zero_point != bound.steps.low:
            continue
        distance = np.abs(extremes.high[:, bound.place] - bound.steps.ceiling)
        image = int(distance.argmin())
        if distance[image] <= SAME_VALUE * bound.steps.scale:
            images.append(image)
            found.append(bound)
    return Traced(tuple(images), tuple(found))


def judge_classes(traced: Traced, extremes: Extremes, labels: Labels) -> OneClass | None:
    """Ask how often a fair draw of images has its ranges set by so many of one class.

    None where too few images were found to tell.
    """
    distinct = sorted(set(traced.images))
    if len(distinct) < FEWEST_IMAGES:
        return None
    ((label, count),) = Counter(int(labels[each]) for each in distinct).most_common(1)
    high = extremes.high[:, [bound.place for bound in traced.bounds]]
    drawn = _drawn(high, _calibration_size(traced, high), labels)
    return OneClass(len(distinct), count, label, (1 + int((drawn >= count).sum())) / (1 + DRAWS))


def _calibration_size(traced: Traced, high: NDArray[np.float32]) -> int:
    """Return how many images the ranges were found on, by how few of all images go as far."""
    reached = [
        float(np.mean(high[:, column] >= high[image, column]))
        for column, image in enumerate(traced.images)
    ]
    size = round(1 / float(np.median(reached)))
    return min(max(size, FEWEST_CALIBRATION), len(high))


def _drawn(high: NDArray[np.float32], size: int, labels: Labels) -> NDArray[np.int64]:
    """Return the most images of one class among those that set the ranges, for fair draws."""
    random = np.random.default_rng(SEED)
    columns = np.arange(high.shape[1])
    counts = np.empty(DRAWS, np.int64)
    for draw in range(DRAWS):
        chosen = random.choice(len(high), size, replace=False)
        setting = np.unique(chosen[high[chosen].argmax(axis=0)][columns])
        counts[draw] = np.bincount(labels[setting]).max()
    return counts


def judge_fit(bounds: Sequence[Bound], extremes: Extremes, calibration: int) -> Beyond | None:
    """Ask whether as many test images go beyond a range as honest calibration lets happen.

    Of n calibration images none goes beyond the largest of them; of m others a number that is
    beta-binomial does, whatever the network (Gumbel and von Schelling, 1950).
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


def _ends(bound: Bound, extremes: Extremes) -> list[tuple[str, int]]:
    """Return how many images go beyond each end that a calibration image has set."""
    steps = bound.steps
    high = extremes.high[:, bound.place]
    if bound.starts_at_zero:
        room = SAME_VALUE * steps.scale
        return [(bound.name, int((high > steps.ceiling + room).sum()))]
    # Such a range was moved by up to half a step, so that 0 is a whole one.
    room = 0.5 * steps.scale
    low = extremes.low[:, bound.place]
    above, below = high > steps.ceiling + room, low < steps.floor - room
    return [(bound.name, int(above.sum())), (bound.name, int(below.sum()))]
