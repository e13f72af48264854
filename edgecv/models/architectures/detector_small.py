"""A small detector without anchors: one map of cells, each of which may have a box."""

from typing import ClassVar

from pydantic import Field

from edgecv.core.data import Shape
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import Architecture, Head
from edgecv.models.architectures import blocks
from edgecv.models.tf import keras


class DetectorSmall(Architecture):
    """Small detector: a map of cells, each with chances of classes and distances to box edges."""

    name: ClassVar[str] = "detector_small"
    features: ClassVar[str] = "map"
    width: int = Field(default=16, ge=1, le=256)
    """Filters of the first convolution; each halving of the sides doubles them."""
    depth: int = Field(default=3, ge=1, le=6)
    """Halvings of the sides: a cell has 8 pixels after three. Two objects in a cell are one."""

    def build(self, input_shape: Shape, head: Head) -> KerasModel:
        """Build the untrained network: float32 (N, H, W, C), 0..255."""
        blocks.check_halvings(self.name, input_shape, self.depth)
        image = keras.layers.Input(input_shape, name="image")
        x = blocks.rescaled(image)
        # The largest map has one convolution, the smallest three, which see whole objects.
        strides = [2, *[2, 1] * (self.depth - 1), 1]
        for number, stride in enumerate(strides, start=1):
            filters = self.width * 2 ** min(number // 2, self.depth - 1)
            name = f"conv_{number}"
            x = blocks.rectified(blocks.convolved(x, filters, 3, name, stride=stride), name)
        return keras.Model(image, blocks.headed(x, head()), name=self.name)
