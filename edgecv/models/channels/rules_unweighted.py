"""Rules of the layers that pass channels on: element by element, moved, or combined."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgecv.models.channels.coupling import ChannelTies, Elements, Values
from edgecv.models.channels.layer import (
    LayerChannels,
    Rule,
    activate,
    hold_all,
    only_nothing,
    shape_after,
)
from edgecv.models.tf import tensorflow


def elementwise(ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Follow a layer whose output element is a function of the same input element alone."""
    (entering,) = inputs
    values = tensorflow.constant(entering.values, "float32")
    return Elements(entering.shape, entering.ids, np.asarray(known.layer(values), np.float64))


def rescaling(ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Follow one scale for all channels; hold where each has its own."""
    if np.ndim(known.layer.scale) or np.ndim(known.layer.offset):
        known.follows = False  # A number a channel, in the configuration.
        return hold_all(ties, inputs, inputs[0].shape)
    return elementwise(ties, known, inputs)


def activation(ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Follow an element-wise activation; hold the channels if it combines them."""
    (entering,) = inputs
    values = activate(known, ties, entering.ids, entering.values)
    return Elements(entering.shape, entering.ids, values)


def same(ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Follow a layer that acts only in training."""
    return inputs[0]


def over_positions(ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Follow pooling, cropping and resizing: a channel of one value keeps it."""
    return inputs[0].with_shape(shape_after(known, inputs))


def zero_padding(ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Hold the channels whose removal leaves a nonzero value inside and zero at the border."""
    only_nothing(ties, inputs[0])
    return inputs[0].with_shape(shape_after(known, inputs))


def reshape(ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Follow Flatten and Reshape if one channel is still one position of the last axis."""
    moved = _moved(ties, known, inputs[0], shape_after(known, inputs), np.reshape)
    # A shared Reshape gives one shape in all its calls.
    if known.incoming and len(known.incoming[0]) == len(moved.ids):
        ties.tie(known.incoming[0], moved.ids)
    known.incoming = known.incoming or (moved.ids,)
    return moved


def permute(ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Follow a Permute that keeps the channels on the last axis."""
    axes = [axis - 1 for axis in known.layer.dims]
    return _moved(
        ties, known, inputs[0], shape_after(known, inputs), lambda each, _: each.transpose(axes)
    )


def _moved(
    ties: ChannelTies, known: LayerChannels, entering: Elements, shape: tuple[int, ...], move: Any
) -> Elements:
    ids = move(np.broadcast_to(entering.ids, entering.shape), shape).reshape(-1, shape[-1])
    values = move(np.broadcast_to(entering.values, entering.shape), shape)
    if not (ids == ids[0]).all():
        known.follows = False
        return hold_all(ties, [entering], shape)
    return Elements(shape, ids[0].copy(), values.reshape(-1, shape[-1])[0].copy())


def merge(combine: Callable[[Values], Values]) -> Rule:
    """Return the rule of a layer that combines its inputs element by element."""

    def rule(ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
        shape = shape_after(known, inputs)
        if len({each.shape[-1] for each in inputs}) > 1:
            known.follows = False  # One channel against many: all of them would be one unit.
            return hold_all(ties, inputs, shape)
        return _combined(ties, inputs, shape, combine)

    return rule


def _combined(
    ties: ChannelTies,
    inputs: Sequence[Elements],
    shape: tuple[int, ...],
    combine: Callable[[Values], Values],
) -> Elements:
    first = inputs[0]
    for other in inputs[1:]:
        ties.tie(first.ids, other.ids)
    return Elements(shape, first.ids, combine(np.stack([each.values for each in inputs])))


def multiply(ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Follow a product; hold a gate of one channel for all, as zero times it stays zero."""
    shape = shape_after(known, inputs)
    wide = [each for each in inputs if each.shape[-1] == shape[-1]]
    for gate in inputs:
        if gate.shape[-1] != shape[-1]:
            ties.hold(gate.ids)
    product = _combined(ties, wide, shape, lambda values: values.prod(axis=0))
    if len(wide) < len(inputs):
        only_nothing(ties, product)
    return product


def across_channels(
    ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]
) -> Elements:
    """Hold the channels of a softmax, which depend on each other, or of pixels, which are given."""
    ties.hold(inputs[0].ids)
    return inputs[0].with_shape(shape_after(known, inputs))


def concatenate(ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Lay channels side by side; along another axis, tie them."""
    shape = shape_after(known, inputs)
    if known.layer.axis % (len(shape) + 1) == len(shape):
        return Elements(
            shape,
            np.concatenate([each.ids for each in inputs]),
            np.concatenate([each.values for each in inputs]),
        )
    first = inputs[0]
    for other in inputs[1:]:
        ties.tie(first.ids, other.ids)
        ties.hold(other.ids[other.values != first.values])
    return first.with_shape(shape)
