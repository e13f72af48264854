"""Pictures of detection: the boxes before and after, and the true ones."""

from collections.abc import Sequence

import numpy as np

from edgecv.core.data import Images, Targets
from edgecv.core.targets import NO_BOX
from edgecv.core.text import listed
from edgecv.evaluation import drawing
from edgecv.evaluation.drawing import AFTER, BEFORE, TRUTH, draw_boxes, enlarged
from edgecv.evaluation.tasks.detection.boxes import Boxes

METHOD = (
    "AP is COCO's: the area below precision over recall of each class, averaged over ten overlaps "
    "(IoU of 0.5 to 0.95) and the classes; AP50 of the overlap 0.5 alone. F1 is of the boxes above "
    "a score, averaged over the overlaps; that of an image is its score. Points of a class are of "
    "its F1 in all images; it is better or worse in an image by its F1 there, and p is the exact "
    "sign test of these images, corrected by Holm's method for the number of classes. "
    + drawing.METHOD
)


def names_of(classes: Sequence[int], names: Sequence[str]) -> str:
    """Return the names of boxes, in order of the classes.

    >>> names_of([2, 0, -1], ("cat", "dog", "bird")), names_of([], ())
    ('cat, bird', 'nothing')
    """
    shown = [
        names[each] if each < len(names) else str(each) for each in sorted(classes) if each >= 0
    ]
    return listed(shown, 4) if shown else "nothing"


def drawn(
    image: Images, boxes: Sequence[Boxes], truth: Targets | None, size: tuple[float, float]
) -> Images:
    """Return an image beside itself, with the boxes before and after, over the true ones.

    uint8 (H, W, C) -> (H', 2 W', 3), enlarged. ``size``: width and height of an image in the unit
    of the boxes; ``truth``: float32 (most, 5), None where it is not known.
    """
    picture, _ = enlarged(image)
    scale = np.array([*picture.shape[1::-1]] * 2) / (*size, *size)
    if truth is not None:
        picture = draw_boxes(picture, truth[truth[:, 0] != NO_BOX, 1:] * scale, TRUTH)
    parts = [
        draw_boxes(picture, each.corners[each.classes != NO_BOX] * scale, colour)
        for each, colour in zip(boxes, (BEFORE, AFTER), strict=True)
    ]
    return np.concatenate(parts, axis=1)
