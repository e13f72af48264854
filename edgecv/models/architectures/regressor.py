"""A small network for numbers: positions stay positions up to its dense layers."""

from typing import ClassVar

from pydantic import Field

from edgecv.core.data import Shape
from edgecv.core.keras_types import Tensor
from edgecv.core.plugins import Head
from edgecv.models.architectures import blocks
from edgecv.models.architectures.blocks import HeadOutputs
from edgecv.models.tf import keras

LAST_FILTERS = 8
MOST_DENSE = 64


class Regressor(blocks.BlockNetwork):
    """Small CNN for numbers, boxes and keypoints: it knows where things are."""

    name: ClassVar[str] = "regressor"
    width: int = Field(default=16, ge=1, le=256)
    """Filters of the first convolution; each halving of the sides doubles them."""
    depth: int = Field(default=3, ge=1, le=6)
    """Blocks of two convolutions, each at half the sides of the one before."""

    def check_shape(self, shape: Shape) -> None:
        """Raise InputError if the sides cannot be halved ``depth`` times."""
        blocks.check_size(self.name, shape, max(self.smallest_side, 2**self.depth))

    def outputs(self, x: Tensor, head: Head) -> HeadOutputs:
        """Apply the layers between centred pixels and the end of the head."""
        for number in range(1, self.depth + 1):
            filters = self.width * 2 ** (number - 1)
            for layer, stride in ((1, 2), (2, 1)):
                name = f"block_{number}_conv_{layer}"
                x = blocks.rectified(blocks.convolved(x, filters, 3, name, stride=stride), name)
        # An average over all places would forget where things are; few channels of each are enough.
        x = blocks.rectified(blocks.convolved(x, LAST_FILTERS, 1, "narrow"), "narrow")
        x = keras.layers.Flatten(name="flatten")(x)
        x = keras.layers.Dense(MOST_DENSE, activation="relu", name="dense_1")(x)
        return blocks.headed(x, head())
