"""Masks and maps that do not belong together: another size, turned, other classes."""

from collections.abc import Sequence

import numpy as np

from edgecv.core.data import Dataset, Outputs
from edgecv.core.errors import InputError
from edgecv.evaluation.tasks.segmentation.counts import confusion, count, mean
from edgecv.evaluation.tasks.segmentation.maps import channels_last, class_maps

CLEARLY_BETTER = 0.15
REALLY_GOOD = 0.5
"""Mean IoU that the maps need in another way to stop a run: a barely trained model fits by chance
a little better in some."""
TURNS = {
    "upside down": (slice(None), slice(None, None, -1)),
    "mirrored": (slice(None), slice(None), slice(None, None, -1)),
    "turned by 180 degrees": (slice(None), slice(None, None, -1), slice(None, None, -1)),
}


def doubts_of(outputs: Outputs, data: Dataset, where: str) -> str | None:
    """Return a sentence on maps of another size than the masks, else None.

    Raises InputError where the classes do not fit, or where turned masks or other names of the
    classes would clearly fit better.
    """
    masks, maps = data.test.labels, channels_last(outputs.only)
    size, classes = masks.shape[1:], len(data.class_names)
    if 1 < maps.shape[-1] < classes:
        raise InputError(
            where,
            f"gives maps of {maps.shape[-1]} classes, and the masks of {data.name} have {classes}",
            accepted="at least one map a class",
            remedy="is it a model for these masks?",
        )
    answers = class_maps(outputs, size)
    now = float(mean(count(answers, masks).total.iou))
    for turn, places in TURNS.items():
        found = float(mean(count(answers, masks[places]).total.iou))
        _check(where, now, found, f"if the masks were {turn}", "turn the masks, or the images")
    if classes > 2 and int(answers.max()) < classes:
        _check_classes(where, now, confusion(answers, masks, classes), data.class_names)
    if maps.shape[1:3] == size:
        return None
    given, wanted = ("x".join(map(str, each)) for each in (maps.shape[1:3], size))
    return f"its maps are {given}, and are resized to the {wanted} of the masks, bilinear"


def _check_classes(where: str, now: float, cells: np.ndarray, names: Sequence[str]) -> None:
    """Raise InputError if the maps of the model stand for the classes in another order."""
    from scipy.optimize import linear_sum_assignment

    union = cells.sum(axis=0) + cells.sum(axis=1)[:, np.newaxis] - cells
    iou = cells / np.maximum(1, union)
    classes, maps = linear_sum_assignment(iou, maximize=True)
    occurs = cells.sum(axis=1) > 0
    found = float(iou[classes, maps][occurs].mean())
    order = ", ".join(names[classes[list(maps).index(place)]] for place in range(len(names)))
    text = f"if its maps stood for {order}"
    _check(where, now, found, text, "give --labels FILE with the name of each map, a line each")


def _check(where: str, now: float, found: float, text: str, remedy: str) -> None:
    if found >= REALLY_GOOD and found > now + CLEARLY_BETTER:
        raise InputError(
            where, f"has a mIoU of {now:.1%}, and would have {found:.1%} {text}", remedy=remedy
        )
