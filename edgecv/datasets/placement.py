"""The move of an image's targets with its pixels, when it is made the size of the network."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Shape, Targets
from edgecv.core.targets import IGNORED, NO_BOX, together

Resize = Literal["stretch", "crop", "pad"]
"""The way a picture of another aspect fits: all of it stretched, its middle, or all of it with
black beside it."""
LEAST_LEFT = 0.2
"""Smallest part of the width and height of a box that a crop leaves of it."""
EDGE = 0.01
"""Part of an image's side by which a box may reach out of it, as rounding makes it; or a pixel."""
_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Placement:
    """The move of points of an image: scaled, then shifted. Pixels reach from 0 to the width."""

    shape: Shape
    """Shape of the image as the network takes it."""
    scale: tuple[float, float]
    """Factors of x and y."""
    offset: tuple[float, float]
    """Place of the image's upper left corner, in pixels."""

    @classmethod
    def of(cls, size: tuple[int, int], shape: Shape, resize: Resize = "stretch") -> "Placement":
        """Return the move of an image of a width and height, as ``decoding.fit`` makes it."""
        (width, height), (high, wide, _) = size, shape
        if resize == "pad":  # in whole pixels, as Pillow computes it
            is_wide = width / height > wide / high
            new_wide = wide if is_wide else max(1, round(width / height * high))
            new_high = max(1, round(height / width * wide)) if is_wide else high
            offset = round((wide - new_wide) * 0.5), round((high - new_high) * 0.5)
            return cls(shape, (new_wide / width, new_high / height), offset)
        scale = wide / width, high / height
        if resize == "crop":
            scale = (max(scale),) * 2
        left, top = wide - width * scale[0], high - height * scale[1]
        return cls(shape, scale, (left / 2, top / 2))

    def points(self, points: _Floats) -> _Floats:
        """Return points after the move: float32 (..., 3), x, y and 1 where it is visible.

        A point outside of the image is not visible.
        """
        moved = points.copy()
        high, wide, _ = self.shape
        for axis, side in enumerate((wide, high)):
            moved[..., axis] = points[..., axis] * self.scale[axis] + self.offset[axis]
            is_inside = (moved[..., axis] >= 0) & (moved[..., axis] <= side)
            moved[..., 2] *= is_inside
        moved[moved[..., 2] == 0] = 0
        return moved

    def boxes(self, boxes: _Floats) -> _Floats:
        """Return boxes after the move, cut at the edges: float32 (..., 5).

        A box of whose width or height less than a fifth is left becomes a row without a box.
        """
        moved, (high, wide, _) = boxes.copy(), self.shape
        for axis, side in enumerate((wide, high)):
            ends = boxes[..., 1 + axis :: 2] * self.scale[axis] + self.offset[axis]
            whole = ends[..., 1] - ends[..., 0]
            ends = ends.clip(0, side)
            moved[..., 1 + axis :: 2] = ends
            is_lost = ends[..., 1] - ends[..., 0] < LEAST_LEFT * whole
            moved[..., 0] = np.where(is_lost, NO_BOX, moved[..., 0])
        moved[moved[..., 0] == NO_BOX, 1:] = 0
        return moved

    def maps(self, maps: NDArray[Any]) -> NDArray[Any]:
        """Return maps of pixels after the move: (N, h, w, ...) -> (N, H, W, ...).

        The value of the nearest pixel; outside of the image ``IGNORED``.
        """
        places, outside = [], []
        for axis, size in enumerate(maps.shape[2:0:-1]):
            centres = np.arange(self.shape[1 - axis]) + 0.5 - self.offset[axis]
            place = np.floor(centres / self.scale[axis]).astype(np.int64)
            outside.append((centres < 0) | (centres > size * self.scale[axis]))
            places.append(place.clip(0, size - 1))
        moved = maps[:, places[1]][:, :, places[0]]
        moved[:, outside[1]] = IGNORED
        moved[:, :, outside[0]] = IGNORED
        return moved


def resized(
    labels: Targets, size: tuple[int, int], shape: Shape
) -> tuple[Targets, tuple[str, ...]]:
    """Return the targets of images of one width and height that were stretched to ``shape``.

    And the names of the targets that did not change: numbers, and what nobody knows the kind of.
    Targets as large as the images are maps of their pixels.
    """
    if labels.dtype.names is None:
        return labels, ()
    place = Placement.of(size, shape)
    moved, left = {}, []
    for name in labels.dtype.names:
        values = labels[name]
        if name == "boxes":
            values = place.boxes(values)
        elif name == "keypoints":
            values = place.points(values)
        elif values.shape[1:3] == size[::-1]:
            values = place.maps(values)
        elif name not in ("class", "classes"):
            left.append(name)
        moved[name] = values
    return together(moved), tuple(left)


def box_fault(boxes: _Floats, size: tuple[int, int]) -> tuple[list[int], str] | None:
    """Return the place and the reason of the first box that cannot be right; None for good ones.

    ``boxes``: float32 (..., 5) on an image of a width and height.
    """
    ends, is_box = boxes[..., 1:], boxes[..., 0] != NO_BOX
    most = np.array([*size, *size], np.float32)
    allowed = np.maximum(1, most * EDGE)
    beyond = np.maximum(-ends, ends - most)
    for reason, wrong in (
        ("is no number", ~np.isfinite(boxes).all(axis=-1)),
        ("has no size", (ends[..., 2:] <= ends[..., :2]).any(axis=-1)),
        (f"reaches out of its image of {size[0]}x{size[1]}", (beyond > allowed).any(axis=-1)),
    ):
        if (wrong & is_box).any():
            place: list[int] = np.argwhere(wrong & is_box)[0].tolist()
            shown = ", ".join(f"{value:g}" for value in boxes[tuple(place)][1:])
            return place, f"{reason}: left, top, right, bottom are {shown}"
    return None


def inside(boxes: _Floats, size: tuple[int, int]) -> _Floats:
    """Return boxes cut at the edges of their image: people's boxes are a pixel too large."""
    cut = boxes.copy()
    cut[..., 1:] = boxes[..., 1:].clip(0, np.array([*size, *size], np.float32))
    return cut
