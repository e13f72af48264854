"""Scores of 0 and 1 within groups of the images, corrected for the number of groups."""

import numpy as np
from numpy.typing import NDArray

from edgecv.core.paired_results import GroupDifference
from edgecv.evaluation.statistics.binary_scores import mcnemar

SIGNIFICANCE = 0.05
Counts = NDArray[np.int64]


def group_differences(
    right: NDArray[np.bool_], baseline_right: NDArray[np.bool_], groups: NDArray[np.int64]
) -> tuple[GroupDifference, ...]:
    """Compare two models group by group, the worst first: bool (N,), bool (N,), int (N,)."""
    present, place = np.unique(groups, return_inverse=True)
    wins = np.bincount(place[right & ~baseline_right], minlength=len(present))
    losses = np.bincount(place[~right & baseline_right], minlength=len(present))
    images = np.bincount(place)
    return compared_groups(present, images, wins, losses, (wins - losses) / images * 100)


def label_differences(
    given: NDArray[np.bool_], baseline: NDArray[np.bool_], wanted: NDArray[np.bool_]
) -> tuple[GroupDifference, ...]:
    """Compare two models label by label on all images, the worst first: bool (N, K) each.

    The points are of F1, as few images have a label: where it is never given any more, most of
    them are right all the same. Those of a label that no image has are of the right answers.
    """
    images, labels = wanted.shape
    right, before = given == wanted, baseline == wanted
    wins, losses = (right & ~before).sum(axis=0), (~right & before).sum(axis=0)
    now, then = (
        2 * (each & wanted).sum(axis=0) / np.maximum(each.sum(axis=0) + wanted.sum(axis=0), 1)
        for each in (given, baseline)
    )
    points = np.where(wanted.any(axis=0), now - then, (wins - losses) / images) * 100
    return compared_groups(np.arange(labels), np.full(labels, images), wins, losses, points)


def compared_groups(
    present: Counts,
    images: Counts,
    wins: Counts,
    losses: Counts,
    points: NDArray[np.float64],
    figures: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
) -> tuple[GroupDifference, ...]:
    """Return the difference of each group, the worst first: all arrays (groups,).

    ``figures`` of baseline and candidate, where the points are their difference.
    """
    p_values = mcnemar(wins, losses)
    corrected = holm(p_values)
    found = [
        GroupDifference(
            label=int(present[each]),
            images=int(images[each]),
            wins=int(wins[each]),
            losses=int(losses[each]),
            difference_points=float(points[each]),
            p_value=float(p_values[each]),
            corrected_p_value=float(corrected[each]),
            is_significant=bool(corrected[each] < SIGNIFICANCE),
            baseline=None if figures is None else float(figures[0][each]),
            candidate=None if figures is None else float(figures[1][each]),
        )
        for each in range(len(present))
    ]
    return tuple(sorted(found, key=lambda one: (one.difference_points, one.p_value, one.label)))


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p values corrected for their number: float (N,) -> float (N,).

    Holm (1979), "A simple sequentially rejective multiple test procedure": without any real
    difference, one of them is below 0.05 in at most 5% of the cases. scipy lacks this correction.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values)
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(np.maximum.accumulate(p_values[order] * factors), 1.0)
    return corrected
