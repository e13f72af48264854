"""An architecture."""

from typing import ClassVar

from pydantic import Field

from edgecv.core.data import Shape
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import Architecture, Head
from edgecv.models.tf import load_tensorflow


class TwoLayers(Architecture):
    """Two dense layers."""

    name: ClassVar[str] = "two_layers"
    units: int = Field(default=16, ge=1)
    """Of the first layer."""

    def build(self, input_shape: Shape, head: Head) -> KerasModel:
        """Build the untrained network: float32 (N, H, W, C), 0..255."""
        _, keras = load_tensorflow()
        image = keras.layers.Input(input_shape, name="image")
        x = keras.layers.Rescaling(1 / 128, offset=-1.0, name="rescale")(image)
        x = keras.layers.Flatten(name="flat")(x)
        x = keras.layers.Dense(self.units, "relu", name="dense_1")(x)
        for layer in head():
            x = layer(x)
        return keras.Model(image, x, name=self.name)
