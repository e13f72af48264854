"""Causes in what the first kernel takes: the order of colours, and the rescaling of pixels."""

from itertools import permutations

import numpy as np

from edgecv.analysis.reference_check.kernel_order import (
    EXPLAINED,
    SAME_GAIN,
    SMALLEST,
    SMALLEST_GAIN,
    and_listed,
)
from edgecv.analysis.reference_check.kernel_pairs import KernelPair

MOST_CHANNELS = 4
COLOURS = ("red", "green", "blue")


def swapped_colours(pair: KernelPair) -> str | None:
    """Detect colours in another order, in the first kernel or behind one that rescales them."""
    channels = pair.own.shape[1]
    if not pair.takes_colours or not 1 < channels <= MOST_CHANNELS:
        return None
    names = COLOURS if channels == len(COLOURS) else tuple(map(str, range(channels)))
    # The weights themselves may be in another order, whatever scale each colour has.
    for own, true, room in filter(None, (pair.raw, (pair.own, pair.true, pair.room))):
        for order in permutations(range(channels)):
            moved = [names[place] for place in range(channels) if order[place] != place]
            if moved and pair.is_read_as(own[:, order], true, room):
                return f"{and_listed(moved)} are swapped in its input"
    return None


def other_colours(pair: KernelPair) -> str | None:
    """Detect that each colour has a factor of its own, as from another rescaling."""
    if not pair.takes_pixels or pair.own.shape[1] > MOST_CHANNELS:
        return None
    own, true = (each.astype(np.float64) for each in (pair.own, pair.true))
    gains = (own * true).sum(axis=(0, 2)) / np.maximum((true * true).sum(axis=(0, 2)), SMALLEST)
    wide = gains[np.newaxis, :, np.newaxis].astype(np.float32)
    # The factors themselves are known from a few rounded weights only.
    room = 2 * pair.room * np.maximum(1, np.abs(wide))
    is_same = bool(np.all(np.abs(gains - 1) <= SMALLEST_GAIN))
    if is_same or not pair.is_read_as(pair.own, pair.true * wide, room):
        return None
    if np.ptp(gains) <= SAME_GAIN * abs(float(np.median(gains))):
        return other_rescaling(float(np.median(gains)))
    each = and_listed([f"{gain:.3g}" for gain in gains])
    return f"its rescaling multiplies the colours by {each} times what the twin does"


def other_rescaling(gain: float) -> str:
    """Return the cause of a first kernel whose weights are all a factor of the twin's."""
    return f"its rescaling multiplies pixels by {gain:.3g} times what the twin does"


def moved_pixels(pair: KernelPair) -> str | None:
    """Detect that the rescaling adds other numbers, of one value or of one for each colour."""
    if not pair.takes_pixels:
        return None
    sums = pair.true.sum(axis=2).astype(np.float64)
    difference = (pair.bias - pair.true_bias).astype(np.float64)
    for columns in (sums.sum(axis=1, keepdims=True), sums):
        shift, *_ = np.linalg.lstsq(columns, difference, rcond=None)
        left = np.abs(columns @ shift - difference)
        if np.mean(left > pair.bias_room + EXPLAINED * np.abs(difference)) <= EXPLAINED:
            by = and_listed([f"{each:+.3g}" for each in shift])
            return f"its rescaling moves pixels by {by} of 255 from where the twin has them"
    return None
