"""The parts of a task: the protocols and records that its methods take and give."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from edgecv.core.data import Outputs, Targets
from edgecv.core.keras_types import KerasLayer, Tensor


class Head(Protocol):
    """Makes the layers that turn the features of an architecture into the outputs of a task."""

    def __call__(self, **options: Any) -> Sequence[KerasLayer] | Mapping[str, Sequence[KerasLayer]]:
        """Return untrained tf-keras layers, in order: float32 (N, F) -> float32 (N, ...), or
        of a map of features, float32 (N, H, W, F), as ``Task.features`` says.

        For several outputs return the layers of each by its name; all take the same features.
        ``options`` of the layer with the weights, which an architecture may have its own of.
        """


class Move(Protocol):
    """The shifts and mirrorings of a batch of images, for what lies on them."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images, in pixels."""

    @property
    def cuts(self) -> bool:
        """True if what leaves the image is no target any more: the move is no small shift."""

    def pixels(self, maps: Tensor) -> Tensor:
        """Return images or masks that were moved: (N, H, W, C) of the images' height and width."""

    def points(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return where points in pixels are after the move: float32 (N, ...) each.

        A point may lie outside of the image then.
        """


@dataclass(frozen=True)
class Metric:
    """A figure computed over all images of a split."""

    name: str
    of: Callable[[Outputs, Targets], float]
    """Returns NaN where there is nothing to count; the headline always counts."""
    is_fraction: bool = True
    """True if values are shown as percentages, and differences in percentage points."""
    higher_is_better: bool = True
    points: float = 100.0
    """Points of one unit: a fraction of 1 is 100 percentage points."""

    def gain_points(self, value: float, baseline: float) -> float:
        """Return how much better a value is than the baseline's, in points."""
        gain = (value - baseline) * self.points
        return gain if self.higher_is_better else -gain

    def text(self, value: float | None, digits: int = 2) -> str:
        """Write a value that may not be known.

        >>> Metric("accuracy", lambda outputs, targets: 0.0).text(0.747)
        '74.70%'
        """
        if value is None:
            return "unknown"
        return f"{value:.{digits}%}" if self.is_fraction else f"{value:.4g}"


@dataclass(frozen=True)
class Curves:
    """Terms of a task for the record of a training, and its curves."""

    loss: str = "loss"
    score: str = "score"
    """Name of the mean of ``training_score``."""
    score_axis: str = "mean score"


@dataclass(frozen=True)
class Terms:
    """Terms of a task for reports."""

    output: str = "an output"
    """One number of the outputs, for differences from the baseline."""
    outputs: str = "numbers"
    """The outputs for one image, where they are counted."""
    same: str = "the answer is the same"
    groups: str = "groups"
    """The groups of images that ``lost_groups`` describes."""


@dataclass(frozen=True)
class Proof:
    """Can the answers of a model prove anything about a copy of it?

    A copy of a model that guesses, or gives one answer to everything, agrees with it for no reason.
    """

    observed: float
    limit: float
    reason: str
    holds: bool
