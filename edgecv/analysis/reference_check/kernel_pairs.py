"""Kernels of a file paired with those of its float32 twin."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgecv.core.quantization import Floats, Kernel, Stored

HALF = 0.5 * (1 + 1e-3)
"""The part of a step by which rounding may change a weight, with a margin for float32."""
ARITHMETIC = 1e-5
"""The part of a kernel's largest weight by which folding a constant in float32 may change it."""
FLOAT16 = 2.0**-11 * (1 + 1e-3)
SMALLEST_FLOAT16 = 2.0**-24
IN_ORDER = 1e-3
"""The loss of similarity that is accepted to pair kernels in their order."""


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
    is_last: bool = False

    @cached_property
    def off(self) -> NDArray[np.bool_]:
        """True for each weight that differs from the twin's by more than rounding."""
        return np.asarray(~(np.abs(self.own - self.true) <= self.room))

    @cached_property
    def bias_off(self) -> NDArray[np.bool_]:
        """True for each bias that differs from the twin's by more than rounding."""
        return np.asarray(~(np.abs(self.bias - self.true_bias) <= self.bias_room))


def paired(own: Stored, twin: Stored, names: Sequence[str]) -> tuple[KernelPair, ...] | None:
    """Return all kernels in pairs, None if the files hold kernels of other shapes.

    ``names``: layer names in the twin's order; by default the names in the twin.
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
    """Return the layer's name within a name that a converter made.

    >>> _short("cifar_cnn/conv_2/Conv2D")
    'conv_2'
    """
    parts = name.split("/")
    return parts[-2] if len(parts) > 1 else name


def _matching(own: Sequence[Kernel], twin: Sequence[Kernel]) -> list[int] | None:
    """Return for each kernel the most similar kernel of the twin with the same shape."""
    from scipy.optimize import linear_sum_assignment

    shapes = [each.values.shape for each in own]
    others = [each.values.shape for each in twin]
    if not shapes or sorted(shapes) != sorted(others):
        return None
    found = [0] * len(own)
    for shape in set(shapes):
        mine = [number for number, each in enumerate(shapes) if each == shape]
        yours = [number for number, each in enumerate(others) if each == shape]
        similarity = np.array(
            [[_similarity(own[a].values, twin[b].values) for b in yours] for a in mine]
        )
        rows, columns = linear_sum_assignment(
            similarity + IN_ORDER * np.eye(len(mine)), maximize=True
        )
        for row, column in zip(rows, columns, strict=True):
            found[mine[row]] = yours[column]
    return found


def _similarity(first: Floats, second: Floats) -> float:
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
    return replace(
        pair,
        own=np.einsum("ocp,cb->obp", mine, slopes).astype(np.float32),
        true=np.einsum("ocp,cb->obp", yours, true_slopes).astype(np.float32),
        room=np.einsum("ocp,cb->obp", room, np.abs(slopes)).astype(np.float32),
        true_bias=(pair.true_bias + shift).astype(np.float32),
        bias_room=(pair.bias_room + ARITHMETIC * largest).astype(np.float32),
        takes_pixels=True,
    )
