"""Pictures of detection: the boxes before and after, and the true ones."""

from collections.abc import Sequence

import numpy as np

from edgecv.core.data import Images, Targets
from edgecv.core.targets import NO_BOX
from edgecv.core.text import listed
from edgecv.evaluation.tasks.detection.boxes import Boxes, Floats

METHOD = (
    "AP is COCO's: the area below precision over recall of each class, averaged over ten overlaps "
    "(IoU of 0.5 to 0.95) and the classes; AP50 of the overlap 0.5 alone. F1 is of the boxes above "
    "a score, averaged over the overlaps; that of an image is its score. Points of a class are of "
    "its F1 in all images; it is better or worse in an image by its F1 there, and p is the exact "
    "sign test of these images, corrected by Holm's method for the number of classes."
)
TRUE, GIVEN = (34, 139, 34), (255, 140, 0)
"""Colours of true boxes, and of those that a model gives."""


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
    """Return an image for each model, side by side, with its boxes over the true ones.

    uint8 (H, W, C) -> (H, models x W, 3). ``size``: width and height of an image in the unit of
    the boxes; ``truth``: float32 (most, 5), None where it is not known.
    """
    high, wide = image.shape[:2]
    scale = np.array([wide, high, wide, high]) / (*size, *size)
    colours = np.broadcast_to(image, (high, wide, 3))
    parts = []
    for each in boxes:
        part = colours.copy()
        if truth is not None:
            _draw(part, truth[truth[:, 0] != NO_BOX, 1:] * scale, TRUE)
        _draw(part, each.corners[each.classes != NO_BOX] * scale, GIVEN)
        parts.append(part)
    return np.concatenate(parts, axis=1)


def _draw(pixels: Images, corners: Floats, colour: tuple[int, int, int]) -> None:
    """Draw the edges of boxes in place: left, top, right, bottom in pixels, float (M, 4)."""
    high, wide = pixels.shape[:2]
    most = np.array([wide, high, wide, high]) - 1
    ends = np.rint(corners - [0, 0, 1, 1]).clip(0, most).astype(np.int64)
    for left, top, right, bottom in ends.tolist():
        pixels[[top, bottom], left : right + 1] = colour
        pixels[top : bottom + 1, [left, right]] = colour
