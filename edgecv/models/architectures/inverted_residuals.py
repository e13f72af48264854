"""Networks of inverted residual blocks: MobileNetV2, MobileNetV3 and EfficientNet-Lite."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from edgecv.core.keras_types import Tensor
from edgecv.core.plugins import Head
from edgecv.models.architectures import blocks
from edgecv.models.architectures.blocks import HeadOutputs
from edgecv.models.tf import keras

SMALLEST_GATE = 4
"""Fraction of the channels that the gate of a block narrows to."""


@dataclass(frozen=True)
class Stage:
    """Blocks of one size."""

    filters: int
    """Channels that each block gives, at width 1."""
    blocks: int = 1
    """At depth 1."""
    expansion: float = 6
    """Channels inside of a block, for one that it takes."""
    side: int = 3
    """Side of the kernels, in pixels."""
    halves: bool = False
    """True if its first block halves the sides in the paper."""
    is_swish: bool = False
    """True for hard swish, False for relu up to 6."""
    is_gated: bool = False
    """True if each block scales its channels by what they all are on average."""


class InvertedResiduals(blocks.BlockNetwork):
    """A convolution, stages of inverted residual blocks, and a 1x1 convolution.

    The papers halve the sides five times, the first convolution too. Here the first of these are
    left out where less than 3x3 places would be left.
    """

    smallest_side: ClassVar[int] = 12
    first: ClassVar[int] = 32
    """Filters of the first convolution, at width 1."""
    last: ClassVar[int] = 1280
    """Filters of the last convolution, at width 1."""
    stages: ClassVar[Sequence[Stage]]
    has_swish_ends: ClassVar[bool] = False
    """True if the first and the last convolution have a hard swish behind them."""
    width: float = Field(default=0.35, gt=0, le=4)
    """The factor on the number of filters of every layer; 1 is the network of the paper."""
    depth: float = Field(default=1.0, gt=0, le=4)
    """The factor on the number of blocks of every stage."""

    def outputs(self, x: Tensor, head: Head) -> HeadOutputs:
        """Apply the layers between centred pixels and the end of the head."""
        halving = [0, *(place for place, each in enumerate(self.stages, start=1) if each.halves)]
        kept = blocks.last_halvings(halving, min(x.shape[1:3]))
        x = blocks.convolved(
            x, scaled(self.first, self.width), 3, "conv_1", stride=2 if 0 in kept else 1
        )
        x = activated(x, "conv_1", is_swish=self.has_swish_ends)
        for place, stage in enumerate(self.stages, start=1):
            filters = scaled(stage.filters, self.width)
            for number in range(1, max(1, round(stage.blocks * self.depth)) + 1):
                stride = 2 if place in kept and number == 1 else 1
                x = _block(x, stage, filters, stride, f"stage_{place}_block_{number}")
        x = blocks.convolved(x, scaled(self.last, self.width), 1, "conv_last")
        x = activated(x, "conv_last", is_swish=self.has_swish_ends)
        return blocks.ended(x, head)


def _block(x: Tensor, stage: Stage, filters: int, stride: int, name: str) -> Tensor:
    """Widen, convolve each channel, narrow; add the input where it has the same shape."""
    y, inside = x, f"{name}_expand"
    if stage.expansion != 1:
        y = blocks.convolved(y, scaled(x.shape[-1], stage.expansion), 1, inside)
        y = activated(y, inside, is_swish=stage.is_swish)
    inside = f"{name}_depthwise"
    y = blocks.convolved_by_channel(y, inside, stride=stride, side=stage.side)
    y = activated(y, inside, is_swish=stage.is_swish)
    if stage.is_gated:
        y = _gated(y, f"{name}_gate")
    y = blocks.convolved(y, filters, 1, f"{name}_project")
    if stride == 1 and x.shape[-1] == filters:
        y = keras.layers.Add(name=f"{name}_add")([x, y])
    return y


def activated(x: Tensor, name: str, *, is_swish: bool) -> Tensor:
    """Apply a relu up to 6, or a hard swish: x times a hard sigmoid of it."""
    if not is_swish:
        return keras.layers.ReLU(6.0, name=f"{name}_relu6")(x)
    return keras.layers.Multiply(name=f"{name}_swish")([x, _hard_sigmoid(x, name)])


def _hard_sigmoid(x: Tensor, name: str) -> Tensor:
    """Return x / 6 + 1/2 within 0..1. That of Keras has another slope than that of the papers."""
    x = keras.layers.Rescaling(1.0, 3.0, name=f"{name}_shift")(x)
    x = keras.layers.ReLU(6.0, name=f"{name}_relu6")(x)
    return keras.layers.Rescaling(1 / 6, name=f"{name}_scale")(x)


def _gated(x: Tensor, name: str) -> Tensor:
    """Scale each channel by a function of the averages of all: squeeze and excite."""
    channels = x.shape[-1]
    gate = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_average")(x)
    narrow = scaled(channels, 1 / SMALLEST_GATE)
    gate = blocks.convolved(gate, narrow, 1, f"{name}_narrow", normalized=False)
    gate = blocks.rectified(gate, f"{name}_narrow")
    gate = blocks.convolved(gate, channels, 1, f"{name}_widen", normalized=False)
    return keras.layers.Multiply(name=name)([x, _hard_sigmoid(gate, name)])


def scaled(filters: int, factor: float) -> int:
    """Return a number of filters times a factor, as a multiple of 8 and not a tenth below it.

    >>> scaled(32, 0.35), scaled(24, 1.0)
    (16, 24)
    """
    wanted = filters * factor
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded
