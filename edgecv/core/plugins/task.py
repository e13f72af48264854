"""The contract of a task: the meaning of a model's outputs."""

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgecv.core.data import Bools, Dataset, Outputs, PixelClasses, Targets
from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasModel
from edgecv.core.options import Options, Several
from edgecv.core.output_shape import OutputShape
from edgecv.core.paired_results import GroupDifference, PairedStatistics
from edgecv.core.plugins.task_parts import Metric, Proof
from edgecv.core.plugins.task_report import ReportedTask
from edgecv.core.plugins.task_training import TrainedTask
from edgecv.core.targets import kinds_of, of_field, with_targets
from edgecv.core.text import counted, listed


class Task(TrainedTask, ReportedTask):
    """The meaning of a model's outputs: what is learned, measured, compared and shown.

    Raw outputs are one tensor, or a mapping of several by the names of the outputs; targets of
    training are one array, or any mapping of arrays that ``loss`` knows.
    Nothing outside of a task knows what a class, a box or a mask is. ``Outputs`` are as
    ``normalized`` returns them, ``Targets`` as a data set holds them.
    """

    target: ClassVar[str] = "class"
    """The kind of targets that it learns from and measures with, as in ``core.targets``."""
    conversion_limit: ClassVar[float] = 1e-3
    """The most that a float32 twin may differ from the Keras model, by ``differences``."""

    compares_numbers: ClassVar[bool] = False
    """True if every number of the outputs is compared with the baseline's, and judged by that."""
    has_one_output: ClassVar[bool] = False
    """True if it takes one output of a model, and no other beside it."""
    ending: ClassVar[str] = ""
    """Kind of outputs that ``finished`` leaves as they are: "probabilities", "sigmoid"; empty for
    any numbers."""

    @classmethod
    def fits(cls, data: Dataset, answers: Sequence[tuple[int, ...]], ending: str) -> bool:
        """Return True if targets and outputs are of this task, so that nobody has to name it.

        ``answers``: the shape of each output for one image; ``ending``: "probabilities", "sigmoid"
        or "numbers", as the model's last layer gives.
        """
        return False

    def heads(self) -> tuple["TaskHead", ...]:
        """Return the heads of the model, each with its task: of one head, this task."""
        return (TaskHead(task=self),)

    def head_called(self, name: str) -> "TaskHead":
        """Return the head of that name. Raises InputError where there is none."""
        heads = {each.name: each for each in self.heads()}
        if name not in heads:
            raise InputError(self.name, f'has no head "{name}"', accepted=", ".join(heads))
        return heads[name]

    def for_outputs(self, outputs: Sequence[OutputShape], where: str) -> "Task":
        """Return the task of a model with these outputs.

        Raises InputError where it is of others; ``where`` names the model.
        """
        if not self.has_one_output:
            return self
        if len(outputs) > 1:
            raise InputError(
                where,
                f"gives {counted(len(outputs), 'output')}: {listed([o.name for o in outputs])}",
                accepted=f"one output for {self.name}",
                remedy=f"--task OUTPUT={self.name} names the one of the task; --task outputs"
                " compares all of them by numbers",
            )
        if not self.takes_shape(outputs[0].shape):
            raise InputError(
                where,
                f"gives {'x'.join(map(str, outputs[0].shape))} numbers for an image",
                accepted=f"{self.wanted_shape} an image for {self.name}",
                remedy="--task outputs compares them by numbers",
            )
        return self

    wanted_shape: ClassVar[str] = "one row of numbers"
    """The one output that it takes, as an error names it."""

    @classmethod
    def takes_shape(cls, shape: tuple[int, ...]) -> bool:
        """Return True if one output of this shape, for one image, may be of the task."""
        return sum(side != 1 for side in shape) <= 1

    def names_of(self, shape: tuple[int, ...]) -> int:
        """Return how many names one output of this shape has, for one image: one a number."""
        return math.prod(shape)

    def of_task(self, data: Dataset) -> Dataset:
        """Return the data with the targets of this task. Raises InputError where it has none."""
        return with_targets(data, self.target, self.name) if data.has_labels else data

    def for_data(self, data: Dataset) -> "Task":
        """Return the task as it is trained on the data: classes by number that it has by name."""
        return self

    def finished(self, model: KerasModel, where: str) -> tuple[KerasModel, str]:
        """Return a user's model as files are made of it, and a sentence on its outputs.

        Logits get their activation. Raises InputError where its outputs are none of this task.
        """
        return model, f"its outputs are taken as {self.terms.outputs}"

    def count_outputs(self, data: Dataset) -> tuple[int, ...]:
        """Return the numbers of outputs that fit the data, the usual first; none where all do."""
        return ()

    def fit_data(
        self, data: Dataset, outputs: int, names: Sequence[str] | None, where: str
    ) -> Dataset:
        """Return the data for a model with that number of outputs.

        ``names`` of the outputs, where given. Raises InputError where model and data do not match;
        ``where`` names the model.
        """
        return data

    def normalized(
        self, outputs: Outputs, scales: Mapping[str, float | None]
    ) -> tuple[Outputs, tuple[str, ...]]:
        """Return outputs as the metrics take them, and a note where they had to be converted.

        ``scales`` of outputs that were integers: each value is off by up to half a step. Raises
        ValueError, with what was found, where they are no outputs of this task.
        """
        return outputs, ()

    def activation(self, outputs: Outputs) -> Literal["Softmax", "Sigmoid"] | None:
        """Return the function that ``normalized`` takes of outputs that are logits, else None."""
        return None

    def pixel_classes(self, outputs: Outputs) -> PixelClasses | None:
        """Return the form in which the outputs hold a class for each pixel, None if they do not."""
        return None

    def check_baseline(self, outputs: Outputs, where: str) -> None:
        """Raise InputError where the baseline's outputs cannot serve as a reference."""
        if not all(np.isfinite(values).all() for values in outputs.arrays.values()):
            raise InputError(where, "gives NaN or infinity on the test images")

    @property
    @abstractmethod
    def metrics(self) -> tuple[Metric, ...]:
        """Metrics of comparisons and gates; the first is the headline."""

    @property
    def headline(self) -> Metric:
        """The first metric."""
        return self.metrics[0]

    def metric(self, outputs: Outputs, targets: Targets) -> float:
        """Return the value of the headline metric."""
        return self.headline.of(outputs, targets)

    @abstractmethod
    def score_per_image(self, outputs: Outputs, targets: Targets) -> NDArray[np.float64]:
        """Return the score of each image, higher is better: float64 (N,)."""

    def resampled(self, outputs: Outputs, targets: Targets) -> Callable[[NDArray[np.int64]], float]:
        """Return the headline metric of images drawn anew, by their rows: int (N,) -> float.

        Higher is better: an error has its sign turned. This is the mean of the scores; a metric of
        a whole set counts what it needs of each image once, and sums over the rows.
        """
        scores = self.score_per_image(outputs, targets)
        return lambda rows: float(scores[rows].mean())

    @abstractmethod
    def same_answer(self, outputs: Outputs, reference: Outputs) -> Bools:
        """Return True for each image with the reference's answer: bool (N,)."""

    @abstractmethod
    def answer_bytes(self, outputs: Outputs) -> bytes:
        """Return bytes that are equal if all answers are equal: a lock stores their hash."""

    def confidence(self, outputs: Outputs, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the confidence of the answers to the images at ``places``: float64 (M,)."""
        return np.zeros(len(places))

    def differences(self, outputs: Outputs, reference: Outputs) -> tuple[float, float]:
        """Return the mean and the largest absolute difference of the outputs."""
        pairs = zip(outputs.arrays.values(), reference.arrays.values(), strict=True)
        found = [np.abs(one.astype(np.float64) - other) for one, other in pairs]
        count = sum(each.size for each in found)
        return sum(float(each.sum()) for each in found) / count, float(max(map(np.max, found)))

    def guessing(self, data: Dataset) -> float | None:
        """Return the headline metric of random guessing; None where there is no such value."""
        return None

    def proof(self, outputs: Outputs, targets: Targets | None) -> Proof | None:
        """Return if the answers prove anything; ``targets`` are None where they are not known.

        None where this task cannot tell.
        """
        return None

    def doubts(self, outputs: Outputs, data: Dataset, where: str) -> str | None:
        """Return a warning if the outputs may have another meaning than the labels, else None.

        Raises InputError where they clearly do.
        """
        return None

    def groups(
        self, outputs: Outputs, baseline: Outputs, targets: Targets
    ) -> tuple[GroupDifference, ...]:
        """Compare groups of images, such as the classes, with the baseline's, the worst first."""
        return ()

    def further_statistics(
        self, found: PairedStatistics, outputs: Outputs, baseline: Outputs, targets: Targets
    ) -> PairedStatistics:
        """Return the statistics with those added that only this task has, beside the groups."""
        return found

    def lost_groups(
        self, right: Bools, baseline_right: Bools, targets: Targets, names: Sequence[str]
    ) -> list[str]:
        """Describe each group of images that got worse, the worst first.

        ``right``: bool (N,), True for correct images; ``names`` of the data's classes.
        """
        return []


class TaskHead(Options):
    """The task of one head of a model: of one output, or of several that belong together."""

    output: Several = ()
    """The name of the output, or the names of several; not given where the task has all."""
    task: Task
    target: Several = ()
    """The name of its targets in the data, or several names of numbers: of arrays such as
    y_train_NAME, or of columns. Where not given, those that are called as the output, else all of
    the task's kind."""
    weight: float = Field(default=1.0, gt=0, le=1e6)
    """The weight of its loss in training."""
    limits: Mapping[str, Any] = Field(default_factory=dict)
    """Limits for this head, which take the place of those of the run."""

    @property
    def name(self) -> str:
        """The name in reports: of its outputs, empty where the task has all."""
        return "+".join(self.output)

    def of(self, outputs: Outputs) -> Outputs:
        """Return the outputs of this head. Raises InputError where a model has not given one."""
        if not self.output:
            return outputs
        for name in self.output:
            if name not in outputs.arrays:
                raise InputError(
                    "--task", f'no output is called "{name}"', accepted=", ".join(outputs.arrays)
                )
        return Outputs({name: outputs.arrays[name] for name in self.output})

    def targets(self, labels: Targets | None) -> Targets | None:
        """Return the targets of this head, None where it has none."""
        if labels is None or not self.output:
            return labels
        return np.ascontiguousarray(labels[self.name]) if self.name in kinds_of(labels) else None

    def data(self, whole: Dataset) -> Dataset:
        """Return the data with the targets and the class names of this head."""
        if not self.output:
            return whole
        names = whole.target_names.get(self.name, ())
        if not whole.has_labels or self.name not in kinds_of(whole.test.labels):
            return replace(whole, class_names=names, has_labels=False)
        return replace(of_field(whole, self.name), class_names=names)
