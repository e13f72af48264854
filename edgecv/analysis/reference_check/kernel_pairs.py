"""Kernels of a file paired with those of its float32 twin."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgecv.analysis.reference_check.channel_order import in_twins_order
from edgecv.analysis.reference_check.first_input import FirstInput, first_of
from edgecv.analysis.reference_check.kernel_order import Reals, explains
from edgecv.analysis.reference_check.layer_matching import Match, match_layers
from edgecv.core.quantization import Floats, Kernel, Stored

HALF = 0.5 * (1 + 1e-3)
"""The part of a step by which rounding may change a weight, with a margin for float32."""
ARITHMETIC = 1e-5
"""The part of a kernel's largest weight by which folding a constant in float32 may change it."""
FLOAT16 = 2.0**-11 * (1 + 1e-3)
SMALLEST_FLOAT16 = 2.0**-24
ROUNDED_TWICE = 5e-3
FEW = 0.02
"""Share of the weights that may be others in a kernel that is found again."""


Padding = tuple[float, ...]
"""The values behind the borders of the first convolution, one a channel; empty for 0."""


@dataclass(frozen=True)
class KernelPair:
    """One kernel in both files. ``own`` and ``true`` are float32 (outputs, inputs, places)."""

    name: str
    number: int
    place: int
    """The place of the twin's kernel among all of its kernels."""
    own: Floats
    true: Floats
    room: Floats
    """The largest difference that honest rounding explains, for each weight of ``own``."""
    bias: Floats
    true_bias: Floats
    bias_room: Floats
    """float32 (outputs,)."""
    steps: Floats
    """The steps of each output's stored weights, float32 (outputs,): 0 where they are floats."""
    takes_pixels: bool = False
    takes_colours: bool = False
    """True for the first kernel, and for the second where the first rescales each channel."""
    is_last: bool = False
    raw: tuple[Floats, Floats, Floats] | None = None
    """Weights of both, and the room, before the rescaling of pixels is a part of them."""
    is_reordered: bool = False
    """True if the file has its outputs in another order, and all that take them do so too."""
    others: tuple[str, str] = ("", "")
    """The layers of the twin that its weights and its biases are of, if they are of others."""

    def is_read_as(self, own: Reals, true: Reals, room: Reals) -> bool:
        """Return True if another reading of the kernel explains its weights."""
        return explains(self.off, own, true, room)

    @cached_property
    def off(self) -> NDArray[np.bool_]:
        """True for each weight that differs from the twin's by more than rounding."""
        return np.asarray(~(np.abs(self.own - self.true) <= self.room))

    @cached_property
    def bias_off(self) -> NDArray[np.bool_]:
        """True for each bias that differs from the twin's by more than rounding."""
        return np.asarray(~(np.abs(self.bias - self.true_bias) <= self.bias_room))


@dataclass(frozen=True)
class Pairing:
    """Kernels in pairs, and the names of those of the file that were not compared."""

    pairs: tuple[KernelPair, ...]
    left: tuple[str, ...] = ()


def paired(own: Stored, twin: Stored, names: Sequence[str]) -> Pairing:
    """Return the kernels of a file with their counterparts in its twin.

    ``names``: layer names in the twin's order; by default the names in the twin.
    """
    found, left = [], []
    followed = {number for kernel in own.kernels for number in kernel.inputs}
    matches = {each.own: each for each in match_layers(own.kernels, twin.kernels)}
    arranged = [
        replace(each, values=np.ascontiguousarray(matches[n].arrange(each.values)))
        if n in matches
        else each
        for n, each in enumerate(own.kernels)
    ]
    partner = {number: match.true for number, match in matches.items()}
    ordered, reordered = in_twins_order(arranged, twin.kernels, partner)
    mine, yours = first_of(own), first_of(twin)
    colours = mine.number
    if mine.number == yours.number:  # A kernel that both have is compared as every other one.
        mine = FirstInput(0, own.pixels, own.pixels_room)
        yours = FirstInput(0, twin.pixels, twin.pixels_room)
    for number, kernel in enumerate(ordered):
        match = matches.get(number)
        if match is None:
            if number >= mine.number:  # Else it is a part of what pixels become.
                left.append(_short(kernel.name))
            continue
        true = twin.kernels[match.true]
        name = names[match.true] if len(names) == len(twin.kernels) else _short(true.name)
        pair = _pair(name, match, kernel, true, is_last=number not in followed)
        others = _others(pair, twin.kernels, names)
        takes_colours = match.own == colours
        pair = replace(
            pair, others=others, is_reordered=number in reordered, takes_colours=takes_colours
        )
        is_first = match.own == mine.number, match.true == yours.number
        if any(is_first):
            if all(is_first) and mine.pixels is not None and yours.pixels is not None:
                pair = _of_pixels(pair, mine.pixels, yours.pixels, mine.room)
            elif pair.off.any() or pair.bias_off.any():
                # Its preprocessing may be a part of it, and is not known.
                left.append(name)
                continue
        found.append(pair)
    return Pairing(tuple(found), tuple(left))


def padding_of(own: Stored, twin: Stored) -> Padding:
    """Return the values behind the borders of a file that takes bytes as they are, for its twin.

    Where the twin's 0 is between two bytes, such a file pads with the nearest one. Empty for 0.
    """
    if own.pixels is None or twin.pixels is None or own.pixels.shape != twin.pixels.shape:
        return ()
    zero = -own.pixels[:, -1]
    slopes = twin.pixels[:, :-1]
    reached = slopes @ zero + twin.pixels[:, -1]
    is_bytes = np.array_equal(own.pixels[:, :-1], np.eye(len(zero))) and np.all(zero % 1 == 0)
    size = np.abs(slopes).sum(axis=1)
    is_near = np.all(np.abs(reached) <= HALF * size) and np.any(np.abs(reached) > ARITHMETIC * size)
    return tuple(map(float, reached)) if is_bytes and is_near else ()


def _short(name: str) -> str:
    """Return the layer's name within a name that a converter made.

    >>> _short("cifar_cnn/conv_2/Conv2D")
    'conv_2'
    """
    parts = name.split("/")
    return parts[-2] if len(parts) > 1 else name


def _others(pair: KernelPair, kernels: Sequence[Kernel], names: Sequence[str]) -> tuple[str, str]:
    """Return the names of the layers of the twin whose weights, and whose biases, these are."""
    weights = biases = ""
    is_other = float(np.mean(pair.off)) > FEW
    if not is_other and not pair.bias_off.any():
        return weights, biases
    for place, kernel in enumerate(kernels):
        if place == pair.place or len(kernel.values) != len(pair.own):
            continue
        name = names[place] if len(names) == len(kernels) else _short(kernel.name)
        is_shape = kernel.values.shape == pair.own.shape
        if is_other and is_shape and _is_near(pair.own, kernel.values, pair.room):
            weights = name
        if pair.bias_off.any() and np.ptp(kernel.bias):
            biases = name if _is_near(pair.bias, kernel.bias, pair.bias_room) else biases
    return weights, biases


def _is_near(own: Floats, true: Floats, room: Floats) -> bool:
    # The other layer was rounded with steps of its own.
    wide = 2 * room + ROUNDED_TWICE * float(np.abs(true).max(initial=0.0))
    return bool(np.mean(np.abs(own - true) <= wide) >= 1 - FEW)


def _pair(name: str, match: Match, own: Kernel, true: Kernel, *, is_last: bool) -> KernelPair:
    largest = np.abs(true.values).max(axis=(1, 2), keepdims=True)
    # A zero point that is not 0 was rounded itself: it moves the ends by half a step more.
    half = HALF if not own.is_asymmetric else 2 * HALF
    room = half * own.steps[:, np.newaxis, np.newaxis] + ARITHMETIC * largest
    bias_room = HALF * own.bias_steps + ARITHMETIC * np.maximum(
        np.abs(true.bias).max(initial=0.0), largest.max()
    )
    if own.type == "float16":
        room = room + FLOAT16 * np.abs(true.values) + SMALLEST_FLOAT16
        bias_room = bias_room + FLOAT16 * np.abs(true.bias) + SMALLEST_FLOAT16
    return KernelPair(
        name=name,
        number=match.own,
        place=match.true,
        own=own.values,
        true=true.values,
        room=np.broadcast_to(room, own.values.shape).astype(np.float32),
        bias=own.bias,
        true_bias=true.bias,
        bias_room=bias_room.astype(np.float32),
        steps=own.steps,
        is_last=is_last,
    )


def _of_pixels(pair: KernelPair, own: Floats, true: Floats, rounded: Floats | None) -> KernelPair:
    """Return the first kernels as functions of a pixel's bytes, with the rescaling folded in.

    The bias is compared at the byte that the file maps to 0: nothing is rounded there.
    """
    channels = len(own)
    shape = pair.own.shape
    if len(true) != channels or shape[1] % channels:
        return pair
    is_flat = shape[1] != channels
    if is_flat and shape[2] != 1:
        return pair

    def split(values: Floats) -> Floats:
        if not is_flat:
            return values
        return values.reshape(shape[0], -1, channels).transpose(0, 2, 1)

    mine, yours, room = (split(each) for each in (pair.own, pair.true, pair.room))
    slopes, true_slopes = own[:, :-1], true[:, :-1]
    if abs(np.linalg.det(slopes.astype(np.float64))) < np.finfo(np.float32).tiny:
        return pair
    zero = np.linalg.solve(slopes.astype(np.float64), -own[:, -1].astype(np.float64))
    reached = true_slopes @ zero + true[:, -1]
    shift = np.einsum("ocp,c->o", yours.astype(np.float64), reached)
    largest = np.abs(yours).sum(axis=(1, 2)) * np.abs(reached).max(initial=0.0)
    loose = np.zeros_like(own) if rounded is None else rounded
    at_zero = loose[:, :-1] @ np.abs(zero) + loose[:, -1]
    sizes = np.abs(mine)
    return replace(
        pair,
        own=np.einsum("ocp,cb->obp", mine, slopes).astype(np.float32),
        true=np.einsum("ocp,cb->obp", yours, true_slopes).astype(np.float32),
        room=(
            np.einsum("ocp,cb->obp", room, np.abs(slopes))
            + np.einsum("ocp,cb->obp", sizes, loose[:, :-1])
        ).astype(np.float32),
        true_bias=(pair.true_bias + shift).astype(np.float32),
        bias_room=(
            pair.bias_room + ARITHMETIC * largest + np.einsum("ocp,c->o", sizes, at_zero)
        ).astype(np.float32),
        takes_pixels=True,
        raw=(mine, yours, room),
    )
