"""Channels of hidden layers that a converter has written in another order, and their takers too."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgecv.analysis.reference_check.layer_matching import ALIKE, similarity
from edgecv.core.quantization import Floats, Kernel

SMALLEST = 1e-30
IN_PLACE = 1e-6
"""The loss of likeness that is accepted to leave a row in its place."""
CLEARLY = 0.25
"""The part of the distance that is left where inputs are put into the twin's order."""

Order = NDArray[np.int64]


def in_twins_order(
    own: Sequence[Kernel], true: Sequence[Kernel], partner: Mapping[int, int]
) -> tuple[list[Kernel], set[int]]:
    """Return the kernels of a file with channels in the twin's order, and which had another one.

    Only where each layer that takes them has moved its inputs alike, and takes nothing else: such
    a file gives the same answers. ``partner``: number -> place of the kernels that are in both.
    """
    kernels, found = list(own), set()
    for number, place in sorted(partner.items()):
        takers = [n for n, each in enumerate(kernels) if number in each.inputs]
        order = _order(kernels[number].values, true[place].values)
        if order is None or not takers or not partner.keys() >= set(takers):
            continue
        moved = [_with_inputs(kernels[n], true[partner[n]].values, order) for n in takers]
        if any(each is None or each.inputs != (number,) for each in moved):
            continue
        found.add(number)
        rows = ("values", "steps", "bias", "bias_steps")
        kernels[number] = replace(
            kernels[number], **{row: getattr(kernels[number], row)[order] for row in rows}
        )
        for n, each in zip(takers, moved, strict=True):
            kernels[n] = each or kernels[n]
    return kernels, found


def same_rows(own: Floats, true: Floats) -> Order:
    """Return for each row the row of the twin that it is most like: float32 (rows, columns)."""
    from scipy.optimize import linear_sum_assignment

    norms = [np.linalg.norm(each, axis=1, keepdims=True) + SMALLEST for each in (own, true)]
    alike = (own / norms[0]) @ (true / norms[1]).T
    # Rows of zeros, and equal ones, stay where they are.
    _, meant = linear_sum_assignment(alike + IN_PLACE * np.eye(len(own)), maximize=True)
    return np.asarray(meant, np.int64)


def _order(own: Floats, true: Floats) -> Order | None:
    """Return the place of each of the twin's outputs in a file; None if all are where they are."""
    if own.shape != true.shape or similarity(own, true) >= ALIKE:
        return None
    flat = (np.nan_to_num(each).reshape(len(each), -1) for each in (own, true))
    order = np.argsort(same_rows(*flat))
    return order if similarity(own[order], true) >= ALIKE else None


def _with_inputs(kernel: Kernel, true: Floats, order: Order) -> Kernel | None:
    """Return a kernel with its inputs in another order; None if the twin has them as they are.

    Inputs of a flattened image are moved in all places. A depthwise kernel has an output for each
    input, which are moved when it is its turn.
    """
    outputs, inputs, places = kernel.values.shape
    if kernel.values.shape != true.shape:
        return None
    if kernel.is_depthwise:
        if outputs % len(order):
            return None
        moved = kernel.values.reshape(len(order), -1, places)[order].reshape(true.shape)
        return kernel if similarity(moved, true) >= ALIKE else None
    if inputs % len(order):
        return None
    shapes = ((outputs, -1, len(order), places), 2), ((outputs, len(order), -1, places), 1)
    layouts = [
        kernel.values.reshape(shape).take(order, axis).reshape(true.shape) for shape, axis in shapes
    ]
    best = min(layouts, key=lambda moved: _distance(moved, true))
    is_better = _distance(best, true) < CLEARLY * _distance(kernel.values, true)
    return replace(kernel, values=best) if is_better else None


def _distance(own: Floats, true: Floats) -> float:
    """Return how far the sizes of the weights of each input are, in whatever order outputs are."""
    sizes, wanted = (np.linalg.norm(np.nan_to_num(each), axis=(0, 2)) for each in (own, true))
    return float(np.abs(sizes - wanted).sum())
