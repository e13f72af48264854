"""Statistics of a candidate's and the baseline's answers to the same images."""

from dataclasses import replace

from edgecv.core.data import Outputs, Targets
from edgecv.core.paired_results import PairedStatistics
from edgecv.core.plugins import Task
from edgecv.evaluation.changed_answers import changed_answers
from edgecv.evaluation.statistics.binary_scores import no_worse, paired_accuracy

DEFAULT_MARGIN_POINTS = 1.0


def with_margin(statistics: PairedStatistics, margin_points: float) -> PairedStatistics:
    """Return the statistics with the answer of "no worse" for another margin."""
    found = statistics.accuracy
    if found is None:
        return statistics
    answer = no_worse(found.wins, found.losses, found.images, margin_points)
    return replace(statistics, accuracy=replace(found, no_worse=answer))


def paired_statistics(
    outputs: Outputs,
    baseline: Outputs,
    targets: Targets | None,
    task: Task,
    margin_points: float = DEFAULT_MARGIN_POINTS,
) -> PairedStatistics:
    """Compare a candidate's outputs with the baseline's.

    ``targets`` are None for images without labels: then there are only the changed answers.
    ``accuracy`` is for scores of 0 and 1; other scores have no test and no interval.
    """
    found = PairedStatistics(changed_answers(outputs, baseline, targets, task))
    if targets is None:
        return found
    if task.has_binary_scores:
        right, before = (task.score_per_image(each, targets) == 1 for each in (outputs, baseline))
        found = replace(found, accuracy=paired_accuracy(right, before, margin_points))
    return task.further_statistics(found, outputs, baseline, targets)
