"""Depth: the task of models that give a number for each pixel."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgecv.core.data import Dataset, Images, Outputs, Predictions, Targets
from edgecv.core.errors import InputError
from edgecv.core.plugins import Metric, Proof, Terms
from edgecv.core.targets import kinds_of
from edgecv.core.text import counted
from edgecv.evaluation.answer_numbers import answer_numbers
from edgecv.evaluation.tasks.depth.trained_depth import SMALLEST, TrainedDepth, known_pixels
from edgecv.evaluation.tasks.regression.proof import proof_of_errors, proof_of_spread
from edgecv.evaluation.tasks.segmentation.maps import channels_last, resized

Maps = NDArray[np.float64]
"""A number for each pixel: float64 (N, H, W)."""
METHOD = (
    "AbsRel is the mean of the error of each pixel over its depth, delta1 the part of the "
    "pixels within a ratio of 1.25; MAE and RMSE have the unit of the depth. Pixels of depth 0 "
    "are not known and count nowhere. One point is one percent of the depth."
)
NEAR = 1.25
"""Ratio of two depths, the larger over the smaller, that are near each other: delta1."""


class Depth(TrainedDepth):
    """A number for each pixel, as a depth: judged by the error relative to it."""

    name: ClassVar[str] = "depth"
    hub_name: ClassVar[str] = "depth-estimation"
    features: ClassVar[str] = "map"
    target: ClassVar[str] = "depth"
    has_one_output: ClassVar[bool] = True
    tolerance: float = Field(default=0.05, gt=0, le=1)
    """Largest mean difference of the same answer, as a part of the baseline's depth."""

    @classmethod
    def fits(cls, data: Dataset, answers: Sequence[tuple[int, ...]], ending: str) -> bool:
        """Return True for one map of one channel, where the data has depths."""
        return (
            len(answers) == 1
            and min(answers[0], default=0) > 0
            and cls.takes_shape(answers[0])
            and data.has_labels
            and cls.target in kinds_of(data.test.labels)
        )

    wanted_shape: ClassVar[str] = "one map of one channel"

    @classmethod
    def takes_shape(cls, shape: tuple[int, ...]) -> bool:
        """Return True for a map of one channel."""
        return len(shape) == 2 or (len(shape) == 3 and 1 in (shape[0], shape[-1]))

    def of_task(self, data: Dataset) -> Dataset:
        """Return the data with its depths, which have no classes.

        Raises InputError where no test image has a pixel of known depth.
        """
        found = super().of_task(data)
        depths = found.test.labels
        if found.has_labels and not any(known_pixels(each).any() for each in depths):
            raise InputError(
                data.name,
                f"has depths of {counted(len(depths), 'test image')}, all of them 0: not known",
                accepted="a depth above 0 in some pixels",
                remedy="give test images with depths: nothing can be judged by these",
            )
        return replace(found, class_names=())

    def divergence(self, whole: Outputs, cut: Outputs) -> float:
        """Return the mean squared difference, in variances of the whole model's depths."""
        exact = whole.only.astype(np.float64)
        return float(np.mean((exact - cut.only) ** 2) / (exact.var() + SMALLEST))

    def normalized(
        self, outputs: Outputs, scales: Mapping[str, float | None]
    ) -> tuple[Outputs, tuple[str, ...]]:
        """Return depths, (N, H, W, 1). Raises ValueError where they are no maps of one channel."""
        ((name, values),) = outputs.arrays.items()
        return Outputs.one(_one_channel(values), name), ()

    terms: ClassVar[Terms] = Terms(
        output="a depth, of the range,",
        outputs="depths",
        same="the depths are the same within the tolerance",
    )
    method: ClassVar[str] = METHOD

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Return the relative error first, all of them over the known pixels of all images."""
        return (
            Metric("AbsRel", _figure(_relative), higher_is_better=False),
            Metric("delta1", _figure(_is_near)),
            Metric("MAE", _figure(_far), is_fraction=False, higher_is_better=False),
            Metric("RMSE", _root_mean_square, is_fraction=False, higher_is_better=False),
        )

    def resampled(self, outputs: Outputs, targets: Targets) -> Callable[[NDArray[np.int64]], float]:
        """Return minus the relative error over the known pixels of some images."""
        sums, counts = _sums(_relative, outputs, targets)
        return lambda rows: -float(sums[rows].sum() / max(counts[rows].sum(), 1))

    def score_per_image(self, outputs: Outputs, targets: Targets) -> NDArray[np.float64]:
        """Return minus the mean relative error of each image: float64 (N,)."""
        sums, counts = _sums(_relative, outputs, targets)
        score: NDArray[np.float64] = -sums / np.maximum(counts, 1)
        return score

    def score_text(self, value: float) -> str:
        """Write a mean relative error."""
        return f"{value:.1%}"

    def same_answer(self, outputs: Outputs, reference: Outputs) -> NDArray[np.bool_]:
        """Return True for each image with nearly the reference's depths: bool (N,)."""
        wanted = _maps(reference)
        far = np.abs(_maps(outputs, wanted.shape[1:]) - wanted).sum(axis=(1, 2))
        near: NDArray[np.bool_] = far <= self.tolerance * np.abs(wanted).sum(axis=(1, 2))
        return near

    def answer_bytes(self, outputs: Outputs) -> bytes:
        """Return all depths, rounded as float16 is."""
        return answer_numbers(outputs.only)

    def differences(self, outputs: Outputs, reference: Outputs) -> tuple[float, float]:
        """Return the mean and the largest difference, of the range of the reference's depths."""
        wanted = _maps(reference)
        far = np.abs(_maps(outputs, wanted.shape[1:]) - wanted) / (float(np.ptp(wanted)) or 1.0)
        return float(far.mean()), float(far.max())

    def proof(self, outputs: Outputs, targets: Targets | None) -> Proof:
        """Return if the depths are better than one depth everywhere."""
        if targets is None:
            return proof_of_spread(outputs.only, "depths")
        middle = np.median(targets[known_pixels(targets)])
        constant = Outputs.one(np.full((*targets.shape, 1), middle, np.float32))
        own, other = (-self.score_per_image(each, targets) for each in (outputs, constant))
        found, constant = own.mean(), other.mean()
        text = f"is off by {found:.1%} of the depth, and one depth everywhere by {constant:.1%}"
        return proof_of_errors(own, other, text, "are these its images, and its unit?")

    def captions(
        self, outputs: Outputs, baseline: Outputs, data: Dataset, place: int
    ) -> tuple[str, ...]:
        """Return the relative error before and after; without targets the mean depths."""
        pair = [each.rows(np.array([place])) for each in (baseline, outputs)]
        if data.test_labels is None:
            return (" -> ".join(f"{_maps(each).mean():.3g}" for each in pair),)
        depths = data.test.labels[place : place + 1]
        errors = [-float(self.score_per_image(each, depths)[0]) for each in pair]
        return (f"off by {errors[0]:.1%} -> {errors[1]:.1%}",)

    def picture(self, outputs: Outputs, baseline: Outputs, data: Dataset, place: int) -> Images:
        """Return an image, and the depths before and after in grey, near is dark: (H, 3 W, 3)."""
        image = data.test.images[place]
        size = (image.shape[0], image.shape[1])
        pair = [_maps(each.rows(np.array([place])), size)[0] for each in (baseline, outputs)]
        low = min(float(each.min()) for each in pair)
        width = max(max(float(each.max()) for each in pair) - low, SMALLEST)
        grey = [np.rint((each - low) / width * 255).astype(np.uint8)[..., None] for each in pair]
        parts = [np.broadcast_to(each, (*size, 3)) for each in (image, *grey)]
        return np.concatenate(parts, axis=1)

    def truth(self, data: Dataset, place: int) -> str:
        """Return the least and the largest depth of a test image that are known."""
        depths = data.test.labels[place]
        known = depths[known_pixels(depths)]
        return f"{known.min():.3g} to {known.max():.3g}" if len(known) else "not known"


def _one_channel(values: Predictions) -> Predictions:
    """Return maps as (N, H, W, 1): of (N, H, W), (N, H, W, 1) or (N, 1, H, W)."""
    maps = channels_last(values)
    if maps.shape[-1] != 1:
        raise ValueError(f"gives outputs of shape {list(values.shape[1:])}, which are no depths")
    return maps


def _maps(outputs: Outputs, size: tuple[int, ...] | None = None) -> Maps:
    """Return the depths, of another size where it is given: bilinear."""
    maps = _one_channel(outputs.only)
    if size is not None and maps.shape[1:3] != size:
        maps = resized(maps, (size[0], size[1]))
    return maps[..., 0].astype(np.float64)


def _far(given: Maps, wanted: Maps) -> Maps:
    return np.abs(given - wanted)


def _relative(given: Maps, wanted: Maps) -> Maps:
    return np.abs(given - wanted) / np.maximum(wanted, SMALLEST)


def _is_near(given: Maps, wanted: Maps) -> Maps:
    return ((given <= NEAR * wanted) & (wanted <= NEAR * given)).astype(np.float64)


def _sums(
    of: Callable[[Maps, Maps], Maps], outputs: Outputs, targets: Targets
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the sum of a figure over the known pixels of each image, and their number."""
    known, wanted = known_pixels(targets), targets.astype(np.float64)
    values = np.where(known, of(_maps(outputs, targets.shape[1:]), wanted), 0.0)
    return values.sum(axis=(1, 2)), known.sum(axis=(1, 2))


def _figure(of: Callable[[Maps, Maps], Maps]) -> Callable[[Outputs, Targets], float]:
    def mean(outputs: Outputs, targets: Targets) -> float:
        sums, counts = _sums(of, outputs, targets)
        return float(sums.sum() / counts.sum()) if counts.any() else float("nan")

    return mean


def _root_mean_square(outputs: Outputs, targets: Targets) -> float:
    return float(np.sqrt(_figure(lambda given, wanted: (given - wanted) ** 2)(outputs, targets)))
