"""The CNN of the CIFAR tutorial, 122,570 parameters at 32x32x3 and ten classes."""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from pydantic import Field

from edgecv.core.data import Shape
from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.core.plugins import Architecture, Head
from edgecv.models.architectures import blocks
from edgecv.models.tf import keras

SMALLEST_SIDE = 18
FILTERS = (32, 64, 64)
"""Filters of each stage at width 1."""


class CifarCnn(Architecture):
    """Three 3x3 convolutions (32, 64, 64 filters), two poolings, dense 64, dense classes."""

    name: ClassVar[str] = "cifar_cnn"
    width: float = Field(default=1.0, gt=0, le=16)
    """The factor on the number of filters of every layer."""
    depth: int = Field(default=1, ge=1, le=16)
    """3x3 convolutions before each pooling, and after the last; the further ones are padded."""

    def check_shape(self, shape: Shape) -> None:
        """Raise InputError if images of this shape are too small."""
        blocks.check_size(self.name, shape, SMALLEST_SIDE)

    def build(self, input_shape: Shape, head: Head) -> KerasModel:
        """Build the untrained network: float32 (N, H, W, C), 0..255."""
        self.check_shape(input_shape)
        layers, ending = keras.layers, head()
        body = [
            layers.InputLayer(input_shape, name="image"),
            # Centred on zero, which trains better than 0..1; and in steps of 1/128, so that the
            # byte of a camera is the int8 code of its value plus 128, exactly.
            layers.Rescaling(1 / 128, offset=-1.0, name="rescale"),
            *self._convolutions(1),
            layers.MaxPooling2D(2, name="pool_1"),
            *self._convolutions(2),
            layers.MaxPooling2D(2, name="pool_2"),
            *self._convolutions(3),
            layers.Flatten(name="flatten"),
            layers.Dense(self._filters(64), activation="relu", name="dense_1"),
        ]
        if not isinstance(ending, Mapping):
            return keras.Sequential([*body, *ending], name="cifar_cnn")
        features = keras.Sequential(body)
        outputs = blocks.headed(features.output, ending)
        return keras.Model(features.inputs, outputs, name="cifar_cnn")

    def _filters(self, at_width_1: int) -> int:
        return max(1, round(at_width_1 * self.width))

    def _convolutions(self, stage: int) -> list[KerasLayer]:
        filters = self._filters(FILTERS[stage - 1])
        convolution = partial(keras.layers.Conv2D, filters, 3, activation="relu")
        further = range(2, self.depth + 1)
        return [
            convolution(name=f"conv_{stage}"),
            *(convolution(padding="same", name=f"conv_{stage}_{number}") for number in further),
        ]
