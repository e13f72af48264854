"""Causes of a kernel that differs from its twin's: a cause is named if it explains every weight."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecv.analysis.reference_check.channel_order import same_rows
from edgecv.analysis.reference_check.first_kernel import (
    moved_pixels,
    other_colours,
    other_rescaling,
    swapped_colours,
)
from edgecv.analysis.reference_check.kernel_order import (
    EXPLAINED,
    SAME_GAIN,
    SMALLEST,
    SMALLEST_GAIN,
    and_listed,
    explains,
)
from edgecv.analysis.reference_check.kernel_pairs import KernelPair

MOSTLY = 0.8
"""Share of the weights that follow the factor of their output, where each has one."""
SPREAD = 0.2
"""Share of a kernel's weights above which differences are not single faults."""
FEW_OUTPUTS = 0.25
NEAR_STEPS = 1.5
OTHER_FACTOR = 0.05
"""Distance from 1 that rounding cannot give the median ratio of an output's larger weights."""
MOST_INPUTS = 4096
"""Inputs of a kernel up to which their order is searched: the search is cubic."""
RIGHT = "what it should be"
FLIPPED = "bits or signs were flipped"


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
        text = swapped_colours(pair) or other_colours(pair) or _swapped_outputs(pair, classes)
        if text := text or _swapped_inputs(pair):
            return Cause(text)
        if factors := _other_factors(pair, classes):
            return factors
        text = _zero_point(pair) or _damaged_outputs(pair, classes)
        return Cause(text) if text else _some_weights(pair)
    if not pair.bias_off.any():
        return None
    if biases:
        return Cause(f"the biases of {pair.name} are those of {biases}")
    if text := moved_pixels(pair) or _input_scale(pair):
        return Cause(text)
    count = int(pair.bias_off.sum())
    others = "is another" if count == 1 else "are others"
    return Cause(f"{count} of the {len(pair.bias)} biases of {pair.name} {others}")


def _swapped_outputs(pair: KernelPair, classes: Sequence[str]) -> str | None:
    outputs = len(pair.own)
    own, true = (
        np.concatenate([np.nan_to_num(w).reshape(outputs, -1), b[:, np.newaxis]], axis=1)
        for w, b in ((pair.own, pair.bias), (pair.true, pair.true_bias))
    )
    meant = same_rows(own, true)
    moved = np.flatnonzero(meant != np.arange(outputs))
    if not len(moved) or not pair.is_read_as(pair.own, pair.true[meant], pair.room):
        return None
    return f"{_outputs(pair, moved, classes)} are swapped"


def _swapped_inputs(pair: KernelPair) -> str | None:
    inputs = pair.own.shape[1]
    if inputs < 2 or inputs > MOST_INPUTS:
        return None
    own, true = (
        np.nan_to_num(each).transpose(1, 0, 2).reshape(inputs, -1) for each in (pair.own, pair.true)
    )
    meant = same_rows(own, true)
    moved = np.flatnonzero(meant != np.arange(inputs))
    if not len(moved) or not pair.is_read_as(pair.own, pair.true[:, meant], pair.room):
        return None
    return (
        f"{pair.name} takes channels {and_listed([str(each) for each in moved])} in another order"
    )


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
    if pair.is_read_as(own, true * wide, room):
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
        return other_rescaling(typical)
    if len(wrong) > 1 and len(wrong) == len(pair.own) and is_one:
        return f"the scale of all weights of {pair.name} is {typical:.2f} times {RIGHT}"
    if len(wrong) == 1:
        return f"the scale of {_outputs(pair, wrong, classes)} is {typical:.2f} times {RIGHT}"
    each = f"{typical:.2f}" if is_one else and_listed([f"{gain:.2f}" for gain in gains])
    return f"the scales of {_outputs(pair, wrong, classes)} are {each} times {RIGHT}"


def _zero_point(pair: KernelPair) -> str | None:
    if not np.all(pair.steps > 0) or pair.takes_pixels:
        return None
    shifts = np.median(
        (pair.own - pair.true).reshape(len(pair.own), -1) / pair.steps[:, np.newaxis], axis=1
    )
    whole = np.rint(shifts).astype(np.float64)
    wrong = np.flatnonzero(whole)
    moved = (whole * pair.steps)[:, np.newaxis, np.newaxis].astype(np.float32)
    if not len(wrong) or not pair.is_read_as(pair.own - moved, pair.true, pair.room):
        return None
    by = and_listed(sorted({f"{-int(each):+d}" for each in whole[wrong]}))
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


def _input_scale(pair: KernelPair) -> str | None:
    own, true = pair.bias.astype(np.float64), pair.true_bias.astype(np.float64)
    gain = float(own @ true) / max(float(true @ true), SMALLEST)
    if abs(gain - 1) <= SMALLEST_GAIN or gain == 0:
        return None
    if not explains(pair.bias_off, own, gain * true, pair.bias_room * max(1, abs(gain))):
        return None
    return f"the scale of what {pair.name} takes is {gain:.2f} times what its biases were made for"


def _outputs(
    pair: KernelPair, numbers: Sequence[int] | NDArray[np.int64], classes: Sequence[str]
) -> str:
    """Return the names of outputs of a kernel: the classes if it is the last one."""
    if pair.is_last and len(classes) == len(pair.own):
        kind, names = ("class", "classes"), [classes[number] for number in numbers]
        return f"{kind[len(names) > 1]} {and_listed(names)}"
    word = "channel" if len(numbers) == 1 else "channels"
    return f"{word} {and_listed([str(number) for number in numbers])} of {pair.name}"
