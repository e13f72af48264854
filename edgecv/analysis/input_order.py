"""Order of inputs: places of a file's inputs among its baseline's, and samples in that order."""

from collections.abc import Sequence

from edgecv.core.artifact import FileEnds, TensorFacts
from edgecv.core.data import Predictions
from edgecv.core.text import counted
from edgecv.formats.declared_inputs import plain_name

CHANNELS_FIRST, CHANNELS_LAST = (0, 1, 4, 2, 3), (0, 1, 3, 4, 2)
"""Axes of samples (N, 1, H, W, C) in the other order of channels."""
IMAGE_AXES = 4


def input_order(ends: FileEnds, reference: FileEnds) -> tuple[list[int], str]:
    """Return the place of each input of a file among the reference's, and a note on other names.

    They belong together by their names; by their order where these are others. Raises ValueError
    where their numbers differ.
    """
    own, true = ([plain_name(each.name) for each in one.inputs] for one in (ends, reference))
    if len(own) != len(true):
        raise ValueError(f"takes {counted(len(own), 'input')}, the baseline takes {len(true)}")
    if len(own) == 1 or (sorted(own) == sorted(true) and len(set(own)) == len(own)):
        return [0] if len(own) == 1 else [true.index(name) for name in own], ""
    pairs = ", ".join(f"{one} as {other}" for one, other in zip(own, true, strict=True))
    note = f"its inputs have other names than the baseline's, and are taken in their order: {pairs}"
    return [*range(len(own))], note


def in_order_of(
    ends: FileEnds, samples: Sequence[Predictions], reference: FileEnds
) -> tuple[list[Predictions], str]:
    """Return the samples in a file's order of inputs and axes, and a note on names that differ.

    Raises ValueError where they do not fit.
    """
    order, note = input_order(ends, reference)
    return [
        _turned(tensor, samples[place]) for tensor, place in zip(ends.inputs, order, strict=True)
    ], note


def _turned(tensor: TensorFacts, values: Predictions) -> Predictions:
    if values.shape[1:] == tensor.shape:
        return values
    if values.ndim == IMAGE_AXES + 1:
        for axes in (CHANNELS_FIRST, CHANNELS_LAST):
            if tuple(values.shape[axis] for axis in axes[1:]) == tensor.shape:
                return values.transpose(axes)
    raise ValueError(
        f'its input "{tensor.name}" has the shape {list(tensor.shape)}, the baseline\'s'
        f" {list(values.shape[1:])}"
    )
