"""A small detector without anchors: one map of cells, each of which may have a box."""

from typing import ClassVar

from pydantic import Field

from edgecv.core.data import Shape
from edgecv.core.keras_types import Tensor
from edgecv.core.plugins import Head
from edgecv.models.architectures import blocks
from edgecv.models.architectures.blocks import HeadOutputs


class DetectorSmall(blocks.BlockNetwork):
    """Small detector: a map of cells, each with chances of classes and distances to box edges."""

    name: ClassVar[str] = "detector_small"
    features: ClassVar[str] = "map"
    width: int = Field(default=16, ge=1, le=256)
    """Filters of the first convolution; each halving of the sides doubles them."""
    depth: int = Field(default=3, ge=1, le=6)
    """Halvings of the sides: a cell has 8 pixels after three. Two objects in a cell are one."""

    def check_shape(self, shape: Shape) -> None:
        """Raise InputError if the sides cannot be halved ``depth`` times."""
        blocks.check_halvings(self.name, shape, self.depth)

    def outputs(self, x: Tensor, head: Head) -> HeadOutputs:
        """Apply the layers between centred pixels and the end of the head."""
        # The largest map has one convolution, the smallest three, which see whole objects.
        strides = [2, *[2, 1] * (self.depth - 1), 1]
        for number, stride in enumerate(strides, start=1):
            filters = self.width * 2 ** min(number // 2, self.depth - 1)
            name = f"conv_{number}"
            x = blocks.rectified(blocks.convolved(x, filters, 3, name, stride=stride), name)
        return blocks.headed(x, head())
