"""Several classes an image: the task of models with a yes or no for each label."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from edgecv.core.class_results import ClassResults
from edgecv.core.data import SPLITS, Dataset, Outputs, Targets
from edgecv.core.errors import InputError
from edgecv.core.paired_results import GroupDifference
from edgecv.core.plugins import Metric, Proof, Terms
from edgecv.core.targets import kinds_of
from edgecv.core.text import listed, name_at
from edgecv.datasets.class_order import reordered
from edgecv.evaluation.statistics.groups import label_differences
from edgecv.evaluation.tasks.classification.probabilities import are_logits, sigmoid
from edgecv.evaluation.tasks.classification.proof import NOTHING, ONE_ANSWER, limit_above
from edgecv.evaluation.tasks.multilabel.average_precision import mean_average_precision
from edgecv.evaluation.tasks.multilabel.class_results import class_results
from edgecv.evaluation.tasks.multilabel.trained_multilabel import TrainedMultilabel

LOGITS = "it gives logits: a sigmoid is taken of each"
SHUFFLES, CHANCE = 100, 0.95
"""Answers that are given to the images at random, and the part that must score less."""


class Multilabel(TrainedMultilabel):
    """Several classes an image: trained on binary cross-entropy, judged by mAP."""

    name: ClassVar[str] = "multilabel"
    hub_name: ClassVar[str] = "image-classification"
    target: ClassVar[str] = "classes"
    judges_order: ClassVar[bool] = True
    group: ClassVar[str] = "label"
    group_points: ClassVar[str] = "F1 points"
    blends: ClassVar[bool] = True
    ending: ClassVar[str] = "sigmoid"
    has_one_output: ClassVar[bool] = True

    @classmethod
    def fits(cls, data: Dataset, answers: Sequence[tuple[int, ...]], ending: str) -> bool:
        """Return True for several classes an image, and a number for each."""
        wanted = [(len(data.class_names),)]
        return data.has_labels and "classes" in kinds_of(data.test.labels) and [*answers] == wanted

    def of_task(self, data: Dataset) -> Dataset:
        """Return the data with its labels, 0 or 1 each; one class an image is one of them."""
        if not data.has_labels or "class" not in kinds_of(data.test.labels):
            return super().of_task(data)
        if "classes" in kinds_of(data.test.labels):
            return super().of_task(data)
        kept = np.eye(len(data.class_names), dtype=np.uint8)
        splits: dict[str, Any] = {}
        for name in SPLITS:
            split, labels = data.split(name), data.split(name).labels
            classes = labels if labels.dtype.names is None else labels["class"]
            splits[name] = replace(split, labels=kept[classes])
        return replace(data, **splits)

    def count_outputs(self, data: Dataset) -> tuple[int, ...]:
        """Return the number of labels of the data."""
        return (len(data.class_names),) if data.class_names else ()

    def fit_data(
        self, data: Dataset, outputs: int, names: Sequence[str] | None, where: str
    ) -> Dataset:
        """Return the data with its labels in the order of the outputs."""
        own = data.class_names if data.has_labels else tuple(map(str, range(outputs)))
        wanted = tuple(names or own)
        if len(wanted) != outputs or (data.has_labels and sorted(wanted) != sorted(own)):
            raise InputError(
                where,
                f"gives {outputs} numbers for an image, and {data.name} has {len(own)} labels"
                f" ({listed(own)})",
                accepted="one output a label",
                remedy="--labels FILE names each output by a label of the data",
            )
        if wanted == own or not data.has_labels:
            return replace(data, class_names=wanted)
        places = np.array([own.index(name) for name in wanted])
        parts = {name: data.split(name) for name in SPLITS}
        splits: dict[str, Any] = {
            name: reordered(part, part.labels[:, places], places) for name, part in parts.items()
        }
        return replace(data, class_names=wanted, **splits)

    def activation(self, outputs: Outputs) -> Literal["Softmax", "Sigmoid"] | None:
        """Return the sigmoid of logits."""
        return "Sigmoid" if are_logits(outputs.only) else None

    def normalized(
        self, outputs: Outputs, scales: Mapping[str, float | None]
    ) -> tuple[Outputs, tuple[str, ...]]:
        """Return probabilities, and a note where they were computed from logits."""
        ((name, values),) = outputs.arrays.items()
        if are_logits(values):
            return Outputs.one(sigmoid(values), name), (LOGITS,)
        return outputs, ()

    terms: ClassVar[Terms] = Terms(
        output="a probability",
        outputs="labels",
        same="the labels are the same",
    )
    method: ClassVar[str] = (
        "mAP: the mean over the labels of the area under precision over recall. A label is given "
        "where its probability reaches the threshold; its points are of its F1, and p is the exact "
        "McNemar test, corrected by Holm's method for the number of labels."
    )

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Mean average precision; F1 over all labels, and images with exactly their labels."""
        return (
            Metric("mAP", self._precision),
            Metric("F1", self._f1),
            Metric("exact match", self._exact),
        )

    def _precision(self, outputs: Outputs, targets: Targets) -> float:
        return self.resampled(outputs, targets)(np.arange(len(outputs)))

    def _f1(self, outputs: Outputs, targets: Targets) -> float:
        given, wanted = self.given(outputs), targets == 1
        either = np.sum(given) + np.sum(wanted)
        return float(2 * np.sum(given & wanted) / either) if either else 1.0

    def _exact(self, outputs: Outputs, targets: Targets) -> float:
        return float(np.mean((self.given(outputs) == (targets == 1)).all(axis=1)))

    def given(self, outputs: Outputs) -> NDArray[np.bool_]:
        """Return True where a label is given: bool (N, K)."""
        values = outputs.only
        given: NDArray[np.bool_] = (
            sigmoid(values) if are_logits(values) else values
        ) >= self.threshold
        return given

    def resampled(self, outputs: Outputs, targets: Targets) -> Callable[[NDArray[np.int64]], float]:
        """Return the mAP of images drawn anew."""
        return mean_average_precision(outputs.only, targets == 1)

    def score_per_image(self, outputs: Outputs, targets: Targets) -> NDArray[np.float64]:
        """Return the overlap of given and wanted labels, 1 where both are none: float64 (N,)."""
        given, wanted = self.given(outputs), targets == 1
        either = np.sum(given | wanted, axis=1)
        return np.where(either, np.sum(given & wanted, axis=1) / np.maximum(either, 1), 1.0)

    def same_answer(self, outputs: Outputs, reference: Outputs) -> NDArray[np.bool_]:
        """Return True for each image with the reference's labels: bool (N,)."""
        same: NDArray[np.bool_] = (self.given(outputs) == self.given(reference)).all(axis=1)
        return same

    def answer_bytes(self, outputs: Outputs) -> bytes:
        """Return a bit for each label of each image."""
        return np.packbits(self.given(outputs), axis=1).tobytes()

    def confidence(self, outputs: Outputs, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the mean distance of the probabilities from 1/2, for each of some images."""
        far: NDArray[np.float64] = np.abs(outputs.only[places] - 0.5).mean(axis=1)
        return far

    def proof(self, outputs: Outputs, targets: Targets | None) -> Proof:
        """Return if the labels are better than guessed, and differ from image to image."""
        given = self.given(outputs)
        share = float(np.unique(given, axis=0, return_counts=True)[1].max() / len(given))
        if targets is None:
            text = f"gives the same labels to {share:.1%} of the images"
            holds = share < ONE_ANSWER
            return Proof(share, ONE_ANSWER, text if holds else f"{text}: {NOTHING}", holds)
        found = self._precision(outputs, targets)
        random = np.random.default_rng(0)
        by_chance = [
            self._precision(outputs, targets[random.permutation(len(targets))])
            for _ in range(SHUFFLES)
        ]
        guessing = float(np.mean(by_chance))
        limit = max(limit_above(guessing), float(np.quantile(by_chance, CHANCE)))
        text = f"has a mAP of {found:.1%}, and guessing of {guessing:.1%}"
        if found <= limit:
            text += f": {NOTHING}; are these its images, --preprocess and --labels?"
        return Proof(found, limit, text, found > limit)

    def groups(
        self, outputs: Outputs, baseline: Outputs, targets: Targets
    ) -> tuple[GroupDifference, ...]:
        """Compare label by label, by F1."""
        return label_differences(self.given(outputs), self.given(baseline), targets == 1)

    def class_results(self, outputs: Outputs, targets: Targets, classes: int) -> ClassResults:
        """Return average precision, precision and recall of each label."""
        return class_results(outputs.only, self.given(outputs), targets == 1)

    def captions(
        self, outputs: Outputs, baseline: Outputs, data: Dataset, place: int
    ) -> tuple[str, ...]:
        """Return the labels of an image, before and after."""
        before, after = (_names(self.given(each)[place], data) for each in (baseline, outputs))
        return f"{before} ->", after

    def answer_text(self, outputs: Outputs, names: Sequence[str], place: int) -> str:
        """Return the labels of an image with their probabilities."""
        found = outputs.only[place]
        chosen = np.flatnonzero(self.given(outputs)[place]).tolist()
        named = [f"{name_at(names, each)} {found[each]:.1%}" for each in chosen]
        return ", ".join(named) or "none"

    def truth(self, data: Dataset, place: int) -> str:
        """Return the labels of a test image."""
        return _names(data.test.labels[place] == 1, data)


def _names(given: NDArray[np.bool_], data: Dataset) -> str:
    return ", ".join(data.class_names[place] for place in np.flatnonzero(given)) or "none"
