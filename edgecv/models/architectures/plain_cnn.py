"""Plain stack of 3x3 convolutions, after VGG, for files of a few ten kilobytes.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014;
with batch normalization, strides in place of pooling, and the mean over positions in place of the
large dense layers. The first convolution halves the image: time and memory are at the input.
"""

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from edgecv.core.data import Shape
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import Architecture, Head
from edgecv.models.architectures import blocks
from edgecv.models.tf import keras

SMALLEST_SIDE = 8


class PlainCnn(Architecture):
    """Plain stack of 3x3 convolutions, halved at the first: few bytes, and fast everywhere."""

    name: ClassVar[str] = "plain_cnn"
    filters: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = Field(
        default=(16, 16, 32, 32, 32), min_length=1, max_length=64, strict=False
    )
    """Filters of each convolution. Multiples of 16 fill the vectors of int8 kernels."""
    strides: tuple[Annotated[int, Field(ge=1, le=4)], ...] = Field(
        default=(2, 1, 2, 1, 1), min_length=1, max_length=64, strict=False
    )
    """Stride of each convolution."""
    residual: bool = False
    """Add its input to each convolution that keeps size and filters."""

    @model_validator(mode="after")
    def _stride_of_each(self) -> Self:
        if len(self.strides) != len(self.filters):
            raise ValueError(f"strides for all {len(self.filters)} convolutions of filters")
        return self

    def build(self, input_shape: Shape, head: Head) -> KerasModel:
        """Build the untrained network: float32 (N, H, W, C), 0..255."""
        blocks.check_size(self.name, input_shape, SMALLEST_SIDE)
        image = keras.layers.Input(input_shape, name="image")
        x = blocks.rescaled(image)
        for number, (filters, stride) in enumerate(
            zip(self.filters, self.strides, strict=True), start=1
        ):
            name = f"conv_{number}"
            y = blocks.convolved(x, filters, 3, name, stride=stride)
            if self.residual and y.shape == x.shape:
                y = keras.layers.Add(name=f"{name}_add")([x, y])
            x = blocks.rectified(y, name)
        return keras.Model(image, blocks.ended(x, head), name=self.name)
