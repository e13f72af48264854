"""Plain stack of convolutions, after VGG, for files of a few ten kilobytes.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014;
with batch normalization, strides in place of pooling, and the mean over positions in place of the
large dense layers. The first convolution halves the image: time and memory are at the input.
"""

import math
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from edgecv.core.data import Shape
from edgecv.core.errors import InputError
from edgecv.core.keras_types import Tensor
from edgecv.core.plugins import Head
from edgecv.models.architectures import blocks
from edgecv.models.architectures.blocks import HeadOutputs
from edgecv.models.tf import keras


class PlainCnn(blocks.BlockNetwork):
    """Plain stack of convolutions, halved at the first: few bytes, and fast everywhere."""

    name: ClassVar[str] = "plain_cnn"
    filters: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = Field(
        default=(16, 16, 32, 32, 32, 64), min_length=1, max_length=64, strict=False
    )
    """Filters of each convolution. Multiples of 16 fill the vectors of int8 kernels."""
    strides: tuple[Annotated[int, Field(ge=1, le=4)], ...] = Field(
        default=(2, 1, 2, 1, 1, 1), min_length=1, max_length=64, strict=False
    )
    """Stride of each convolution."""
    kernels: tuple[Literal[1, 3, 5], ...] = Field(
        default=(3, 3, 3, 3, 3, 1), min_length=1, max_length=64, strict=False
    )
    """Side of each kernel. A last one of 1, to more filters, gives the mean more to look at."""
    unpadded: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(default=(2,), strict=False)
    """Numbers of the convolutions that lose a border: fewer places, and kernels without padding are
    faster."""
    separable: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(default=(), strict=False)
    """Numbers of the convolutions that are a depthwise and a 1x1 one: of many filters they take a
    fraction of the weights."""
    residual: bool = False
    """Add its input to each convolution that keeps size and filters."""

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        count = len(self.filters)
        if not len(self.strides) == len(self.kernels) == count:
            raise ValueError(f"strides and kernels for all {count} convolutions of filters")
        for key in ("unpadded", "separable"):
            if any(number > count for number in getattr(self, key)):
                raise ValueError(
                    f"no number above {count} in {key}: there are as many convolutions"
                )
        if any(self.kernels[number - 1] == 1 for number in self.separable):
            raise ValueError("no number of a 1x1 convolution in separable: it has one weight each")
        return self

    def check_shape(self, shape: Shape) -> None:
        """Raise InputError if images are too small, or convolutions without borders leave none."""
        super().check_shape(shape)
        side = min(shape[:2])
        for number, (kernel, stride) in enumerate(
            zip(self.kernels, self.strides, strict=True), start=1
        ):
            if number not in self.unpadded:
                side = math.ceil(side / stride)
                continue
            if side < kernel:
                raise InputError(
                    self.name,
                    f"of images of {shape[0]}x{shape[1]} a side of {side} is left for"
                    f" conv_{number}, which loses a border to its {kernel}x{kernel} kernel",
                    accepted="larger images, smaller strides, or unpadded without this number",
                )
            side = (side - kernel) // stride + 1

    def outputs(self, x: Tensor, head: Head) -> HeadOutputs:
        """Apply the layers between centred pixels and the end of the head."""
        for number, (filters, side, stride) in enumerate(
            zip(self.filters, self.kernels, self.strides, strict=True), start=1
        ):
            name = f"conv_{number}"
            y = self._convolved(x, number, filters, side, stride)
            if self.residual and y.shape == x.shape:
                y = keras.layers.Add(name=f"{name}_add")([x, y])
            x = blocks.rectified(y, name)
        return blocks.ended(x, head)

    def _convolved(self, x: Tensor, number: int, filters: int, side: int, stride: int) -> Tensor:
        """Apply a convolution, or the depthwise and the 1x1 one that it is made of."""
        name, padding = f"conv_{number}", "valid" if number in self.unpadded else "same"
        if number not in self.separable:
            return blocks.convolved(x, filters, side, name, stride=stride, padding=padding)
        first = f"{name}_depthwise"
        x = blocks.convolved_by_channel(x, first, stride=stride, side=side, padding=padding)
        return blocks.convolved(blocks.rectified(x, first), filters, 1, name)
