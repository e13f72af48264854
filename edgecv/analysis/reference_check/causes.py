"""Causes of a kernel that differs from its twin's: a cause is named if it explains every weight."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from edgecv.analysis.reference_check.kernel_pairs import KernelPair
from edgecv.core.quantization import Floats

MOST_CHANNELS = 4
COLOURS = ("red", "green", "blue")
MOSTLY = 0.8
"""Share of the weights that follow the factor of their output, where there is one."""
SPREAD = 0.2
"""Share of a kernel's weights above which differences are not single faults."""
FEW_OUTPUTS = 0.25
NEAR_STEPS = 1.5
OTHER_FACTOR = 0.05
"""Distance from 1 that rounding cannot give the median ratio of an output's larger weights."""
EXPLAINED = 0.02
"""Share of the weights that a cause may leave unexplained."""
SMALLEST_GAIN = 1e-3
SAME_GAIN = 0.02
"""Factors that differ by less than this part of them are one."""
SMALLEST = 1e-30
"""Added to divisors: a kernel may be all zeros."""
MOST_NAMED = 4
MOST_INPUTS = 4096
"""Inputs of a kernel up to which their order is searched: the search is cubic."""
RIGHT = "what it should be"


@dataclass(frozen=True)
class Cause:
    """The explanation of a kernel that differs. ``is_whole``: the whole kernel is another one.

    ``is_folded``: each output has its own factor, as if the following layer were folded into the
    kernel in one of the two files only.
    """

    text: str
    is_whole: bool = False
    is_folded: bool = False


def cause_of(pair: KernelPair, classes: Sequence[str]) -> Cause | None:
    """Return the cause of a difference, None if the kernel is the twin's."""
    weights, biases = pair.others
    if weights:
        return Cause(f"the weights of {pair.name} are those of {weights}")
    if pair.off.any():
        for explain in (
            _swapped_colours,
            _other_colours,
            _swapped_outputs,
            _swapped_inputs,
            _other_factors,
            _gains,
            _zero_point,
            _damaged_outputs,
        ):
            if text := explain(pair, classes):
                return Cause(text, is_folded=explain is _other_factors)
        return _some_weights(pair)
    if not pair.bias_off.any():
        return None
    if biases:
        return Cause(f"the biases of {pair.name} are those of {biases}")
    for explain in (_moved_pixels, _input_scale):
        if text := explain(pair, classes):
            return Cause(text)
    count = int(pair.bias_off.sum())
    others = "is another" if count == 1 else "are others"
    return Cause(f"{count} of the {len(pair.bias)} biases of {pair.name} {others}")


def _other_factors(pair: KernelPair, classes: Sequence[str]) -> str | None:
    """Detect that most outputs have their own factor, as from a normalization.

    The factor is the median over an output's larger weights: a few damaged ones do not change it.
    """
    outputs = len(pair.own)
    own, true = (each.reshape(outputs, -1).astype(np.float64) for each in (pair.own, pair.true))
    sizes = np.abs(true)
    is_large = (sizes > sizes.max(axis=1, keepdims=True) / 2) & (sizes > SMALLEST)
    ratios = np.divide(own, true, out=np.full_like(own, np.nan), where=is_large)
    known = is_large.any(axis=1)
    if not known.any():
        return None
    factors = np.nanmedian(ratios[known], axis=1)
    other = factors[np.abs(factors - 1) > OTHER_FACTOR]
    is_folded = 2 * len(other) > outputs > 1 and float(np.ptp(other)) > OTHER_FACTOR
    if not is_folded:
        return None
    wide = np.ones(outputs)
    wide[known] = factors
    room = pair.room.reshape(outputs, -1) * np.maximum(1, np.abs(wide))[:, np.newaxis]
    if float(np.mean(np.abs(own - true * wide[:, np.newaxis]) <= 2 * room)) < MOSTLY:
        return None  # Weights of anything have medians.
    return _gains(pair, classes) or f"each output of {pair.name} has a factor of its own"


def _fits(own: Floats, true: Floats, room: Floats) -> bool:
    return bool(np.mean(~(np.abs(own - true) <= room)) <= EXPLAINED)


def _swapped_colours(pair: KernelPair, classes: Sequence[str]) -> str | None:
    channels = pair.own.shape[1]
    if pair.number or not 1 < channels <= MOST_CHANNELS:
        return None
    if channels == len(COLOURS) and _swapped_raw_colours(pair):
        return "red and blue are swapped in its input"
    for order in permutations(range(channels)):
        if order != tuple(range(channels)) and _fits(pair.own[:, order], pair.true, pair.room):
            names = COLOURS if channels == len(COLOURS) else tuple(map(str, range(channels)))
            moved = [names[place] for place in range(channels) if order[place] != place]
            return f"{' and '.join([', '.join(moved[:-1]), moved[-1]])} are swapped in its input"
    return None


def _swapped_raw_colours(pair: KernelPair) -> bool:
    """Return True if the channels of the kernel itself are reversed, whatever scales each has."""
    if pair.raw is None:
        return False
    own, true, room = pair.raw
    return own.shape == true.shape and _fits(own[:, ::-1], true, room)


def _other_colours(pair: KernelPair, classes: Sequence[str]) -> str | None:
    """Detect that each colour has a factor of its own, as from another rescaling."""
    if not pair.takes_pixels or pair.own.shape[1] > MOST_CHANNELS:
        return None
    own, true = (each.astype(np.float64) for each in (pair.own, pair.true))
    gains = (own * true).sum(axis=(0, 2)) / np.maximum((true * true).sum(axis=(0, 2)), SMALLEST)
    wide = gains[np.newaxis, :, np.newaxis].astype(np.float32)
    # The factors themselves are known from a few rounded weights only.
    room = 1.5 * pair.room * np.maximum(1, np.abs(wide))
    is_same = bool(np.all(np.abs(gains - 1) <= SMALLEST_GAIN))
    if is_same or not _fits(pair.own, pair.true * wide, room):
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
    meant = _same_rows(own, true)
    moved = np.flatnonzero(meant != np.arange(outputs))
    if not len(moved) or not _fits(pair.own, pair.true[meant], pair.room):
        return None
    return f"{_outputs(pair, moved, classes)} are swapped"


def _swapped_inputs(pair: KernelPair, classes: Sequence[str]) -> str | None:
    inputs = pair.own.shape[1]
    if inputs < 2 or inputs > MOST_INPUTS:
        return None
    own, true = (
        np.nan_to_num(each).transpose(1, 0, 2).reshape(inputs, -1) for each in (pair.own, pair.true)
    )
    meant = _same_rows(own, true)
    moved = np.flatnonzero(meant != np.arange(inputs))
    if not len(moved) or not _fits(pair.own, pair.true[:, meant], pair.room):
        return None
    return f"{pair.name} takes channels {_listed([str(each) for each in moved])} in another order"


def _same_rows(own: Floats, true: Floats) -> NDArray[np.int64]:
    """Return for each row the row of the twin that it is most like."""
    from scipy.optimize import linear_sum_assignment

    norms = [np.linalg.norm(each, axis=1, keepdims=True) + SMALLEST for each in (own, true)]
    _, meant = linear_sum_assignment((own / norms[0]) @ (true / norms[1]).T, maximize=True)
    return np.asarray(meant, np.int64)


def _gains(pair: KernelPair, classes: Sequence[str]) -> str | None:
    outputs = len(pair.own)
    own, true = (each.reshape(outputs, -1).astype(np.float64) for each in (pair.own, pair.true))
    gains = (own * true).sum(axis=1) / np.maximum((true * true).sum(axis=1), SMALLEST)
    wide = gains[:, np.newaxis, np.newaxis].astype(np.float32)
    is_off = pair.off.reshape(outputs, -1).any(axis=1)
    wrong = np.flatnonzero(is_off & (np.abs(gains - 1) > SMALLEST_GAIN))
    if not len(wrong) or np.any(gains[wrong] == 0):
        return None
    if not _fits(pair.own, pair.true * wide, pair.room * np.maximum(1, np.abs(wide))):
        return None
    typical = float(np.median(gains[wrong]))
    is_one = bool(np.ptp(gains[wrong]) <= SAME_GAIN * abs(typical))
    if pair.takes_pixels and is_one and len(wrong) == outputs:
        return _other_rescaling(typical)
    if len(wrong) > 1 and len(wrong) == outputs and is_one:
        return f"the scale of all weights of {pair.name} is {typical:.2f} times {RIGHT}"
    if len(wrong) == 1:
        return f"the scale of {_outputs(pair, wrong, classes)} is {typical:.2f} times {RIGHT}"
    each = f"{typical:.2f}" if is_one else _listed([f"{gain:.2f}" for gain in gains[wrong]])
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
    if not len(wrong) or not _fits(pair.own - moved, pair.true, pair.room):
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
    return Cause(f"{part:.1%} of the weights of {pair.name} are others: bits or signs were flipped")


def _moved_pixels(pair: KernelPair, classes: Sequence[str]) -> str | None:
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


def _input_scale(pair: KernelPair, classes: Sequence[str]) -> str | None:
    own, true = pair.bias.astype(np.float64), pair.true_bias.astype(np.float64)
    gain = float(own @ true) / max(float(true @ true), SMALLEST)
    if abs(gain - 1) <= SMALLEST_GAIN or gain == 0:
        return None
    if not _fits(pair.bias, (gain * true).astype(np.float32), pair.bias_room * max(1, abs(gain))):
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
