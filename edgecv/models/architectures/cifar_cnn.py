"""The CNN of the CIFAR tutorial, 122,570 parameters at 32x32x3 and ten classes."""

from typing import ClassVar

from edgecv.core.data import Shape
from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import Architecture, Head
from edgecv.models.tf import load_tensorflow

SMALLEST_SIDE = 18


class CifarCnn(Architecture):
    """Three 3x3 convolutions (32, 64, 64 filters), two poolings, dense 64, dense classes."""

    name: ClassVar[str] = "cifar_cnn"

    def build(self, input_shape: Shape, head: Head) -> KerasModel:
        """Build the untrained network: float32 (N, H, W, C), 0..255."""
        if min(input_shape[:2]) < SMALLEST_SIDE:
            raise InputError(
                "cifar_cnn",
                f"images of {input_shape[0]}x{input_shape[1]} are too small",
                accepted=f"{SMALLEST_SIDE}x{SMALLEST_SIDE} and more",
            )
        _, keras = load_tensorflow()
        layers = keras.layers
        return keras.Sequential(
            [
                layers.InputLayer(input_shape, name="image"),
                # Centred on zero, which trains better than 0..1; and in steps of 1/128, so that the
                # byte of a camera is the int8 code of its value plus 128, exactly.
                layers.Rescaling(1 / 128, offset=-1.0, name="rescale"),
                layers.Conv2D(32, 3, activation="relu", name="conv_1"),
                layers.MaxPooling2D(2, name="pool_1"),
                layers.Conv2D(64, 3, activation="relu", name="conv_2"),
                layers.MaxPooling2D(2, name="pool_2"),
                layers.Conv2D(64, 3, activation="relu", name="conv_3"),
                layers.Flatten(name="flatten"),
                layers.Dense(64, activation="relu", name="dense_1"),
                *head(),
            ],
            name="cifar_cnn",
        )
