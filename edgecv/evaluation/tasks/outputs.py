"""Outputs of any number and shape, whose meaning nobody knows: compared number by number."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgecv.core.data import Dataset, Outputs, Targets
from edgecv.core.errors import InputError
from edgecv.core.plugins import Head, Metric, Proof, Task, Terms
from edgecv.evaluation.answer_numbers import answer_numbers
from edgecv.evaluation.output_differences import errors_of_images, of_ranges
from edgecv.evaluation.tasks.regression.proof import proof_of_one


class ComparedOutputs(Task):
    """Numbers of any model: no targets, each output compared with the original's."""

    name: ClassVar[str] = "outputs"
    compares_numbers: ClassVar[bool] = True
    terms: ClassVar[Terms] = Terms(
        output="a number, as a fraction of the range of its output,",
        same="every output is near the baseline's",
    )

    tolerance: float = Field(default=0.3, gt=0, le=1)
    """Largest error of an output for one image that counts as the same answer: the length of the
    difference from the baseline's, as a fraction of the length of that."""

    def of_task(self, data: Dataset) -> Dataset:
        """Return the data without its targets: nothing says what they have to do with outputs."""
        return replace(data, class_names=(), has_labels=False)

    def check_trainable(self) -> None:
        """Raise InputError: without targets there is nothing to train."""
        raise self._untrainable()

    def head(self, data: Dataset) -> Head:
        """Raise InputError: without targets there is nothing to train."""
        raise self._untrainable()

    def targets(self, labels: Targets) -> Targets:
        """Raise InputError: without targets there is nothing to train."""
        raise self._untrainable()

    def loss(self, targets: Any, raw: Any) -> Any:
        """Raise InputError: without targets there is nothing to train."""
        raise self._untrainable()

    def imitation_loss(self, teacher: Any, raw: Any, temperature: float) -> Any:
        """Raise InputError: without targets there is nothing to train."""
        raise self._untrainable()

    def training_score(self, targets: Any, raw: Any) -> Any:
        """Raise InputError: without targets there is nothing to train."""
        raise self._untrainable()

    def _untrainable(self) -> InputError:
        return InputError(
            "--task outputs",
            "compares numbers without targets: nothing can be trained with it",
            accepted="conversion and every --quantize",
            remedy="name the task of the outputs, and give data with its targets",
        )

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """One name without a value: there are no targets."""
        return (Metric("outputs", lambda outputs, targets: 0.0, is_fraction=False),)

    def score_per_image(self, outputs: Outputs, targets: Targets) -> NDArray[np.float64]:
        """Raise InputError: there are no targets."""
        raise self._untrainable()

    def same_answer(self, outputs: Outputs, reference: Outputs) -> NDArray[np.bool_]:
        """Return True for each image whose outputs are all within the tolerance: bool (N,)."""
        near: NDArray[np.bool_] = errors_of_images(outputs, reference).max(axis=0) <= self.tolerance
        return near

    def answer_bytes(self, outputs: Outputs) -> bytes:
        """Return all numbers, rounded as float16 is."""
        return b"".join(map(answer_numbers, outputs.arrays.values()))

    def differences(self, outputs: Outputs, reference: Outputs) -> tuple[float, float]:
        """Return the mean and the largest difference, as fractions of the range of an output."""
        return of_ranges(outputs, reference)

    def proof(self, outputs: Outputs, targets: Targets | None) -> Proof:
        """Return if any output differs between images: constants prove nothing of a copy."""
        if len(outputs) == 1:
            return proof_of_one()
        varying = [bool((each != each[:1]).any()) for each in outputs.arrays.values()]
        reason = "gives the same numbers for every sample: nothing can be proven with them"
        holds = any(varying)
        return Proof(float(np.mean(varying)), 0.0, "" if holds else reason, holds)

    def captions(
        self, outputs: Outputs, baseline: Outputs, data: Dataset, place: int
    ) -> tuple[str, ...]:
        """Return the error of the output that is farthest from the baseline's."""
        one, other = (each.rows(np.array([place])) for each in (outputs, baseline))
        errors = errors_of_images(one, other)[:, 0]
        names: Sequence[str] = list(baseline.arrays)
        worst = int(errors.argmax())
        return (f"{names[worst]}", f"off by {errors[worst]:.0%}")

    def truth(self, data: Dataset, place: int) -> str:
        """Return no text: nothing is known of the image."""
        return ""
