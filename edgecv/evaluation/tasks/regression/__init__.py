"""Numbers of an image: the task of models that measure, count, or find points or a box."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Dataset, Images, Outputs, Targets
from edgecv.core.errors import InputError
from edgecv.core.plugins import Metric, Proof, Terms
from edgecv.core.targets import kinds_of, with_targets
from edgecv.core.text import name_at
from edgecv.evaluation.answer_numbers import answer_numbers
from edgecv.evaluation.drawing import AFTER, BEFORE, TRUTH
from edgecv.evaluation.tasks.regression import text
from edgecv.evaluation.tasks.regression.checks import (
    check_numbers,
    check_one_box,
    check_pairs,
)
from edgecv.evaluation.tasks.regression.figures import (
    correct_keypoints,
    distances,
    errors_of_images,
    figure_of,
    mean_absolute_error,
    mean_box_overlap,
    r2,
    root_mean_square_error,
    values_of,
)
from edgecv.evaluation.tasks.regression.proof import proof_of_errors, proof_of_spread
from edgecv.evaluation.tasks.regression.trained_regression import TrainedRegression
from edgecv.evaluation.tasks.regression.values import Values, wanted_of

SMALLEST = 1e-12


class Regression(TrainedRegression):
    """Numbers or a box of an image, judged by the mean absolute error; keypoints, by PCK."""

    name: ClassVar[str] = "regression"
    target: ClassVar[str] = "numbers"
    has_one_output: ClassVar[bool] = True

    @classmethod
    def fits(cls, data: Dataset, answers: Sequence[tuple[int, ...]], ending: str) -> bool:
        """Return True for numbers of an image, and an output of as many."""
        if not data.has_labels or "numbers" not in kinds_of(data.test.labels):
            return False
        wanted = [data.test.labels["numbers"].shape[1:]]
        return ending != "probabilities" and list(answers) == wanted

    def of_task(self, data: Dataset) -> Dataset:
        """Return the data with its numbers. Raises InputError for targets that are none."""
        if not data.has_labels:
            return data
        found = with_targets(data, self.kind, self.name)
        check_numbers(found)
        if self.kind == "boxes":
            check_one_box(found)
        check_pairs(self.swap, found)
        names = data.target_names.get(self.kind, ()) if self.kind == "numbers" else ()
        return replace(found, class_names=tuple(names))

    def divergence(self, whole: Outputs, cut: Outputs) -> float:
        """Return the mean squared difference, in variances of the whole model's numbers."""
        exact = values_of(whole)
        far = (exact - values_of(cut)) ** 2
        return float(np.mean(far / (exact.var(axis=0) + SMALLEST)))

    def count_outputs(self, data: Dataset) -> tuple[int, ...]:
        """Return how many numbers an image of the data has."""
        return (wanted_of(data.test.labels[:1]).values.shape[1],) if data.has_labels else ()

    def fit_data(
        self, data: Dataset, outputs: int, names: Sequence[str] | None, where: str
    ) -> Dataset:
        """Return the data. Raises InputError where an image has another number of numbers."""
        if names is not None:
            raise InputError(
                "--labels", "names classes, and numbers are none", remedy="leave it out"
            )
        wanted = self.count_outputs(data)
        if wanted and outputs not in wanted:
            raise InputError(
                where,
                f"gives {outputs} numbers for an image, and {data.name} has {wanted[0]}",
                accepted="x and y of each point" if self.kind == "keypoints" else "one a number",
            )
        return data

    method: ClassVar[str] = text.METHOD
    terms: ClassVar[Terms] = Terms(
        output="a number, of its range,",
        same="the numbers are the same within the tolerance",
    )

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Mean absolute error, RMSE and R2; of keypoints PCK first, of a box its overlap last."""
        error = partial(Metric, is_fraction=False, higher_is_better=False)
        errors = (
            error("MAE", figure_of(mean_absolute_error)),
            error("RMSE", figure_of(root_mean_square_error)),
            Metric("R2", figure_of(r2), is_fraction=False),
        )
        if self.kind == "keypoints":
            return Metric("PCK", self._correct), *errors
        if self.kind == "boxes":
            return *errors, Metric("IoU", figure_of(mean_box_overlap))
        return errors

    def _correct(self, outputs: Outputs, targets: Targets) -> float:
        hits, seen = correct_keypoints(values_of(outputs), wanted_of(targets), self.within)
        return float(hits.sum() / seen.sum()) if seen.any() else math.nan

    def _gains(self, outputs: Outputs, targets: Targets) -> tuple[Values, Values]:
        """Return what is summed of each image, higher is better, and how often it counts."""
        if self.kind == "keypoints":
            return correct_keypoints(values_of(outputs), wanted_of(targets), self.within)
        errors, counts = errors_of_images(outputs, targets)
        return -errors, counts

    def resampled(self, outputs: Outputs, targets: Targets) -> Callable[[NDArray[np.int64]], float]:
        """Return PCK, or minus the mean error of the range, of images drawn anew."""
        gains, counts = self._gains(outputs, targets)
        return lambda rows: float(gains[rows].sum() / max(counts[rows].sum(), 1))

    def score_per_image(self, outputs: Outputs, targets: Targets) -> NDArray[np.float64]:
        """Return PCK, or minus the mean error of the range, of each image: float64 (N,)."""
        gains, counts = self._gains(outputs, targets)
        return gains / np.maximum(counts, 1)

    def score_text(self, value: float) -> str:
        """Write a mean score: PCK as a percentage."""
        return f"{value:.1%}" if self.kind == "keypoints" else super().score_text(value)

    def same_answer(self, outputs: Outputs, reference: Outputs) -> NDArray[np.bool_]:
        """Return True for each image whose numbers are all within the tolerance: bool (N,)."""
        near: NDArray[np.bool_] = distances(outputs, reference).max(axis=1) <= self.tolerance
        return near

    def answer_bytes(self, outputs: Outputs) -> bytes:
        """Return all numbers, rounded as float16 is."""
        return answer_numbers(outputs.only)

    def differences(self, outputs: Outputs, reference: Outputs) -> tuple[float, float]:
        """Return the mean and the largest difference, of the range of the reference's numbers."""
        far = distances(outputs, reference)
        return float(far.mean()), float(far.max())

    def proof(self, outputs: Outputs, targets: Targets | None) -> Proof:
        """Return if the numbers are better than the mean of the targets for every image."""
        if targets is None:
            return proof_of_spread(values_of(outputs), "numbers")
        wanted = wanted_of(targets)
        known = np.maximum(wanted.counts.sum(axis=0), 1)
        middle = (wanted.values * wanted.counts).sum(axis=0) / known
        mean = Outputs.one(np.broadcast_to(middle, wanted.values.shape).astype(np.float32))
        sums = (errors_of_images(each, targets) for each in (outputs, mean))
        own, others = (errors / np.maximum(counts, 1) for errors, counts in sums)
        reason = (
            f"is off by {own.mean():.2%} of the range of the targets in the mean, and the mean of "
            f"the targets by {others.mean():.2%}"
        )
        return proof_of_errors(own, others, reason, "are these its images, --preprocess and unit?")

    def captions(
        self, outputs: Outputs, baseline: Outputs, data: Dataset, place: int
    ) -> tuple[str, ...]:
        """Return the numbers of an image, before and after."""
        before, after = (text.numbers(values_of(each)[place]) for each in (baseline, outputs))
        return f"{before} ->", after

    def answer_text(self, outputs: Outputs, names: Sequence[str], place: int) -> str:
        """Return the numbers of an image with their names."""
        found = enumerate(values_of(outputs)[place])
        return ", ".join(f"{name_at(names, number)} {each:.4g}" for number, each in found)

    def picture(self, outputs: Outputs, baseline: Outputs, data: Dataset, place: int) -> Images:
        """Return a test image with the points, or the box, that are wanted, and both answers."""
        image: Images = data.test.images[place]
        if self.kind == "numbers":
            return image
        rows = [(values_of(baseline)[place], BEFORE), (values_of(outputs)[place], AFTER)]
        if data.test_labels is not None:
            wanted = wanted_of(data.test.labels[place : place + 1])
            rows.insert(0, (np.where(wanted.counts, wanted.values, np.nan)[0], TRUTH))
        return text.picture(image, rows, is_box=self.kind == "boxes")

    def truth(self, data: Dataset, place: int) -> str:
        """Return the numbers of a test image as they should be."""
        return text.numbers(wanted_of(data.test.labels[place : place + 1]).values[0])
