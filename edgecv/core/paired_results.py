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
    """Images whose answer changed, in the order of the test split."""

    count: int
    fraction: float
    wins: tuple[int, ...] = ()
    losses: tuple[int, ...] = ()
    both_wrong: tuple[int, ...] = ()
    unjudged: tuple[int, ...] = ()
    """All changed images, where the images have no labels."""


@dataclass(frozen=True)
class NoWorse:
    """Test of non-inferiority: is the candidate worse than the baseline by less than a margin?

    "yes" where the whole 95% interval lies above minus the margin, "no" where all of it lies
    below. The interval has two sides, so that each of these two answers is wrong in at most 2.5% of
    the cases.
    """

    margin_points: float
    answer: Answer
    needed_images: int | None = None
    """Images needed for an answer in four of five tests, where there is none yet and the fractions
    of changed images stay as they are; None where no number of images would give one."""


@dataclass(frozen=True)
class PairedAccuracy:
    """Accuracy of the candidate minus that of the baseline, on the same images."""

    images: int
    both_right: int
    wins: int
    losses: int
    both_wrong: int
    p_value: float
    """Exact McNemar test, two-sided: probability of wins and losses this unequal by chance."""
    difference_points: float
    interval_points: tuple[float, float]
    """Two-sided 95% score interval of Tango for paired proportions."""
    no_worse: NoWorse


@dataclass(frozen=True)
class PairedScores:
    """A metric of real scores, or of a whole set: the candidate's against the baseline's."""

    images: int
    difference_points: float
    """Higher is better, also for a metric that is an error."""
    interval_points: tuple[float, float]
    """Two-sided 95% interval by the bootstrap over images (BCa), no narrower than Student's t."""
    p_value: float | None
    """Wilcoxon's signed-rank test of the scores of the images, two-sided; None without them."""
    no_worse: NoWorse
    wins: int | None = None
    """Images with a better score; None in older reports."""
    losses: int | None = None
    """Images with a worse score."""
    spread_images: float | None = None
    """Number of images with equal changes that would spread the change as these do: of fewer than
    5 the interval may be too narrow. None in older reports."""


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
    """The p value corrected by Holm's method for the number of groups."""
    is_significant: bool
    """True if the corrected p value is below 0.05; else the difference may be chance."""
    baseline: float | None = None
    """The baseline's metric of the group, a fraction; None where the difference says all."""
    candidate: float | None = None

    @property
    def is_certain(self) -> bool:
        """True if chance does not explain the difference.

        Points of all images together may go the other way than most images do: one that weighs
        much may explain them.
        """
        return self.is_significant and (self.wins - self.losses) * self.difference_points > 0


@dataclass(frozen=True)
class Calibration:
    """Expected calibration error, a fraction: distance of confidence from accuracy."""

    baseline: float
    candidate: float

    @property
    def rise(self) -> float:
        """Candidate's error minus the baseline's."""
        return self.candidate - self.baseline


@dataclass(frozen=True)
class ConfusionChange:
    """One cell of the confusion matrix: images of class ``label`` classified as ``answer``."""

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
    """Classes with images in the test split, the worst first."""
    calibration: Calibration | None = None
    confusion: tuple[ConfusionChange, ...] = ()
    """The cells that changed most."""
    scores: PairedScores | None = None
    """Statistics of real scores; ``accuracy`` is for scores of 0 and 1."""

    @property
    def difference(self) -> PairedAccuracy | PairedScores | None:
        """The difference of the headline metric with its interval."""
        return self.accuracy or self.scores
