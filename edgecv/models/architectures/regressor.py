"""A small network for numbers: positions stay positions up to its dense layers."""

from typing import ClassVar

from pydantic import Field

from edgecv.core.data import Shape
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import Architecture, Head
from edgecv.models.architectures import blocks
from edgecv.models.tf import keras

SMALLEST_SIDE = 8
LAST_FILTERS = 8
MOST_DENSE = 64


class Regressor(Architecture):
    """Small CNN for numbers, boxes and keypoints: it knows where things are."""

    name: ClassVar[str] = "regressor"
    width: int = Field(default=16, ge=1, le=256)
    """Filters of the first convolution; each halving of the sides doubles them."""
    depth: int = Field(default=3, ge=1, le=6)
    """Blocks of two convolutions, each at half the sides of the one before."""

    def build(self, input_shape: Shape, head: Head) -> KerasModel:
        """Build the untrained network: float32 (N, H, W, C), 0..255."""
        blocks.check_size(self.name, input_shape, max(SMALLEST_SIDE, 2**self.depth))
        image = keras.layers.Input(input_shape, name="image")
        x = blocks.rescaled(image)
        for number in range(1, self.depth + 1):
            filters = self.width * 2 ** (number - 1)
            for layer, stride in ((1, 2), (2, 1)):
                name = f"block_{number}_conv_{layer}"
                x = blocks.rectified(blocks.convolved(x, filters, 3, name, stride=stride), name)
        # An average over all places would forget where things are; few channels of each are enough.
        x = blocks.rectified(blocks.convolved(x, LAST_FILTERS, 1, "narrow"), "narrow")
        x = keras.layers.Flatten(name="flatten")(x)
        x = keras.layers.Dense(MOST_DENSE, activation="relu", name="dense_1")(x)
        return keras.Model(image, blocks.headed(x, head()), name=self.name)
