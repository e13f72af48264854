"""The channels of one layer, and the operations that the rules share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from edgecv.core.keras_types import KerasLayer
from edgecv.models.channels.coupling import ChannelTies, Elements, Ids, Values
from edgecv.models.tf import tensorflow

ELEMENTWISE = frozenset(
    """
    linear relu relu6 sigmoid tanh swish silu gelu elu selu softplus softsign exponential
    hard_sigmoid mish leaky_relu
    """.split()
)
"""Activations that act on each element alone."""
ACROSS_CHANNELS = ("softmax", "log_softmax")


@dataclass(frozen=True)
class Axis:
    """Channels along one axis of a weight. ``makes``: the layer makes or scales them itself."""

    ids: Ids
    makes: bool


Axes = tuple[Axis | None, ...]
"""One entry per axis of a weight; None if it does not run along channels."""


@dataclass
class LayerChannels:
    """The channels of one layer, shared by all its calls."""

    path: str
    layer: KerasLayer
    weights: tuple[Axes, ...] = ()
    """The axes of each weight, in the order of ``layer.weights``."""
    kernels: tuple[int, ...] = ()
    """Numbers of the weights that are multiplied with the input at each position."""
    counts: dict[str, Ids] = field(default_factory=dict)
    """Options of the layer that are a number of channels, and these channels."""
    incoming: tuple[Ids, ...] = ()
    """Channels that entered the first call, or left a Reshape: the same in all calls."""
    made: Ids | None = None
    """Channels that the layer makes; None for one that passes on its input."""
    follows: bool = True
    """False for a layer whose channels are all held: its kind, or this use, is not known."""


Rule = Callable[[ChannelTies, LayerChannels, Sequence[Elements]], Elements]


def hold_all(ties: ChannelTies, inputs: Sequence[Elements], shape: tuple[int, ...]) -> Elements:
    """Hold the input and output channels of an unknown layer."""
    for each in inputs:
        ties.hold(each.ids)
    made = ties.new(shape[-1] if shape else 1)
    ties.hold(made)
    return Elements(shape, made, np.zeros(len(made)))


def shape_after(known: LayerChannels, inputs: Sequence[Elements]) -> tuple[int, ...]:
    """Return the shape that leaves a layer, for one image."""
    shapes = [(None, *each.shape) for each in inputs]
    found = known.layer.compute_output_shape(shapes if len(shapes) > 1 else shapes[0])
    return tuple(int(side) for side in tuple(found)[1:])


def tie_with_earlier_calls(
    ties: ChannelTies, known: LayerChannels, inputs: Sequence[Elements]
) -> None:
    """Tie the inputs of all calls of a layer: a shared layer has one set of weights."""
    for earlier, now in zip(known.incoming, inputs, strict=False):
        ties.tie(earlier, now.ids)
    known.incoming = known.incoming or tuple(each.ids for each in inputs)


def only_nothing(ties: ChannelTies, elements: Elements) -> Ids:
    """Hold the channels that leave a nonzero value when removed; return all channels."""
    ties.hold(elements.ids[elements.values != 0])
    return elements.ids


def activate(known: LayerChannels, ties: ChannelTies, ids: Ids, values: Values) -> Values:
    """Return the values after the layer's activation; hold channels that it combines."""
    activation = getattr(known.layer, "activation", None)
    if activation is None:
        return values
    name = getattr(activation, "__name__", "")
    if name not in ELEMENTWISE:
        ties.hold(ids)
        known.follows = name in ACROSS_CHANNELS
        return values
    return np.asarray(activation(tensorflow.constant(values, "float32")), np.float64)
