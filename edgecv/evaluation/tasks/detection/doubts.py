"""Boxes that clearly fit better in another way: other axes, mirrored, other classes."""

from collections.abc import Sequence

import numpy as np

from edgecv.core.data import Targets
from edgecv.core.errors import InputError
from edgecv.core.targets import NO_BOX
from edgecv.evaluation.tasks.detection.average_precision import match
from edgecv.evaluation.tasks.detection.boxes import Boxes, Floats, overlaps, portions
from edgecv.evaluation.tasks.detection.proof import average

CLEARLY_BETTER = 0.15
REALLY_GOOD = 0.5
"""AP50 that the boxes need in another way to stop a run: a barely trained model fits by chance a
little better in some."""
SHOWN = 0.3
AXES = 'corners = "xyxy" or "yxyx" in [task.decoder] gives their order'
TURNS = {
    "x and y were exchanged": ([1, 0, 3, 2], (False, False), AXES),
    "they were mirrored": ([0, 1, 2, 3], (True, False), "mirror the boxes, or the images"),
    "they were upside down": ([0, 1, 2, 3], (False, True), "turn the boxes, or the images"),
}


def doubts_of(
    boxes: Boxes, truth: Targets, size: tuple[float, float], names: Sequence[str], where: str
) -> None:
    """Raise InputError where turned boxes or other classes would clearly fit better.

    ``truth``: float32 (N, most, 5), in the unit of the boxes; ``size``: width and height of an
    image in that unit.
    """
    now = _ap50(boxes, truth)
    for text, (axes, mirrored, remedy) in TURNS.items():
        turned = boxes.corners[..., axes]
        for axis, is_mirrored in enumerate(mirrored):
            if is_mirrored:
                turned[..., axis::2] = size[axis] - turned[..., axis::2][..., ::-1]
        found = Boxes(boxes.classes, boxes.scores, turned)
        _check(where, now, _ap50(found, truth), f"if {text}", remedy)
    order = _order_of_classes(boxes, truth, len(names))
    classes = np.where(
        (boxes.classes >= 0) & (boxes.classes < len(order)),
        order[np.clip(boxes.classes, 0, len(order) - 1)],
        NO_BOX,
    )
    shown = ", ".join(names[each] if each < len(names) else "nothing" for each in order[:10])
    _check(
        where,
        now,
        _ap50(Boxes(classes, boxes.scores, boxes.corners), truth),
        f"if its classes stood for {shown}",
        "first_class = 1 in [task.decoder] leaves out a background; else rename the data's classes",
    )


def _order_of_classes(boxes: Boxes, truth: Targets, classes: int) -> np.ndarray:
    """Return the class of the data that each of the model's stands for, by boxes that overlap."""
    from scipy.optimize import linear_sum_assignment

    count = 1 + int(max(boxes.classes.max(initial=0), classes - 1))
    cells = np.zeros((count, count))
    for rows in portions(len(boxes)):
        cells += _shared_cells(boxes.of(rows).above(SHOWN), truth[rows], count)
    order: np.ndarray = linear_sum_assignment(cells, maximize=True)[1]
    return order


def _shared_cells(boxes: Boxes, truth: Targets, count: int) -> Floats:
    """Return how many boxes overlap a true one, by the classes of both: float64 (count, count)."""
    shared = overlaps(boxes.corners, truth[..., 1:].astype(np.float64))
    images, one, other = np.nonzero(
        (shared >= 0.5)
        & (boxes.classes[:, :, np.newaxis] != NO_BOX)
        & (truth[:, np.newaxis, :, 0] != NO_BOX)
    )
    cells = np.zeros((count, count))
    np.add.at(cells, (boxes.classes[images, one], truth[images, other, 0].astype(np.int64)), 1)
    return cells


def _ap50(boxes: Boxes, truth: Targets) -> float:
    classes = 1 + int(max(boxes.classes.max(initial=0), truth[:, :, 0].max()))
    return average(match(boxes, truth, classes), 1)


def _check(where: str, now: float, found: float, text: str, remedy: str) -> None:
    if found >= REALLY_GOOD and found > now + CLEARLY_BETTER:
        raise InputError(
            where,
            f"its boxes have an AP50 of {now:.1%}, and would have {found:.1%} {text}",
            remedy=remedy,
        )
