"""The input of a file's first kernel, as a function of a pixel's bytes."""

from typing import NamedTuple

import numpy as np

from edgecv.core.quantization import Floats, Stored
from edgecv.formats.pixel_transform import PixelMatrix


class FirstInput(NamedTuple):
    """The first kernel behind the rescaling of pixels, and what pixels are there."""

    number: int
    """1 where a kernel of one number a channel rescales them, else 0."""
    pixels: Floats | None
    """As ``Stored.pixels``."""
    room: Floats | None
    """As ``Stored.pixels_room``."""


def first_of(stored: Stored) -> FirstInput:
    """Return the first kernel of a file; the second where the first only rescales each channel."""
    pixels, given = stored.pixels, stored.pixels_room
    shape = stored.kernels[0].values.shape if stored.kernels else ()
    if pixels is None or shape != (len(pixels), 1, 1):
        return FirstInput(0, pixels, given)
    first = stored.kernels[0]
    known = PixelMatrix(pixels, np.zeros_like(pixels) if given is None else given)
    rescaled = known.times(first.values[:, 0, 0], first.steps).plus(first.bias, first.bias_steps)
    return FirstInput(1, *(each.astype(np.float32) for each in rescaled))
