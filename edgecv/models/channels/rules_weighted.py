"""Rules of the layers that make channels, or scale each by a weight of its own."""

from collections.abc import Sequence

import numpy as np

from edgecv.models.channels.coupling import ChannelTies, Elements, Ids
from edgecv.models.channels.layer import (
    Axes,
    Axis,
    LayerChannels,
    activate,
    hold_all,
    only_nothing,
    shape_after,
    tie_with_earlier_calls,
)


def _taken(ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]) -> Ids:
    """Return the channels of the one input of a layer, the same in each of its calls."""
    tie_with_earlier_calls(ties, known, inputs)
    return only_nothing(ties, inputs[0])


def _make(ties: ChannelTies, known: LayerChannels, option: str) -> Ids:
    """Return the channels that a layer makes, the same in each of its calls."""
    if known.made is None:
        known.made = ties.new(int(getattr(known.layer, option)))
        known.counts[option] = known.made
    return known.made


def _produced(
    ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements], made: Ids, *kernels: Axes
) -> Elements:
    """Return what a layer gives that multiplies by ``kernels``, whose axes these are."""
    bias: tuple[Axes, ...] = ((Axis(made, True),),) if known.layer.use_bias else ()
    known.weights = (*kernels, *bias)
    known.kernels = tuple(range(len(kernels)))
    values = activate(known, ties, made, np.zeros(len(made)))
    return Elements(shape_after(known, inputs), made, values)


def dense(ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Take input channels, the kernel's rows, and make new ones, its columns."""
    taken, made = _taken(ties, known, inputs), _make(ties, known, "units")
    return _produced(ties, known, inputs, made, (Axis(taken, False), Axis(made, True)))


def convolution(ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Take and make channels, of all groups together or group by group."""
    taken, made = _taken(ties, known, inputs), _make(ties, known, "filters")
    groups = known.layer.groups
    along: Axis | None = Axis(taken, False)
    if groups > 1:
        along = _tie_groups(ties, known, taken.reshape(groups, -1), made.reshape(groups, -1))
    sides = (None,) * len(known.layer.kernel_size)
    return _produced(ties, known, inputs, made, (*sides, along, Axis(made, True)))


def _tie_groups(ties: ChannelTies, known: LayerChannels, taken: Ids, made: Ids) -> Axis | None:
    """Tie the channels of a grouped convolution: its groups keep equal sizes, or go as a whole.

    ``taken``: (groups, inputs of a group), ``made``: (groups, outputs of a group).
    """
    if taken.shape[1] == 1:
        # As in a depthwise convolution: an input, its group and what it makes go together.
        for column in range(made.shape[1]):
            ties.tie(taken[:, 0], made[:, column])
        known.counts["groups"] = taken[:, 0]
        return None
    for group in range(1, len(taken)):
        ties.tie(taken[0], taken[group])
        ties.tie(made[0], made[group])
    return Axis(taken[0], False)


def transposed(ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Take and make channels; the kernel has its outputs before its inputs."""
    taken, made = _taken(ties, known, inputs), _make(ties, known, "filters")
    kernel = (None, None, Axis(made, True), Axis(taken, False))
    return _produced(ties, known, inputs, made, kernel)


def depthwise(ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Scale each channel by one or several kernels of its own."""
    taken = _taken(ties, known, inputs)
    made = np.repeat(taken, known.layer.depth_multiplier)
    return _produced(ties, known, inputs, made, (None, None, Axis(taken, True), None))


def separable(ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Scale each channel, then make new ones of all."""
    taken, made = _taken(ties, known, inputs), _make(ties, known, "filters")
    between = np.repeat(taken, known.layer.depth_multiplier)
    scaling = (None, None, Axis(taken, False), None)
    mixing = (None, None, Axis(between, False), Axis(made, True))
    return _produced(ties, known, inputs, made, scaling, mixing)


def batch_normalization(
    ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]
) -> Elements:
    """Scale each channel by a number of its own."""
    (entering,) = inputs
    axes = [axis % (len(entering.shape) + 1) for axis in known.layer.axis]
    if axes != [len(entering.shape)]:
        known.follows = False
        return hold_all(ties, inputs, entering.shape)
    _taken(ties, known, inputs)  # Its scale can be absent, and then leaves the value there.
    known.weights = tuple((Axis(entering.ids, True),) for _ in known.layer.weights)
    return entering


def prelu(ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Apply a slope per channel, or per element."""
    (entering,) = inputs
    _taken(ties, known, inputs)
    *sides, last = known.layer.alpha.shape
    along = Axis(entering.ids, True) if last == entering.shape[-1] else None
    known.weights = ((*(None for _ in sides), along),)
    return entering
