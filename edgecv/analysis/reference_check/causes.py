"""Causes of a kernel that differs from its twin's: a cause is named if it explains every weight."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.analysis.reference_check.channel_order import same_rows
from edgecv.analysis.reference_check.kernel_pairs import KernelPair

MOST_CHANNELS = 4
COLOURS = ("red", "green", "blue")
MOSTLY = 0.8
"""Share of the weights that follow the factor of their output, where each has one."""
SPREAD = 0.2
"""Share of a kernel's weights above which differences are not single faults."""
FEW_OUTPUTS = 0.25
NEAR_STEPS = 1.5
OTHER_FACTOR = 0.05
"""Distance from 1 that rounding cannot give the median ratio of an output's larger weights."""
EXPLAINED = 0.02
"""Share of the weights that a cause may leave unexplained."""
STILL_OFF = 0.25
"""Share of the weights that differ which a cause may leave unexplained."""
SMALLEST_GAIN = 1e-3
SAME_GAIN = 0.02
"""Factors that differ by less than this part of them are one."""
SMALLEST = 1e-30
"""Added to divisors: a kernel may be all zeros."""
MOST_NAMED = 4
MOST_INPUTS = 4096
"""Inputs of a kernel up to which their order is searched: the search is cubic."""
RIGHT = "what it should be"
FLIPPED = "bits or signs were flipped"

Reals = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Cause:
    """The explanation of a kernel that differs."""

    text: str
    is_whole: bool = False
    """True if the whole kernel is another one."""
    is_folded: bool = False
    """True if each output has its own factor, as if the following layer were folded into the kernel
    in one of the two files only."""
    flipped: float | None = None
    """The percentage of its weights that are others, each by itself."""


def cause_of(pair: KernelPair, classes: Sequence[str]) -> Cause | None:
    """Return the cause of a difference, None if the kernel is the twin's."""
    weights, biases = pair.others
    if weights:
        return Cause(f"the weights of {pair.name} are those of {weights}")
    if pair.off.any():
        for explain in (_swapped_colours, _other_colours, _swapped_outputs, _swapped_inputs):
            if text := explain(pair, classes):
                return Cause(text)
        if factors := _other_factors(pair, classes):
            return factors
        for explain in (_zero_point, _damaged_outputs):
            if text := explain(pair, classes):
                return Cause(text)
        return _some_weights(pair)
    if not pair.bias_off.any():
        return None
    if biases:
        return Cause(f"the biases of {pair.name} are those of {biases}")
    if text := _moved_pixels(pair) or _input_scale(pair):
        return Cause(text)
    count = int(pair.bias_off.sum())
    return Cause(f"{count} of the {len(pair.bias)} biases of {pair.name} are others")


def _explains(off: NDArray[np.bool_], own: Reals, true: Reals, room: Reals) -> bool:
    """Return True if values are equal in another reading, of which some are ``off`` as they are.

    Nearly all of them, and most of those that were off: a few damaged weights fit any reading.
    """
    left = ~(np.abs(own - true) <= room)
    return bool(np.mean(left) <= EXPLAINED and left.sum() <= STILL_OFF * off.sum())


def _swapped_colours(pair: KernelPair, classes: Sequence[str]) -> str | None:
    channels = pair.own.shape[1]
    if pair.number or not 1 < channels <= MOST_CHANNELS:
        return None
    names = COLOURS if channels == len(COLOURS) else tuple(map(str, range(channels)))
    # The weights themselves may be in another order, whatever scale each colour has.
    for own, true, room in filter(None, (pair.raw, (pair.own, pair.true, pair.room))):
        for order in permutations(range(channels)):
            moved = [names[place] for place in range(channels) if order[place] != place]
            if moved and _explains(pair.off, own[:, order], true, room):
                return f"{_listed(moved)} are swapped in its input"
    return None


def _other_colours(pair: KernelPair, classes: Sequence[str]) -> str | None:
    """Detect that each colour has a factor of its own, as from another rescaling."""
    if not pair.takes_pixels or pair.own.shape[1] > MOST_CHANNELS:
        return None
    own, true = (each.astype(np.float64) for each in (pair.own, pair.true))
    gains = (own * true).sum(axis=(0, 2)) / np.maximum((true * true).sum(axis=(0, 2)), SMALLEST)
    wide = gains[np.newaxis, :, np.newaxis].astype(np.float32)
    # The factors themselves are known from a few rounded weights only.
    room = 2 * pair.room * np.maximum(1, np.abs(wide))
    is_same = bool(np.all(np.abs(gains - 1) <= SMALLEST_GAIN))
    if is_same or not _explains(pair.off, pair.own, pair.true * wide, room):
        return None
    if np.ptp(gains) <= SAME_GAIN * abs(float(np.median(gains))):
        return _other_rescaling(float(np.median(gains)))
    each = _listed([f"{gain:.3g}" for gain in gains])
    return f"its rescaling multiplies the colours by {each} times what the twin does"


def _other_rescaling(gain: float) -> str:
    return f"its rescaling multiplies pixels by {gain:.3g} times what the twin does"


def _swapped_outputs(pair: KernelPair, classes: Sequence[str]) -> str | None:
    outputs = len(pair.own)
    own, true = (
        np.concatenate([np.nan_to_num(w).reshape(outputs, -1), b[:, np.newaxis]], axis=1)
        for w, b in ((pair.own, pair.bias), (pair.true, pair.true_bias))
    )
    meant = same_rows(own, true)
    moved = np.flatnonzero(meant != np.arange(outputs))
    if not len(moved) or not _explains(pair.off, pair.own, pair.true[meant], pair.room):
        return None
    return f"{_outputs(pair, moved, classes)} are swapped"


def _swapped_inputs(pair: KernelPair, classes: Sequence[str]) -> str | None:
    inputs = pair.own.shape[1]
    if inputs < 2 or inputs > MOST_INPUTS:
        return None
    own, true = (
        np.nan_to_num(each).transpose(1, 0, 2).reshape(inputs, -1) for each in (pair.own, pair.true)
    )
    meant = same_rows(own, true)
    moved = np.flatnonzero(meant != np.arange(inputs))
    if not len(moved) or not _explains(pair.off, pair.own, pair.true[:, meant], pair.room):
        return None
    return f"{pair.name} takes channels {_listed([str(each) for each in moved])} in another order"


def _other_factors(pair: KernelPair, classes: Sequence[str]) -> Cause | None:
    """Detect outputs that have another factor: another scale, or another normalization.

    The factor is the median over an output's larger weights: a few damaged ones do not change it.
    """
    outputs = len(pair.own)
    own, true = (each.reshape(outputs, -1).astype(np.float64) for each in (pair.own, pair.true))
    sizes = np.abs(true)
    is_large = (sizes > sizes.max(axis=1, keepdims=True) / 2) & (sizes > SMALLEST)
    ratios = np.divide(own, true, out=np.full_like(own, np.nan), where=is_large)
    gains = np.ones(outputs)
    known = is_large.any(axis=1)
    gains[known] = np.nanmedian(ratios[known], axis=1)
    gains[~pair.off.reshape(outputs, -1).any(axis=1) | (np.abs(gains - 1) <= SMALLEST_GAIN)] = 1
    wrong = np.flatnonzero(gains != 1)
    if not len(wrong) or np.any(gains == 0):
        return None
    wide = gains[:, np.newaxis]
    # The factors themselves are known from a few rounded weights only.
    room = 2 * pair.room.reshape(outputs, -1) * np.maximum(1, np.abs(wide))
    other = gains[np.abs(gains - 1) > OTHER_FACTOR]
    is_folded = 2 * len(other) > outputs > 1 and float(np.ptp(other)) > OTHER_FACTOR
    if _explains(pair.off, own, true * wide, room):
        return Cause(_factor_text(pair, wrong, gains[wrong], classes), is_folded=is_folded)
    # Weights of anything have medians.
    if is_folded and np.mean(np.abs(own - true * wide) <= room) >= MOSTLY:
        return Cause(f"each output of {pair.name} has a factor of its own", is_folded=True)
    return None


def _factor_text(
    pair: KernelPair,
    wrong: NDArray[np.int64],
    gains: NDArray[np.float64],
    classes: Sequence[str],
) -> str:
    typical = float(np.median(gains))
    is_one = bool(np.ptp(gains) <= SAME_GAIN * abs(typical))
    if pair.takes_pixels and is_one and len(wrong) == len(pair.own):
        return _other_rescaling(typical)
    if len(wrong) > 1 and len(wrong) == len(pair.own) and is_one:
        return f"the scale of all weights of {pair.name} is {typical:.2f} times {RIGHT}"
    if len(wrong) == 1:
        return f"the scale of {_outputs(pair, wrong, classes)} is {typical:.2f} times {RIGHT}"
    each = f"{typical:.2f}" if is_one else _listed([f"{gain:.2f}" for gain in gains])
    return f"the scales of {_outputs(pair, wrong, classes)} are {each} times {RIGHT}"


def _zero_point(pair: KernelPair, classes: Sequence[str]) -> str | None:
    if not np.all(pair.steps > 0) or pair.takes_pixels:
        return None
    shifts = np.median(
        (pair.own - pair.true).reshape(len(pair.own), -1) / pair.steps[:, np.newaxis], axis=1
    )
    whole = np.rint(shifts).astype(np.float64)
    wrong = np.flatnonzero(whole)
    moved = (whole * pair.steps)[:, np.newaxis, np.newaxis].astype(np.float32)
    if not len(wrong) or not _explains(pair.off, pair.own - moved, pair.true, pair.room):
        return None
    by = _listed(sorted({f"{-int(each):+d}" for each in whole[wrong]}))
    return f"the zero points of {len(wrong)} of the outputs of {pair.name} are off by {by}"


def _damaged_outputs(pair: KernelPair, classes: Sequence[str]) -> str | None:
    parts = pair.off.reshape(len(pair.off), -1).mean(axis=1)
    damaged = np.flatnonzero(parts > SPREAD)
    most = max(1, int(FEW_OUTPUTS * len(parts)))
    others = np.delete(parts, damaged)
    if not 0 < len(damaged) <= most or others.max(initial=0.0) > EXPLAINED:
        return None
    return f"the weights of {_outputs(pair, damaged, classes)} are damaged"


def _some_weights(pair: KernelPair) -> Cause:
    part = float(pair.off.mean())
    # The tolerance is half a step: training moves most weights a little, damage moves few far.
    distance = np.abs(pair.own - pair.true)[pair.off] / (2 * pair.room[pair.off])
    is_near = bool(np.all(pair.steps > 0)) and float(np.mean(distance < NEAR_STEPS)) > 0.5
    if part > SPREAD or (is_near and pair.off.sum() > 1):
        return Cause(f"{part:.0%} of the weights of {pair.name} are others", is_whole=True)
    text = f"{part:.1%} of the weights of {pair.name} are others: {FLIPPED}"
    return Cause(text, flipped=round(100 * part, 1))


def _moved_pixels(pair: KernelPair) -> str | None:
    if not pair.takes_pixels:
        return None
    sums = pair.true.sum(axis=2).astype(np.float64)
    difference = (pair.bias - pair.true_bias).astype(np.float64)
    for columns in (sums.sum(axis=1, keepdims=True), sums):
        shift, *_ = np.linalg.lstsq(columns, difference, rcond=None)
        left = np.abs(columns @ shift - difference)
        if np.mean(left > pair.bias_room + EXPLAINED * np.abs(difference)) <= EXPLAINED:
            by = _listed([f"{each:+.3g}" for each in shift])
            return f"its rescaling moves pixels by {by} of 255 from where the twin has them"
    return None


def _input_scale(pair: KernelPair) -> str | None:
    own, true = pair.bias.astype(np.float64), pair.true_bias.astype(np.float64)
    gain = float(own @ true) / max(float(true @ true), SMALLEST)
    if abs(gain - 1) <= SMALLEST_GAIN or gain == 0:
        return None
    if not _explains(pair.bias_off, own, gain * true, pair.bias_room * max(1, abs(gain))):
        return None
    return f"the scale of what {pair.name} takes is {gain:.2f} times what its biases were made for"


def _outputs(
    pair: KernelPair, numbers: Sequence[int] | NDArray[np.int64], classes: Sequence[str]
) -> str:
    """Return the names of outputs of a kernel: the classes if it is the last one."""
    if pair.is_last and len(classes) == len(pair.own):
        kind, names = ("class", "classes"), [classes[number] for number in numbers]
        return f"{kind[len(names) > 1]} {_listed(names)}"
    word = "channel" if len(numbers) == 1 else "channels"
    return f"{word} {_listed([str(number) for number in numbers])} of {pair.name}"


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:MOST_NAMED])
    if len(names) > MOST_NAMED:
        return f"{', '.join(shown)} and {len(names) - MOST_NAMED} more"
    return " and ".join([part for part in (", ".join(shown[:-1]), shown[-1]) if part])
