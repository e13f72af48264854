"""What the networks with batch normalization are built of: every layer has a name of its own."""

from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.keras_types import Tensor
from edgecv.core.records import Shape
from edgecv.models.tf import load_tensorflow

WEIGHT_DECAY = 1e-4


def check_size(name: str, shape: Shape, smallest: int) -> None:
    """Raise InputError where images are smaller than ``smallest`` on a side."""
    if min(shape[:2]) < smallest:
        raise InputError(
            name,
            f"images of {shape[0]}x{shape[1]} are too small",
            accepted=f"{smallest}x{smallest} and more",
        )


def rescaled(image: Tensor) -> Tensor:
    """Centre 0..255 on zero.

    That trains better than 0..1; and the steps are 1/128, so that the byte of a camera is the int8
    code of its value plus 128, exactly, and the zero of a padded border is the pixel 128.
    """
    _, keras = load_tensorflow()
    return keras.layers.Rescaling(1 / 128, offset=-1.0, name="rescale")(image)


def convolved(
    x: Tensor, filters: int, side: int, name: str, *, stride: int = 1, normalized: bool = True
) -> Tensor:
    """Convolve, padded to the same size, and normalize: (N, H, W, C) -> (N, H, W, filters)."""
    _, keras = load_tensorflow()
    x = keras.layers.Conv2D(
        filters,
        side,
        strides=stride,
        padding="same",
        kernel_initializer="he_normal",
        kernel_regularizer=keras.regularizers.L2(WEIGHT_DECAY),
        name=name,
    )(x)
    return keras.layers.BatchNormalization(name=f"{name}_norm")(x) if normalized else x


def convolved_by_channel(x: Tensor, name: str, *, stride: int = 1) -> Tensor:
    """Convolve each channel by itself with 3x3 weights, and normalize: (N, H, W, C) both."""
    _, keras = load_tensorflow()
    x = keras.layers.DepthwiseConv2D(
        3,
        strides=stride,
        padding="same",
        depthwise_initializer="he_normal",
        depthwise_regularizer=keras.regularizers.L2(WEIGHT_DECAY),
        name=name,
    )(x)
    return keras.layers.BatchNormalization(name=f"{name}_norm")(x)


def rectified(x: Tensor, name: str) -> Tensor:
    """Leave out what is negative."""
    _, keras = load_tensorflow()
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def separable_block(x: Tensor, filters: int, number: int, *, stride: int = 1) -> Tensor:
    """Look around in each channel, then across the channels in each place."""
    name = f"block_{number}_depthwise"
    x = rectified(convolved_by_channel(x, name, stride=stride), name)
    name = f"block_{number}_pointwise"
    return rectified(convolved(x, filters, 1, name), name)


def classified(x: Tensor, num_classes: int, **options: Any) -> Tensor:
    """Average over all places, and tell the classes apart: (N, H, W, C) -> (N, num_classes)."""
    _, keras = load_tensorflow()
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(num_classes, name="logits", **options)(x)
    return keras.layers.Softmax(name="probabilities")(x)
