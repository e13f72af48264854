"""An architecture."""

from typing import ClassVar

from pydantic import Field

from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import Architecture
from edgecv.core.records import Shape
from edgecv.models.tf import load_tensorflow


class TwoLayers(Architecture):
    """Two dense layers."""

    name: ClassVar[str] = "two_layers"
    units: int = Field(default=16, ge=1)
    """Of the first layer."""

    def build(self, input_shape: Shape, num_classes: int) -> KerasModel:
        """Build the untrained network: float32 (N, H, W, C), 0..255 -> probabilities."""
        _, keras = load_tensorflow()
        image = keras.layers.Input(input_shape, name="image")
        x = keras.layers.Rescaling(1 / 128, offset=-1.0, name="rescale")(image)
        x = keras.layers.Flatten(name="flat")(x)
        x = keras.layers.Dense(self.units, "relu", name="dense_1")(x)
        x = keras.layers.Dense(num_classes, name="dense_2")(x)
        x = keras.layers.Softmax(name="softmax")(x)
        return keras.Model(image, x, name=self.name)
