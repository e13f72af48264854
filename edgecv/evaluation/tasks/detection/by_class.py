"""The boxes of each class: of one model, and of two that are compared."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.class_results import ClassResults
from edgecv.core.paired_results import GroupDifference
from edgecv.evaluation.class_cells import scored_classes
from edgecv.evaluation.statistics.groups import compared_groups
from edgecv.evaluation.tasks.detection.average_precision import Matched
from edgecv.evaluation.tasks.detection.boxes import Floats


def class_results(found: Matched, score: float, metric: str, classes: int) -> ClassResults:
    """Return the boxes of each class, right ones from half an overlap on, and its precision.

    ``score`` from which on a box is given; ``metric``: AP of all overlaps, or AP50.
    """
    half = replace(found, hits=found.hits[:1])
    right, given, wanted = (each.sum(axis=0) for each in half.figures(score))
    judged = half if metric == "AP50" else found
    missing = max(0, classes - len(wanted))

    def of_all(values: Floats) -> Floats:
        return np.pad(values, (0, missing))[:classes]

    precisions = of_all(judged.precisions().mean(axis=0))
    scores = np.where(of_all(wanted) > 0, precisions, np.nan)
    return ClassResults(
        classes=scored_classes(of_all(wanted), of_all(given), of_all(right), scores),
        confusion=(),
        wrong_cells=None,
        metric=metric,
        unit="boxes",
    )


def box_f1(hits: Any, given: Any, wanted: Any) -> NDArray[np.float64]:
    """Return twice the hits over all boxes, given and true; 1 where there is none."""
    boxes = given + wanted
    found: NDArray[np.float64] = np.where(boxes > 0, 2 * hits / np.maximum(boxes, 1), 1.0)
    return found


def class_differences(after: Matched, before: Matched, score: float) -> tuple[GroupDifference, ...]:
    """Compare two models class by class, the worst first: by F1, with the AP of both beside it.

    Average precision goes by the order of the scores alone: where all scores of a class fall, it
    stays, and the answers are lost.
    """
    classes = min(after.wanted.shape[1], before.wanted.shape[1])
    present = np.flatnonzero(before.wanted.sum(axis=0)[:classes])
    now, then = (each.precisions().mean(axis=0)[present] for each in (after, before))
    figures = [[part[:, present] for part in each.figures(score)] for each in (after, before)]
    gains = box_f1(*figures[0]) - box_f1(*figures[1])
    whole = [box_f1(*(part.sum(axis=0) for part in each)) for each in figures]
    wins, losses = (gains > 0).sum(axis=0), (gains < 0).sum(axis=0)
    images = (before.wanted[:, present] > 0).sum(axis=0)
    points = (whole[0] - whole[1]) * 100
    return compared_groups(present, images, wins, losses, points, (then, now))
