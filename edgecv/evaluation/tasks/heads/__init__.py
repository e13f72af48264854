"""Several tasks in one model: each head of it has one, with its own targets, metrics and limits."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Dataset, Outputs, Targets
from edgecv.core.errors import InputError, unknown_name
from edgecv.core.output_shape import OutputShape
from edgecv.core.plugins import Metric, Task, TaskHead, Terms
from edgecv.core.targets import with_fields
from edgecv.datasets.named_targets import NAMED, as_kind, columns_of, target_names
from edgecv.evaluation.task_of import compared_outputs
from edgecv.evaluation.tasks.heads.trained_heads import TrainedHeads


class Heads(TrainedHeads):
    """Several tasks in one model, each of its own outputs: written as [[task]] in a recipe."""

    name: ClassVar[str] = "heads"
    ending: ClassVar[str] = "heads"
    terms: ClassVar[Terms] = Terms(same="the answers of all heads are the same")

    def heads(self) -> tuple[TaskHead, ...]:
        """Return the heads of the model, each with its task."""
        return self.parts

    def for_outputs(self, outputs: Sequence[OutputShape], where: str) -> Task:
        """Return the tasks with one more for each output that has none: its numbers are compared.

        Raises InputError for an output that the model has not, or that is none of its task.
        """
        if len(outputs) == 1:
            raise InputError(
                where,
                "has one output",
                accepted="one task for it",
                remedy=f"give --task {self.parts[0].task.name}",
            )
        by_name = {each.name: each for each in outputs}
        given = [name for part in self.parts for name in part.output]
        for name in given:
            if name not in by_name:
                raise unknown_name(where, f'has no output "{name}"', name, list(by_name))
        for part in self.parts:
            own = [by_name[name] for name in part.output]
            part.task.for_outputs(own, f"{where}, {part.name}")
        others = (name for name in by_name if name not in given)
        added = (TaskHead(output=(name,), task=compared_outputs()) for name in others)
        return self.model_copy(update={"parts": (*self.parts, *added)})

    def of_task(self, data: Dataset) -> Dataset:
        """Return the data with the targets of each head, by its name."""
        found = {}
        for part in self.parts:
            names = self._targets_of(part, data) if data.has_labels else ()
            where = f"the targets of {part.name}"
            own = as_kind(data, names, part.task.target, where) if names else data
            found[part.name] = part.task.of_task(own)
        return with_fields(data, found)

    def for_data(self, data: Dataset) -> Task:
        """Return the tasks of the heads as they are trained on the data."""
        parts = (
            part.model_copy(update={"task": part.task.for_data(part.data(data))})
            for part in self.parts
        )
        return self.model_copy(update={"parts": tuple(parts)})

    def _targets_of(self, part: TaskHead, data: Dataset) -> tuple[str, ...]:
        """Return the names of a head's targets; none where it takes all of its kind."""
        if part.task.compares_numbers:
            if part.target:
                where = f"the targets of {part.name}"
                raise InputError(where, "are of no use: its numbers are compared with the baseline")
            return ()
        kind, same = part.task.target, [each.task.target for each in self.parts]
        named = target_names(data) + (columns_of(data) if same.count(kind) > 1 else ())
        is_named = kind in NAMED and part.name != kind and part.name in named
        return part.target or ((part.name,) if is_named else ())

    def divergence(self, whole: Outputs, cut: Outputs) -> float:
        """Return the weighted sum of the divergences of the heads."""
        return float(self.weighted(lambda part: part.task.divergence(part.of(whole), part.of(cut))))

    def normalized(
        self, outputs: Outputs, scales: Mapping[str, float | None]
    ) -> tuple[Outputs, tuple[str, ...]]:
        """Return each output as its task takes it, and notes. Raises ValueError."""
        arrays, notes = dict(outputs.arrays), []
        for part in self.parts:
            try:
                found, changes = part.task.normalized(part.of(outputs), scales)
            except ValueError as error:
                raise ValueError(f"its head {part.name}: {error}") from None
            arrays |= zip(part.output, found.arrays.values(), strict=True)
            notes += [f"{part.name}: {each}" for each in changes]
        return Outputs(arrays), tuple(notes)

    def check_baseline(self, outputs: Outputs, where: str) -> None:
        """Raise InputError where the outputs of a head cannot serve as a reference."""
        for part in self.parts:
            part.task.check_baseline(part.of(outputs), f"{where}, {part.name}")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The weighted mean of the scores of the heads, which trainings are chosen by."""
        return (Metric("score", self._score, is_fraction=False),)

    def _score(self, outputs: Outputs, targets: Targets) -> float:
        return float(self.score_per_image(outputs, targets).mean())

    def score_per_image(self, outputs: Outputs, targets: Targets) -> NDArray[np.float64]:
        """Return the weighted mean of the scores of the heads that have targets: float64 (N,)."""
        known = [(part, own) for part in self.parts if (own := part.targets(targets)) is not None]
        scores = [part.task.score_per_image(part.of(outputs), own) for part, own in known]
        weights = [part.weight for part, _ in known]
        return np.asarray(np.average(scores, axis=0, weights=weights), np.float64)

    def same_answer(self, outputs: Outputs, reference: Outputs) -> NDArray[np.bool_]:
        """Return True for each image with the reference's answer of every head: bool (N,)."""
        same: NDArray[np.bool_] = np.all(
            [part.task.same_answer(part.of(outputs), part.of(reference)) for part in self.parts],
            axis=0,
        )
        return same

    def answer_bytes(self, outputs: Outputs) -> bytes:
        """Return the answers of all heads, one after the other."""
        return b"".join(part.task.answer_bytes(part.of(outputs)) for part in self.parts)

    def differences(self, outputs: Outputs, reference: Outputs) -> tuple[float, float]:
        """Return the mean of the mean differences of the heads, and the largest difference."""
        found = [part.task.differences(part.of(outputs), part.of(reference)) for part in self.parts]
        return float(np.mean([mean for mean, _ in found])), max(most for _, most in found)

    def doubts(self, outputs: Outputs, data: Dataset, where: str) -> str | None:
        """Return the warnings on all heads. Raises InputError where one clearly differs."""
        found = []
        for part in self.parts:
            own = part.data(data)
            text = part.task.doubts(part.of(outputs), own, where) if own.has_labels else None
            found += [f"{part.name}: {text}"] if text else []
        return "; ".join(found) or None

    def captions(
        self, outputs: Outputs, baseline: Outputs, data: Dataset, place: int
    ) -> tuple[str, ...]:
        """Return the lines of every head."""
        return tuple(
            line
            for part in self.parts
            for line in part.task.captions(
                part.of(outputs), part.of(baseline), part.data(data), place
            )
        )

    def answer_text(self, outputs: Outputs, names: Sequence[str], place: int) -> str:
        """Return the answers of all heads for one image, their classes by number."""
        return "; ".join(
            f"{part.name}: {part.task.answer_text(part.of(outputs), (), place)}"
            for part in self.parts
        )
