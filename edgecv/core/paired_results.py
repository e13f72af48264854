"""Statistics of two models on the same images: frozen records, the standard library only.

The candidate is compared with the baseline. A win is an image that only the candidate has right, a
loss one that only the baseline has right. Images are given by their place in the test split,
classes by their place among the classes of the data.
"""

from dataclasses import dataclass
from typing import Literal

Answer = Literal["yes", "no", "cannot tell"]


@dataclass(frozen=True)
class Flips:
    """Images that get another answer now, in the order of the test split."""

    count: int
    fraction: float
    wins: tuple[int, ...] = ()
    losses: tuple[int, ...] = ()
    both_wrong: tuple[int, ...] = ()
    unjudged: tuple[int, ...] = ()
    """All of them, where the images have no labels."""


@dataclass(frozen=True)
class NoWorse:
    """Whether the candidate is no worse than the baseline by more than a margin.

    "yes" where the whole 95% interval lies above minus the margin, "no" where all of it lies
    below. The interval has two sides, so that each of both answers is wrong in 2.5% of the cases
    at the most.
    """

    margin_points: float
    answer: Answer
    needed_images: int | None = None
    """Where it cannot be told: how many images tell in four of five tests, if the difference and
    the number of changed images stay what they are; None where no number would."""


@dataclass(frozen=True)
class PairedAccuracy:
    """Accuracy of the candidate minus that of the baseline, on the same images."""

    images: int
    both_right: int
    wins: int
    losses: int
    both_wrong: int
    p_value: float
    """Exact McNemar test, two sides: how often chance alone parts wins and losses so far."""
    difference_points: float
    interval_points: tuple[float, float]
    """Two sides, 95%: Tango's score interval for paired proportions."""
    no_worse: NoWorse


@dataclass(frozen=True)
class GroupDifference:
    """One group of images, those of one class: ``label`` is its place among the classes."""

    label: int
    images: int
    wins: int
    losses: int
    difference_points: float
    """Difference of the fraction of this group's images that are right."""
    p_value: float
    """Exact McNemar test on the images of this group."""
    corrected_p_value: float
    """The same by Holm's method: of many groups one is far off by chance alone."""
    is_significant: bool
    """Whether the corrected p value is below 0.05; else it is not distinguishable from chance."""


@dataclass(frozen=True)
class Calibration:
    """Expected calibration error, a fraction: how far confidence is from being right."""

    baseline: float
    candidate: float

    @property
    def rise(self) -> float:
        """Candidate's error minus the baseline's."""
        return self.candidate - self.baseline


@dataclass(frozen=True)
class ConfusionChange:
    """One cell of the confusion matrix: images of class ``label`` that are called ``answer``."""

    label: int
    answer: int
    baseline: int
    candidate: int


@dataclass(frozen=True)
class PairedStatistics:
    """All statistics of a pair. Images without labels have changed answers alone.

    ``classes``, ``calibration`` and ``confusion`` are further statistics of classification.
    """

    flips: Flips
    accuracy: PairedAccuracy | None = None
    classes: tuple[GroupDifference, ...] = ()
    """Those that the test split has images of, the worst first."""
    calibration: Calibration | None = None
    confusion: tuple[ConfusionChange, ...] = ()
    """The cells that changed most."""
