"""Scores of a model with each preprocessing on the same images, and a paired test of them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Bools, Dataset, Images, Outputs, Split, Targets
from edgecv.core.errors import InputError
from edgecv.core.images import ImageSequence
from edgecv.core.plugins import Task
from edgecv.core.preprocessing import NAMED, Preprocessing, fitting
from edgecv.core.sample import balanced_rows
from edgecv.evaluation.output_counts import mismatch
from edgecv.evaluation.output_differences import aligned
from edgecv.evaluation.statistics.binary_scores import mcnemar
from edgecv.evaluation.task_of import compared_outputs
from edgecv.pipeline.preprocessing.model_reader import ModelReader

IMAGES = (500, 2000)
"""Images of a trial, and of the second one where the first leaves the best choice open."""
FEWEST = 64
"""Images that are always tried: enough to prove a choice that is better on a fifth of them."""
LONGEST_S = 60.0
"""Seconds from which a large model is tried on fewer images than ``IMAGES``, but ``FEWEST``."""
MARGIN = 0.02
"""The least gain of a choice that is clearly better: 2 points of accuracy."""
FAR = 2.0
LEVEL = 0.01
"""Probability that equal choices differ so clearly by chance, over all of them and both trials."""
TESTS = len(IMAGES) * len(NAMED)
AS_GIVEN = "given"
"""The name of a preprocessing that has none: its numbers stand in the recipe."""
DEFAULT = "0..255"

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Trial:
    """The score of each image with each preprocessing, by its name: float64 (N,)."""

    scores: Mapping[str, Scores]
    is_binary: bool
    is_cut: bool = False
    """True if the model was too slow for the whole sample."""

    @property
    def images(self) -> int:
        """The number of images."""
        return len(next(iter(self.scores.values())))

    def mean(self, name: str) -> float:
        """Return the mean score with a preprocessing."""
        return float(self.scores[name].mean())

    @property
    def best(self) -> str:
        """The name of the preprocessing with the highest mean score."""
        return max(self.scores, key=self.mean)

    def clearly_better(self, than: str) -> list[str]:
        """Return the names of the choices that are clearly better than one, the best first."""
        found = [name for name in self.scores if self.is_better(name, than)]
        return sorted(found, key=self.mean, reverse=True)

    def is_open(self, current: str) -> bool:
        """Return True if another choice seems better than the one used now, but not clearly."""
        best = self.best
        seems = self.mean(best) >= self.mean(current) + MARGIN
        return seems and not self.is_better(best, current)

    def is_better(self, name: str, than: str) -> bool:
        """Return True if a choice is clearly better than another on the same images."""
        one, other = self.scores[name], self.scores[than]
        if not len(one) or self.mean(name) < self.mean(than) + MARGIN:
            return False
        return self._p_value(one, other) < LEVEL / TESTS

    def is_far_worse(self, name: str, than: str) -> bool:
        """Return True if a choice is clearly worse than another, with ``FAR`` times its errors."""
        if not self.is_better(than, name):
            return False
        return not self.is_binary or 1 - self.mean(name) > FAR * (1 - self.mean(than))

    def _p_value(self, one: Scores, other: Scores) -> float:
        from scipy.stats import wilcoxon

        wins, losses = int(np.sum(one > other)), int(np.sum(one < other))
        if self.is_binary:
            return float(mcnemar(np.array(wins), np.array(losses)))
        return float(wilcoxon(one, other).pvalue) if wins + losses else 1.0


def run_trial(
    model: ModelReader,
    choices: Mapping[str, Preprocessing],
    current: str,
    data: Dataset,
    task: Task,
) -> Trial:
    """Score a model on labelled images with each preprocessing; ``current``: the one used now.

    Where others seem better, but not clearly, these are run on more images.
    """

    def score(tried: Mapping[str, Preprocessing], most: int) -> Trial:
        images, labels = labelled_sample(data, most)

        def part(start: int, end: int) -> dict[str, Scores]:
            outputs = model.predict(images[start:end], tried)
            for each in outputs.values():
                _check_counts(each, data, task, model.where)
            return {name: _scores(each, labels[start:end], task) for name, each in outputs.items()}

        began = time.monotonic()
        scores = part(0, FEWEST)
        in_time = FEWEST * LONGEST_S / max(time.monotonic() - began, 1e-6)
        end = min(len(images), max(FEWEST, int(in_time)))
        if end > FEWEST:
            scores = {
                name: np.concatenate([scores[name], each])
                for name, each in part(FEWEST, end).items()
            }
        return Trial(scores, task.has_binary_scores, is_cut=end < len(images))

    first = score(choices, IMAGES[0])
    if not first.is_open(current) or first.is_cut or sample_size(data, IMAGES[1]) <= first.images:
        return first
    least = first.mean(current) + MARGIN
    open_ones = [name for name in choices if name == current or first.mean(name) >= least]
    return score({name: choices[name] for name in open_ones}, IMAGES[1])


def _check_counts(outputs: Outputs, data: Dataset, task: Task, where: str) -> None:
    """Raise InputError where the targets have another count of numbers than the outputs."""
    other = mismatch(outputs, data, task)
    if other and any(np.isfinite(each).any() for each in outputs.arrays.values()):
        found, wanted = other
        raise InputError(
            where,
            found,
            accepted=f"{wanted}, as {data.name} has",
            remedy="give the data that it was made for, or --labels FILE, which names each output"
            if data.class_names
            else "give the data that it was made for",
        )


def _scores(outputs: Outputs, labels: Targets, task: Task) -> Scores:
    """Return the score of each image; 0 where an output is no number: the pixels were too large."""
    rows = [np.isfinite(each.reshape(len(each), -1)).all(1) for each in outputs.arrays.values()]
    return np.where(np.all(rows, axis=0), task.score_per_image(outputs, labels), 0.0)


def run_agreement_trial(
    model: ModelReader,
    choices: Mapping[str, Preprocessing],
    images: Images,
    reference: Outputs,
    task: Task,
) -> Trial:
    """Score a file by the answers of its baseline to the same images.

    Outputs that cannot be compared have no answer in common.
    """
    scores = {}
    for name, outputs in model.predict(images, choices).items():
        try:
            scores[name] = _same_answers(outputs, reference, task).astype(np.float64)
        except ValueError:
            scores[name] = np.zeros(len(images))
    return Trial(scores, True)


def _same_answers(outputs: Outputs, reference: Outputs, task: Task) -> Bools:
    """Compare outputs under the names that the heads of the task have; of others, the numbers."""
    if len(outputs.arrays) == len(reference.arrays) == 1:  # One output needs no name.
        return task.same_answer(outputs, reference)
    heads = {name for head in task.heads() for name in head.output}
    if heads and heads <= outputs.arrays.keys():
        return task.same_answer(outputs, aligned(reference, outputs)[0])
    own = aligned(outputs, reference)[0]
    known = task if heads <= reference.arrays.keys() else compared_outputs()
    return known.same_answer(own, reference)


def choices_with(
    asked: Preprocessing | None, channels: int
) -> tuple[dict[str, Preprocessing], str]:
    """Return all choices by name, and the name of the one that is used now."""
    choices = fitting(channels)
    if asked is None:
        return choices, DEFAULT
    known = next((name for name, each in choices.items() if each == asked), None)
    return (choices, known) if known else ({**choices, AS_GIVEN: asked}, AS_GIVEN)


def labelled_sample(data: Dataset, most: int) -> tuple[Images, Targets]:
    """Return images of all classes with their labels: not test images, where there are enough."""
    splits, rows = _sample(data, most)
    labels: Targets = np.concatenate([each.labels for each in splits])
    return _rows_of([each.images for each in splits], rows), labels[rows]


def sample_size(data: Dataset, most: int) -> int:
    """Return the number of images of ``labelled_sample``: it has as many of each class."""
    return len(_sample(data, most)[1])


def _sample(data: Dataset, most: int) -> tuple[list[Split], NDArray[np.int64]]:
    splits = [data.calibration, data.validation, data.train]
    if sum(map(len, splits)) < most:
        splits.append(data.test)
    return splits, balanced_rows(np.concatenate([each.labels for each in splits]), most)


def _rows_of(parts: Sequence[ImageSequence], rows: NDArray[np.int64]) -> Images:
    """Return rows of joined arrays, without joining them: a data set may fill the memory."""
    starts = np.cumsum([0, *map(len, parts)])
    found: Images = np.empty((len(rows), *parts[0].shape[1:]), np.uint8)
    for part, start in zip(parts, starts[:-1], strict=True):
        is_here = (rows >= start) & (rows < start + len(part))
        found[is_here] = part[rows[is_here] - start]
    return found
