"""The input of a file's first kernel, as a function of a pixel's bytes."""

from typing import NamedTuple

import numpy as np

from edgecv.core.quantization import Floats, Stored


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
    factors, steps = first.values[:, 0, :], first.steps[:, np.newaxis]
    known = np.zeros_like(pixels) if given is None else given
    room = known * np.abs(factors) + np.abs(pixels) * steps / 2
    room[:, -1] += first.bias_steps / 2
    rescaled = pixels * factors
    rescaled[:, -1] += first.bias
    return FirstInput(1, rescaled.astype(np.float32), room.astype(np.float32))
