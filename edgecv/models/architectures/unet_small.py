"""A small U-Net: a class for each pixel. 64,860 parameters at three channels and four classes.

After Ronneberger et al., "U-Net: convolutional networks for biomedical image segmentation", 2015,
with three differences. Borders are padded, so that the map is as large as the image. Channels are
halved before the sides are doubled, which costs a quarter. The sides are doubled by bilinear
interpolation: ONNX Runtime has no transposed convolution of integers, and TFLite no fast nearest
neighbour; files of it had the same size and speed in TFLite, and it leaves no checkerboard.
"""

from typing import ClassVar, Literal

from pydantic import Field

from edgecv.core.data import Shape
from edgecv.core.keras_types import Tensor
from edgecv.core.plugins import Head
from edgecv.models.architectures import blocks
from edgecv.models.architectures.blocks import HeadOutputs
from edgecv.models.tf import keras


class UnetSmall(blocks.BlockNetwork):
    """Small U-Net: a class for each pixel, by bilinear upsampling."""

    name: ClassVar[str] = "unet_small"
    features: ClassVar[str] = "map"
    width: int = Field(default=8, ge=1, le=256)
    """Filters at the full size of the image; each halving of the sides doubles them."""
    depth: int = Field(default=3, ge=1, le=6)
    """Halvings of the sides. They must be divisible by 2 as often."""
    stride: Literal[1, 2, 4] = 1
    """Sides of the image over those of the map: with 2 the network costs a quarter, and whoever
    reads the map enlarges it."""

    def check_shape(self, shape: Shape) -> None:
        """Raise InputError if the sides cannot be halved ``depth`` times after the stride."""
        blocks.check_halvings(self.name, shape, self.depth + self.stride.bit_length() - 1)

    def outputs(self, x: Tensor, head: Head) -> HeadOutputs:
        """Apply the layers between centred pixels and the end of the head."""
        kept: list[Tensor] = []
        for level in range(self.depth):
            for number in (1, 2):
                stride = self.stride if (level, number) == (0, 1) else 1
                x = _convolved(
                    x, self.width * 2**level, f"down_{level}_conv_{number}", stride=stride
                )
            kept.append(x)
            x = keras.layers.MaxPooling2D(2, name=f"down_{level}_pool")(x)
        x = _convolved(x, self.width * 2**self.depth, "bottom_conv")
        for level in reversed(range(self.depth)):
            filters, name = self.width * 2**level, f"up_{level}"
            x = _convolved(x, filters, f"{name}_narrow", side=1)
            x = keras.layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_double")(x)
            x = keras.layers.Concatenate(name=f"{name}_join")([x, kept[level]])
            x = _convolved(x, filters, f"{name}_conv")
        return blocks.headed(x, head())


def _convolved(x: Tensor, filters: int, name: str, *, side: int = 3, stride: int = 1) -> Tensor:
    return blocks.rectified(blocks.convolved(x, filters, side, name, stride=stride), name)
