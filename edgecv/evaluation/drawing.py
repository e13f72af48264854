"""Masks, boxes and keypoints drawn on an image: uint8 (H, W, 3), places in its pixels.

An array is never changed: each function returns a new picture.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images

TRUTH, BEFORE, AFTER = (50, 205, 50), (30, 144, 255), (255, 69, 0)
"""Colours of the targets, of the baseline's answer, and of the candidate's."""
BETTER, WORSE, OTHER = (34, 139, 34), (178, 34, 34), (255, 140, 0)
"""Colours of what became right, became wrong, and changed otherwise."""
METHOD = "In pictures the targets are green, the answer of the baseline blue, that of the file red."
LEAST_SIDE = 224
FARTHEST = 10_000.0
RADIUS, WIDTH = 6, 3
Colour = tuple[int, int, int]


def enlarged(image: Images) -> tuple[Images, int]:
    """Return an image as uint8 (H, W, 3), large enough to draw on, and how many times larger.

    >>> enlarged(np.zeros((32, 64, 1), np.uint8))[0].shape
    (128, 256, 3)
    """
    times = max(1, -(-LEAST_SIDE // max(image.shape[:2])))
    colours = np.broadcast_to(image, (*image.shape[:2], 3))
    return colours.repeat(times, axis=0).repeat(times, axis=1), times


def draw_mask(picture: Images, marked: NDArray[np.bool_], colour: Colour) -> Images:
    """Return a picture with the marked pixels in one colour: bool (H, W)."""
    drawn = picture.copy()
    drawn[marked] = colour
    return drawn


def draw_points(picture: Images, points: NDArray[Any], colour: Colour) -> Images:
    """Return a picture with a ring around each point, x and y: (P, 2)."""
    centres = _near(points)
    return _drawn(picture, "ellipse", np.hstack([centres - RADIUS, centres + RADIUS]), colour)


def draw_boxes(picture: Images, boxes: NDArray[Any], colour: Colour) -> Images:
    """Return a picture with boxes, left, top, right, bottom: (M, 4)."""
    ends = _near(boxes)
    corners = [np.minimum(ends[:, :2], ends[:, 2:]), np.maximum(ends[:, :2], ends[:, 2:])]
    return _drawn(picture, "rectangle", np.hstack(corners), colour)


def _near(places: NDArray[Any]) -> NDArray[np.float64]:
    """Return the places that are numbers, none farther away than can be drawn."""
    known: NDArray[np.float64] = places[np.isfinite(places).all(axis=1)].astype(np.float64)
    return np.clip(known, -FARTHEST, FARTHEST)


def _drawn(picture: Images, shape: str, places: NDArray[np.float64], colour: Colour) -> Images:
    from PIL import Image, ImageDraw

    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    for place in places.tolist():
        getattr(draw, shape)(place, outline=colour, width=WIDTH)
    return np.asarray(canvas)
