"""Kernels of a file beside those of its float32 twin, both as functions of what they take."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgecv.core.quantization import Floats, Kernel, Stored

HALF = 0.5 * (1 + 1e-3)
"""The part of a step that rounding may move a weight, with room for float32's own rounding."""
ARITHMETIC = 1e-5
"""The part of a kernel's largest weight that folding a constant into it in float32 may move."""
FLOAT16 = 2.0**-11 * (1 + 1e-3)
SMALLEST_FLOAT16 = 2.0**-24
IN_ORDER = 1e-3
"""The loss of likeness with which two kernels are still paired, where that keeps their order."""


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
    """The distance from its own that honest rounding may move a weight: shaped as ``own``."""
    bias: Floats
    true_bias: Floats
    bias_room: Floats
    """float32 (outputs,)."""
    steps: Floats
    """The steps of each output's stored weights, float32 (outputs,): 0 where they are floats."""
    takes_pixels: bool = False
    is_last: bool = False

    @cached_property
    def off(self) -> NDArray[np.bool_]:
        """The weights that are further from the twin's than rounding explains, as truth values."""
        return np.asarray(~(np.abs(self.own - self.true) <= self.room))

    @cached_property
    def bias_off(self) -> NDArray[np.bool_]:
        """The biases that are."""
        return np.asarray(~(np.abs(self.bias - self.true_bias) <= self.bias_room))


def paired(own: Stored, twin: Stored, names: Sequence[str]) -> tuple[KernelPair, ...] | None:
    """Return all kernels in pairs, None where the files hold kernels of other shapes.

    ``names``: of the layers, in the twin's order; else the twin's own.
    """
    order = _matching(own.kernels, twin.kernels)
    if order is None:
        return None
    found = []
    for number, (kernel, place) in enumerate(zip(own.kernels, order, strict=True)):
        true = twin.kernels[place]
        name = names[place] if len(names) == len(order) else _short(true.name)
        pair = _pair(name, (number, place), kernel, true, is_last=number == len(order) - 1)
        if number == 0 and own.pixels is not None and twin.pixels is not None:
            pair = _of_pixels(pair, own.pixels, twin.pixels)
        found.append(pair)
    return tuple(found)


def _short(name: str) -> str:
    """Return the part of a converter's name that says which layer it is.

    >>> _short("cifar_cnn/conv_2/Conv2D")
    'conv_2'
    """
    parts = name.split("/")
    return parts[-2] if len(parts) > 1 else name


def _matching(own: Sequence[Kernel], twin: Sequence[Kernel]) -> list[int] | None:
    """Return the twin's kernel for each one, of the same shape and the most alike."""
    from scipy.optimize import linear_sum_assignment

    shapes = [each.values.shape for each in own]
    others = [each.values.shape for each in twin]
    if not shapes or sorted(shapes) != sorted(others):
        return None
    found = [0] * len(own)
    for shape in set(shapes):
        mine = [number for number, each in enumerate(shapes) if each == shape]
        yours = [number for number, each in enumerate(others) if each == shape]
        likeness = np.array(
            [[_likeness(own[a].values, twin[b].values) for b in yours] for a in mine]
        )
        rows, columns = linear_sum_assignment(
            likeness + IN_ORDER * np.eye(len(mine)), maximize=True
        )
        for row, column in zip(rows, columns, strict=True):
            found[mine[row]] = yours[column]
    return found


def _likeness(first: Floats, second: Floats) -> float:
    a, b = (np.nan_to_num(each.astype(np.float64)).ravel() for each in (first, second))
    norm = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / norm) if norm else 0.0


def _pair(
    name: str, places: tuple[int, int], own: Kernel, true: Kernel, *, is_last: bool
) -> KernelPair:
    largest = np.abs(true.values).max(axis=(1, 2), keepdims=True)
    room = HALF * own.steps[:, np.newaxis, np.newaxis] + ARITHMETIC * largest
    bias_room = HALF * own.bias_steps + ARITHMETIC * np.maximum(
        np.abs(true.bias).max(initial=0.0), largest.max()
    )
    if own.type == "float16":
        room = room + FLOAT16 * np.abs(true.values) + SMALLEST_FLOAT16
        bias_room = bias_room + FLOAT16 * np.abs(true.bias) + SMALLEST_FLOAT16
    return KernelPair(
        name=name,
        number=places[0],
        place=places[1],
        own=own.values,
        true=true.values,
        room=np.broadcast_to(room, own.values.shape).astype(np.float32),
        bias=own.bias,
        true_bias=true.bias,
        bias_room=bias_room.astype(np.float32),
        steps=own.steps,
        is_last=is_last,
    )


def _of_pixels(pair: KernelPair, own: Floats, true: Floats) -> KernelPair:
    """Return the first kernels as functions of a pixel's bytes, wherever the rescaling stands.

    The bias is compared at the byte that is 0 to the file: nothing is rounded there.
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
    return replace(
        pair,
        own=np.einsum("ocp,cb->obp", mine, slopes).astype(np.float32),
        true=np.einsum("ocp,cb->obp", yours, true_slopes).astype(np.float32),
        room=np.einsum("ocp,cb->obp", room, np.abs(slopes)).astype(np.float32),
        true_bias=(pair.true_bias + shift).astype(np.float32),
        bias_room=(pair.bias_room + ARITHMETIC * largest).astype(np.float32),
        takes_pixels=True,
    )
