"""What each kind of layer does with channels: one short function a kind, found by class name.

A rule takes the elements that enter a layer and gives those that leave it. On the way it ties
channels that belong together, holds those that it cannot follow, and says which axis of which
weight runs along which channels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgecv.channels.ties import Elements, Ids, Ties, Values
from edgecv.tf import load_tensorflow

KERAS_MODULES = ("keras.", "tf_keras.")
ELEMENTWISE = frozenset(
    """
    linear relu relu6 sigmoid tanh swish silu gelu elu selu softplus softsign exponential
    hard_sigmoid mish leaky_relu
    """.split()
)
"""Activations that give each element a value of its own."""
ACROSS_CHANNELS = ("softmax", "log_softmax")


@dataclass(frozen=True)
class Axis:
    """Channels along one axis of a weight. ``makes``: the layer makes or scales them itself."""

    ids: Ids
    makes: bool


Axes = tuple[Axis | None, ...]
"""An entry an axis of a weight; None where it has nothing to do with channels."""


@dataclass
class LayerChannels:
    """What is known of one layer: shared by all its calls."""

    path: str
    layer: Any
    weights: tuple[Axes, ...] = ()
    """In the order of ``layer.weights``."""
    kernels: tuple[int, ...] = ()
    """Which weights are multiplied with the input, at each position."""
    counts: dict[str, Ids] = field(default_factory=dict)
    """Options of the layer that are a number of channels, and these channels."""
    incoming: tuple[Ids, ...] = ()
    """What entered in the first call, or left a Reshape: the same channels in all calls."""
    made: Ids | None = None
    """Channels that the layer makes; None for one that hands on what enters."""
    follows: bool = True
    """False for a layer whose channels are all held: its kind, or this use, is not known."""


Rule = Callable[[Ties, LayerChannels, Sequence[Elements]], Elements]


def rule_for(layer: Any) -> Rule | None:
    """Return the rule of a layer; None where its kind is not known."""
    cls = type(layer)
    if not f"{cls.__module__}.".startswith(KERAS_MODULES):
        return None
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return None
    return RULES.get(cls.__name__)


def hold_all(ties: Ties, inputs: Sequence[Elements], shape: tuple[int, ...]) -> Elements:
    """Hold what enters a layer that is not known, and what leaves it."""
    for each in inputs:
        ties.hold(each.ids)
    made = ties.new(shape[-1] if shape else 1)
    ties.hold(made)
    return Elements(shape, made, np.zeros(len(made)))


def _shape(known: LayerChannels, inputs: Sequence[Elements]) -> tuple[int, ...]:
    shapes = [(None, *each.shape) for each in inputs]
    found = known.layer.compute_output_shape(shapes if len(shapes) > 1 else shapes[0])
    return tuple(int(side) for side in tuple(found)[1:])


def _tie_with_earlier_calls(ties: Ties, known: LayerChannels, inputs: Sequence[Elements]) -> None:
    """A shared layer has one set of weights: its inputs have the same channels in every call."""
    for earlier, now in zip(known.incoming, inputs, strict=False):
        ties.tie(earlier, now.ids)
    known.incoming = known.incoming or tuple(each.ids for each in inputs)


def _only_nothing(ties: Ties, elements: Elements) -> Ids:
    """Hold the channels that would leave a value behind; return all of them."""
    ties.hold(elements.ids[elements.values != 0])
    return elements.ids


def _activate(known: LayerChannels, ties: Ties, ids: Ids, values: Values) -> Values:
    """Return the values after the layer's own activation, held where it looks across channels."""
    activation = getattr(known.layer, "activation", None)
    if activation is None:
        return values
    name = getattr(activation, "__name__", "")
    if name not in ELEMENTWISE:
        ties.hold(ids)
        known.follows = name in ACROSS_CHANNELS
        return values
    tensorflow, _ = load_tensorflow()
    return np.asarray(activation(tensorflow.constant(values, "float32")), np.float64)


def _bias(layer: Any, made: Ids) -> tuple[Axes, ...]:
    return ((Axis(made, True),),) if layer.use_bias else ()


def _make(ties: Ties, known: LayerChannels, option: str) -> Ids:
    """Return the channels that a layer makes, the same in each of its calls."""
    if known.made is None:
        known.made = ties.new(int(getattr(known.layer, option)))
        known.counts[option] = known.made
    return known.made


def _produced(ties: Ties, known: LayerChannels, inputs: Sequence[Elements], made: Ids) -> Elements:
    values = _activate(known, ties, made, np.zeros(len(made)))
    return Elements(_shape(known, inputs), made, values)


def _dense(ties: Ties, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    _tie_with_earlier_calls(ties, known, inputs)
    taken, made = _only_nothing(ties, inputs[0]), _make(ties, known, "units")
    known.weights = ((Axis(taken, False), Axis(made, True)), *_bias(known.layer, made))
    known.kernels = (0,)
    return _produced(ties, known, inputs, made)


def _convolution(ties: Ties, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    _tie_with_earlier_calls(ties, known, inputs)
    taken, made = _only_nothing(ties, inputs[0]), _make(ties, known, "filters")
    groups = known.layer.groups
    along: Axis | None = Axis(taken, False)
    if groups > 1:
        along = _tie_groups(ties, known, taken.reshape(groups, -1), made.reshape(groups, -1))
    sides = (None,) * len(known.layer.kernel_size)
    known.weights = ((*sides, along, Axis(made, True)), *_bias(known.layer, made))
    known.kernels = (0,)
    return _produced(ties, known, inputs, made)


def _tie_groups(ties: Ties, known: LayerChannels, taken: Ids, made: Ids) -> Axis | None:
    """Tie what a grouped convolution needs: groups of one size, or whole groups.

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


def _transposed(ties: Ties, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    _tie_with_earlier_calls(ties, known, inputs)
    taken, made = _only_nothing(ties, inputs[0]), _make(ties, known, "filters")
    kernel = (None, None, Axis(made, True), Axis(taken, False))
    known.weights = (kernel, *_bias(known.layer, made))
    known.kernels = (0,)
    return _produced(ties, known, inputs, made)


def _depthwise(ties: Ties, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    _tie_with_earlier_calls(ties, known, inputs)
    taken = _only_nothing(ties, inputs[0])
    made = np.repeat(taken, known.layer.depth_multiplier)
    known.weights = ((None, None, Axis(taken, True), None), *_bias(known.layer, made))
    known.kernels = (0,)
    return _produced(ties, known, inputs, made)


def _separable(ties: Ties, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    _tie_with_earlier_calls(ties, known, inputs)
    taken, made = _only_nothing(ties, inputs[0]), _make(ties, known, "filters")
    between = np.repeat(taken, known.layer.depth_multiplier)
    known.weights = (
        (None, None, Axis(taken, False), None),
        (None, None, Axis(between, False), Axis(made, True)),
        *_bias(known.layer, made),
    )
    known.kernels = (0, 1)
    return _produced(ties, known, inputs, made)


def _batch_normalization(ties: Ties, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    (entering,) = inputs
    axes = [axis % (len(entering.shape) + 1) for axis in known.layer.axis]
    if axes != [len(entering.shape)]:
        known.follows = False
        return hold_all(ties, inputs, entering.shape)
    _tie_with_earlier_calls(ties, known, inputs)
    _only_nothing(ties, entering)  # Its scale can be absent, and then leaves the value there.
    known.weights = tuple((Axis(entering.ids, True),) for _ in known.layer.weights)
    return entering


def _prelu(ties: Ties, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    (entering,) = inputs
    _tie_with_earlier_calls(ties, known, inputs)
    _only_nothing(ties, entering)
    *sides, last = known.layer.alpha.shape
    along = Axis(entering.ids, True) if last == entering.shape[-1] else None
    known.weights = ((*(None for _ in sides), along),)
    return entering


def _elementwise(ties: Ties, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Any layer whose output element is a function of the same input element alone."""
    (entering,) = inputs
    tensorflow, _ = load_tensorflow()
    values = tensorflow.constant(entering.values, "float32")
    return Elements(entering.shape, entering.ids, np.asarray(known.layer(values), np.float64))


def _rescaling(ties: Ties, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    if np.ndim(known.layer.scale) or np.ndim(known.layer.offset):
        known.follows = False  # A number a channel, in the configuration.
        return hold_all(ties, inputs, inputs[0].shape)
    return _elementwise(ties, known, inputs)


def _activation(ties: Ties, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    (entering,) = inputs
    values = _activate(known, ties, entering.ids, entering.values)
    return Elements(entering.shape, entering.ids, values)


def _same(ties: Ties, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Layers that do nothing but in training."""
    return inputs[0]


def _over_positions(ties: Ties, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Pooling, cropping, resizing: a channel of one value keeps it."""
    return inputs[0].with_shape(_shape(known, inputs))


def _zero_padding(ties: Ties, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    _only_nothing(ties, inputs[0])
    return inputs[0].with_shape(_shape(known, inputs))


def _reshape(ties: Ties, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Flatten and Reshape: followed where one channel is still one place on the last axis."""
    moved = _moved(ties, known, inputs[0], _shape(known, inputs), np.reshape)
    # A shared Reshape gives one shape in all its calls.
    if known.incoming and len(known.incoming[0]) == len(moved.ids):
        ties.tie(known.incoming[0], moved.ids)
    known.incoming = known.incoming or (moved.ids,)
    return moved


def _permute(ties: Ties, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    axes = [axis - 1 for axis in known.layer.dims]
    return _moved(
        ties, known, inputs[0], _shape(known, inputs), lambda each, _: each.transpose(axes)
    )


def _moved(
    ties: Ties, known: LayerChannels, entering: Elements, shape: tuple[int, ...], move: Any
) -> Elements:
    ids = move(np.broadcast_to(entering.ids, entering.shape), shape).reshape(-1, shape[-1])
    values = move(np.broadcast_to(entering.values, entering.shape), shape)
    if not (ids == ids[0]).all():
        known.follows = False
        return hold_all(ties, [entering], shape)
    return Elements(shape, ids[0].copy(), values.reshape(-1, shape[-1])[0].copy())


def _merge(combine: Callable[[Values], Values]) -> Rule:
    """Return the rule of a layer that combines its inputs element by element."""

    def rule(ties: Ties, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
        shape = _shape(known, inputs)
        if len({each.shape[-1] for each in inputs}) > 1:
            known.follows = False  # One channel against many: all of them would be one unit.
            return hold_all(ties, inputs, shape)
        return _combined(ties, inputs, shape, combine)

    return rule


def _combined(
    ties: Ties,
    inputs: Sequence[Elements],
    shape: tuple[int, ...],
    combine: Callable[[Values], Values],
) -> Elements:
    first = inputs[0]
    for other in inputs[1:]:
        ties.tie(first.ids, other.ids)
    return Elements(shape, first.ids, combine(np.stack([each.values for each in inputs])))


def _multiply(ties: Ties, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Multiply; a gate of one channel for all of them is held, as nothing times it is nothing."""
    shape = _shape(known, inputs)
    wide = [each for each in inputs if each.shape[-1] == shape[-1]]
    for gate in inputs:
        if gate.shape[-1] != shape[-1]:
            ties.hold(gate.ids)
    product = _combined(ties, wide, shape, lambda values: values.prod(axis=0))
    if len(wide) < len(inputs):
        _only_nothing(ties, product)
    return product


def _across_channels(ties: Ties, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    """Softmax, and what is done to pixels: each channel matters to the others, or is given."""
    ties.hold(inputs[0].ids)
    return inputs[0].with_shape(_shape(known, inputs))


def _concatenate(ties: Ties, known: LayerChannels, inputs: Sequence[Elements]) -> Elements:
    shape = _shape(known, inputs)
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


RULES: dict[str, Rule] = {
    "Dense": _dense,
    "Conv1D": _convolution,
    "Conv2D": _convolution,
    "Conv2DTranspose": _transposed,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "BatchNormalization": _batch_normalization,
    "PReLU": _prelu,
    "Activation": _activation,
    "Rescaling": _rescaling,
    "Flatten": _reshape,
    "Reshape": _reshape,
    "Permute": _permute,
    "ZeroPadding2D": _zero_padding,
    "Concatenate": _concatenate,
    "Add": _merge(lambda values: values.sum(axis=0)),
    "Subtract": _merge(lambda values: values[0] - values[1]),
    "Multiply": _multiply,
    "Average": _merge(lambda values: values.mean(axis=0)),
    "Maximum": _merge(lambda values: values.max(axis=0)),
    "Minimum": _merge(lambda values: values.min(axis=0)),
    **dict.fromkeys(
        """
        Softmax Normalization RandomFlip RandomRotation RandomTranslation RandomZoom RandomContrast
        RandomBrightness RandomCrop
        """.split(),
        _across_channels,
    ),
    **dict.fromkeys(("ReLU", "LeakyReLU", "ELU", "ThresholdedReLU"), _elementwise),
    **dict.fromkeys(
        """
        Dropout SpatialDropout2D GaussianNoise GaussianDropout AlphaDropout ActivityRegularization
        """.split(),
        _same,
    ),
    **dict.fromkeys(
        """
        MaxPooling2D AveragePooling2D GlobalAveragePooling2D GlobalMaxPooling2D
        Cropping2D UpSampling2D Resizing CenterCrop
        """.split(),
        _over_positions,
    ),
}
