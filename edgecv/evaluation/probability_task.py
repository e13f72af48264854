"""The base class of tasks whose models end in a softmax or sigmoid."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from edgecv.core.data import Outputs, Predictions, Targets
from edgecv.core.paired_results import PairedStatistics
from edgecv.core.plugins import Task
from edgecv.core.text import TextTable
from edgecv.evaluation.class_cells import lowest
from edgecv.evaluation.group_text import group_sentence, group_table
from edgecv.models.softmax import logits_model, separate_softmax

SMALLEST = 1e-12


class ProbabilityTask(Task):
    """A task of probabilities: its loss takes what is before the last softmax or sigmoid."""

    conversion_limit: ClassVar[float] = 1e-4
    group: ClassVar[str] = "class"
    """One of the groups of images that are compared one by one."""
    group_figure: ClassVar[str] = ""
    """Name of the metric of a group, where it has one."""
    group_points: ClassVar[str] = "points"
    """Name of the difference of a group."""

    def separated(self, model: Any) -> Any:
        """Return the same function with its softmax or sigmoid as a layer of its own."""
        return separate_softmax(model)

    def raw_model(self, model: Any) -> Any:
        """Return the model that ends before the softmax or sigmoid."""
        return logits_model(model)

    def score_text(self, value: float) -> str:
        """Write a mean score as a percentage."""
        return f"{value:.1%}"

    def worst(self, outputs: Outputs, targets: Targets, most: int) -> tuple[int, ...]:
        """Return the images with the lowest scores."""
        return lowest(self.score_per_image(outputs, targets), most)

    def summary(self, statistics: PairedStatistics, names: Sequence[str]) -> list[str]:
        """Name the worst group."""
        return [
            f"worst {self.group} {group_sentence(each, names)}" for each in statistics.classes[:1]
        ]

    def table(self, statistics: PairedStatistics, names: Sequence[str]) -> TextTable | None:
        """Return a row for each group."""
        return group_table(statistics.classes, names, self.group_figure, self.group_points)


def mean_divergence(whole: Predictions, cut: Predictions) -> float:
    """Return the mean Kullback-Leibler divergence of probabilities: (..., K) twice -> nats."""
    ratio = np.log(np.maximum(whole, SMALLEST)) - np.log(np.maximum(cut, SMALLEST))
    return float(np.mean((whole * ratio).sum(axis=-1, dtype=np.float64)))
