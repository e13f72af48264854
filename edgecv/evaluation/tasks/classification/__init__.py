"""Classification: the task of models that give class probabilities."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from edgecv.core.class_results import ClassResults
from edgecv.core.data import Bools, Dataset, Outputs, Targets
from edgecv.core.errors import InputError
from edgecv.core.paired_results import Calibration, GroupDifference, PairedStatistics
from edgecv.core.plugins import Metric, Proof, Terms
from edgecv.core.targets import kinds_of
from edgecv.core.text import counted, name_at
from edgecv.datasets.class_order import in_order_of
from edgecv.evaluation.group_text import group_sentence
from edgecv.evaluation.probability_task import mean_divergence
from edgecv.evaluation.statistics.groups import group_differences
from edgecv.evaluation.tasks.classification import text
from edgecv.evaluation.tasks.classification.calibration_error import calibration_error
from edgecv.evaluation.tasks.classification.class_results import class_results
from edgecv.evaluation.tasks.classification.figures import balanced_accuracy, macro_f1, top_five
from edgecv.evaluation.tasks.classification.output_order import check_order
from edgecv.evaluation.tasks.classification.per_class import confusion_changes
from edgecv.evaluation.tasks.classification.probabilities import (
    are_logits,
    as_probabilities,
    of_classes,
)
from edgecv.evaluation.tasks.classification.proof import proof_of
from edgecv.evaluation.tasks.classification.training import ClassHead as ClassHead
from edgecv.evaluation.tasks.classification.training import TrainedClassifier

SUM_TOLERANCE = 1e-2
"""Largest distance of the sum of a baseline's probabilities from 1."""
TWO = 2
MOST_NAMED = 5
"""Classes that are named of one image."""


class Classification(TrainedClassifier):
    """One class an image: trained on cross-entropy, judged by accuracy."""

    name: ClassVar[str] = "classification"
    hub_name: ClassVar[str] = "image-classification"
    has_binary_scores: ClassVar[bool] = True
    blends: ClassVar[bool] = True
    has_one_class: ClassVar[bool] = True
    ending: ClassVar[str] = "probabilities"
    has_one_output: ClassVar[bool] = True

    @classmethod
    def fits(cls, data: Dataset, answers: Sequence[tuple[int, ...]], ending: str) -> bool:
        """Return True for one row of numbers, one for each class of the data, or one for two.

        Without labels only probabilities are told from other numbers.
        """
        if len(answers) != 1 or len(answers[0]) != 1:
            return False
        if not data.has_labels:
            return ending == "probabilities"
        if kinds_of(data.test.labels) != ("class",):
            return False
        (numbers,) = answers[0]
        return len(data.class_names) == TWO if numbers == 1 else ending != "sigmoid"

    def divergence(self, whole: Outputs, cut: Outputs) -> float:
        """Return the mean Kullback-Leibler divergence of probabilities, in nats.

        >>> same = Outputs.one(np.array([[0.5, 0.5]], np.float32))
        >>> Classification().divergence(same, same)
        0.0
        """
        return mean_divergence(of_classes(whole.only), of_classes(cut.only))

    def count_outputs(self, data: Dataset) -> tuple[int, ...]:
        """Return the number of classes of the data, and 1 for two classes."""
        classes = len(data.class_names)
        return (classes, 1) if classes == TWO else (classes,) if classes else ()

    def fit_data(
        self, data: Dataset, outputs: int, names: Sequence[str] | None, where: str
    ) -> Dataset:
        """Return the data with its classes in the order of the outputs.

        Raises InputError where the numbers of classes and outputs differ.
        """
        wanted = TWO if outputs == 1 else outputs
        ordered = in_order_of(data, wanted, names)
        if len(ordered.class_names) != wanted:
            names_help = wanted > len(data.class_names)
            raise InputError(
                where,
                f"gives {counted(outputs, 'number')} for an image, and {data.name} has "
                f"{counted(len(data.class_names), 'class')}",
                accepted="one output a class, or one output for two classes",
                remedy="--labels FILE names each output; the data may then have fewer classes"
                if names_help
                else "give the data that the model was made for, without other classes",
            )
        if outputs != 1:
            return ordered
        first, second = ordered.class_names
        note = f"the one output is the probability of {second}; the other class is {first}"
        return replace(ordered, notes=(*ordered.notes, note))

    def normalized(
        self, outputs: Outputs, scales: Mapping[str, float | None]
    ) -> tuple[Outputs, tuple[str, ...]]:
        """Return probabilities, and a note where they were computed from logits.

        Raises ValueError where the outputs are neither.
        """
        ((name, values),) = outputs.arrays.items()
        probabilities, notes = as_probabilities(values, scales.get(name))
        return Outputs.one(probabilities, name), notes

    def check_baseline(self, outputs: Outputs, where: str) -> None:
        """Raise InputError unless the baseline gives probabilities."""
        super().check_baseline(outputs, where)
        probabilities = of_classes(outputs.only)
        sums = probabilities.sum(axis=1)
        if probabilities.min() < 0 or np.abs(sums - 1).max() > SUM_TOLERANCE:
            raise InputError(
                where,
                "gives outputs that are not probabilities",
                remedy="end the model with a Softmax layer",
            )

    def activation(self, outputs: Outputs) -> Literal["Softmax", "Sigmoid"] | None:
        """Return the softmax of logits, the sigmoid of one."""
        if not are_logits(outputs.only):
            return None
        return "Sigmoid" if outputs.only.shape[1] == 1 else "Softmax"

    method: ClassVar[str] = text.METHOD
    terms: ClassVar[Terms] = Terms(
        output="a probability",
        outputs="classes",
        same="the likeliest class is the same",
        groups="classes",
    )

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Accuracy: the fraction of images whose likeliest class is the label; and by class."""
        further = {
            "balanced accuracy": balanced_accuracy,
            "F1": macro_f1,
            "top-5 accuracy": top_five,
        }
        return (
            Metric("accuracy", self._accuracy),
            *(Metric(name, partial(_figure, figure)) for name, figure in further.items()),
        )

    def _accuracy(self, outputs: Outputs, targets: Targets) -> float:
        return float(np.mean(self.score_per_image(outputs, targets)))

    def score_per_image(self, outputs: Outputs, targets: Targets) -> NDArray[np.float64]:
        """Return 1 where the likeliest class is the label, else 0: float64 (N,)."""
        right: NDArray[np.float64] = (likeliest(outputs) == targets).astype(np.float64)
        return right

    def same_answer(self, outputs: Outputs, reference: Outputs) -> Bools:
        """Return True for each image with the reference's likeliest class: bool (N,)."""
        same: Bools = likeliest(outputs) == likeliest(reference)
        return same

    def answer_bytes(self, outputs: Outputs) -> bytes:
        """Return the likeliest class of each image, four bytes each."""
        return likeliest(outputs).astype("<i4").tobytes()

    def confidence(self, outputs: Outputs, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the largest probability of each of some images."""
        largest: NDArray[np.float64] = of_classes(outputs.only)[places].max(axis=1)
        return largest

    def differences(self, outputs: Outputs, reference: Outputs) -> tuple[float, float]:
        """Return the mean and the largest absolute difference of the probabilities."""
        pair = (Outputs.one(of_classes(each.only)) for each in (outputs, reference))
        return super().differences(*pair)

    def guessing(self, data: Dataset) -> float | None:
        """Return the accuracy of random guessing on classes of equal size."""
        return 1 / len(data.class_names)

    def proof(self, outputs: Outputs, targets: Targets | None) -> Proof:
        """Return if the classifier is better than guessing, and has more than one answer."""
        return proof_of(likeliest(outputs), targets)

    def doubts(self, outputs: Outputs, data: Dataset, where: str) -> str | None:
        """Return a warning if another order of the outputs would be more accurate."""
        return check_order(of_classes(outputs.only), data.test.labels, data.class_names, where)

    def groups(
        self, outputs: Outputs, baseline: Outputs, targets: Targets
    ) -> tuple[GroupDifference, ...]:
        """Compare class by class."""
        right, before = (likeliest(each) == targets for each in (outputs, baseline))
        return group_differences(right, before, targets)

    def further_statistics(
        self, found: PairedStatistics, outputs: Outputs, baseline: Outputs, targets: Targets
    ) -> PairedStatistics:
        """Add the calibration error, and the confusions that changed most."""
        answers, before = likeliest(outputs), likeliest(baseline)
        return replace(
            found,
            calibration=Calibration(
                baseline=calibration_error(of_classes(baseline.only), targets),
                candidate=calibration_error(of_classes(outputs.only), targets),
            ),
            confusion=confusion_changes(
                answers, before, targets, of_classes(outputs.only).shape[1]
            ),
        )

    def class_results(self, outputs: Outputs, targets: Targets, classes: int) -> ClassResults:
        """Return precision, recall and confusion of the classes, and the calibration."""
        return class_results(of_classes(outputs.only), targets)

    def worst(self, outputs: Outputs, targets: Targets, most: int) -> tuple[int, ...]:
        """Return wrong answers whose true class got the lowest probability."""
        own = np.take_along_axis(of_classes(outputs.only), targets[:, None], axis=1)[:, 0]
        order = np.argsort(own, kind="stable")
        wrong = order[(likeliest(outputs) != targets)[order]]
        return tuple(wrong[:most].tolist())

    def lost_groups(
        self, right: Bools, baseline_right: Bools, targets: Targets, names: Sequence[str]
    ) -> list[str]:
        """Describe each class that lost points."""
        found = group_differences(right, baseline_right, targets)
        return [group_sentence(each, names) for each in found if each.difference_points < 0]

    def summary(self, statistics: PairedStatistics, names: Sequence[str]) -> list[str]:
        """Name the worst class and the calibration errors."""
        return text.summary(statistics, names)

    def details(self, statistics: PairedStatistics, names: Sequence[str]) -> list[str]:
        """Name the confusions that changed most."""
        return text.confusions(statistics, names)

    def captions(
        self, outputs: Outputs, baseline: Outputs, data: Dataset, place: int
    ) -> tuple[str, ...]:
        """Return the likeliest class and its probability, before and after."""
        names = data.class_names
        before, after = (of_classes(each.only)[place] for each in (baseline, outputs))
        return (
            f"{names[before.argmax()]} {before.max():.0%} ->",
            f"{names[after.argmax()]} {after.max():.0%}",
        )

    def answer_text(self, outputs: Outputs, names: Sequence[str], place: int) -> str:
        """Return the likeliest classes of an image with their probabilities."""
        found = of_classes(outputs.only)[place]
        best = np.argsort(-found, kind="stable")[:MOST_NAMED]
        return ", ".join(f"{name_at(names, each)} {found[each]:.1%}" for each in best)

    def truth(self, data: Dataset, place: int) -> str:
        """Return the name of the class of a test image."""
        return data.class_names[int(data.test.labels[place])]


def likeliest(outputs: Outputs) -> NDArray[np.int64]:
    """Return the likeliest class of each image: int64 (N,)."""
    answers: NDArray[np.int64] = of_classes(outputs.only).argmax(axis=1)
    return answers


def _figure(figure: Callable[..., float], outputs: Outputs, targets: Targets) -> float:
    return figure(of_classes(outputs.only), targets)
