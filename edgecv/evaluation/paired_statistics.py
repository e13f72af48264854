"""Statistics of a candidate's and the baseline's answers to the same images."""

from dataclasses import replace

import numpy as np

from edgecv.core.data import Outputs, Targets
from edgecv.core.paired_results import NoWorse, PairedAccuracy, PairedScores, PairedStatistics
from edgecv.core.plugins import Task
from edgecv.evaluation.changed_answers import changed_answers
from edgecv.evaluation.statistics import binary_scores, real_scores

DEFAULT_MARGIN_POINTS = 1.0


def no_worse(found: PairedAccuracy | PairedScores, margin_points: float) -> NoWorse:
    """Test if a candidate is worse by less than a margin."""
    if isinstance(found, PairedScores):
        return real_scores.no_worse(found, margin_points)
    return binary_scores.no_worse(found.wins, found.losses, found.images, margin_points)


def with_margin(statistics: PairedStatistics, margin_points: float) -> PairedStatistics:
    """Return the statistics with the answer of "no worse" for another margin."""
    accuracy, scores = statistics.accuracy, statistics.scores
    if accuracy is not None:
        accuracy = replace(accuracy, no_worse=no_worse(accuracy, margin_points))
    if scores is not None:
        scores = replace(scores, no_worse=no_worse(scores, margin_points))
    return replace(statistics, accuracy=accuracy, scores=scores)


def paired_statistics(
    outputs: Outputs,
    baseline: Outputs,
    targets: Targets | None,
    task: Task,
    margin_points: float = DEFAULT_MARGIN_POINTS,
) -> PairedStatistics:
    """Compare a candidate's outputs with the baseline's.

    ``targets`` are None for images without labels: then there are only the changed answers.
    ``accuracy`` is for scores of 0 and 1, ``scores`` for others.
    """
    found = PairedStatistics(changed_answers(outputs, baseline, targets, task))
    if targets is None:
        return found
    after, before = (task.score_per_image(each, targets) for each in (outputs, baseline))
    if task.has_binary_scores:
        accuracy = binary_scores.paired_accuracy(after == 1, before == 1, margin_points)
        found = replace(found, accuracy=accuracy)
    elif len(outputs) > 1:  # One image has no interval.
        metric, metric_before = (task.resampled(each, targets) for each in (outputs, baseline))
        points = task.headline.points
        scores = real_scores.paired_scores(
            lambda rows: points * (metric(rows) - metric_before(rows)),
            after,
            before,
            margin_points,
            _changed(outputs, baseline) if task.judges_order else 0,
        )
        found = replace(found, scores=scores)
    found = replace(found, classes=task.groups(outputs, baseline, targets))
    return task.further_statistics(found, outputs, baseline, targets)


def _changed(outputs: Outputs, baseline: Outputs) -> int:
    """Return the number of images with another number in any output."""
    pairs = [*zip(outputs.arrays.values(), baseline.arrays.values(), strict=True)]
    return sum(
        not all(np.array_equal(one[place], other[place]) for one, other in pairs)
        for place in range(len(outputs))
    )
