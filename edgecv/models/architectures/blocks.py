"""Blocks of the networks with batch normalization: every layer has a name of its own."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from edgecv.core.data import Shape
from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasLayer, KerasModel, Tensor
from edgecv.core.plugins import Architecture, Head
from edgecv.models.tf import keras

WEIGHT_DECAY = 1e-4
SMALLEST_AT_THE_END = 3
HeadOutputs: TypeAlias = Tensor | dict[str, Tensor]
"""The end of a network: one output, or several by name."""


class BlockNetwork(Architecture):
    """A network of these blocks."""

    smallest_side: ClassVar[int] = 8
    """Smallest side of an image."""

    def check_shape(self, shape: Shape) -> None:
        """Raise InputError if images of this shape are too small."""
        check_size(self.name, shape, self.smallest_side)

    def build(self, input_shape: Shape, head: Head) -> KerasModel:
        """Build the untrained network: float32 (N, H, W, C), 0..255."""
        self.check_shape(input_shape)
        image = keras.layers.Input(input_shape, name="image")
        return keras.Model(image, self.outputs(rescaled(image), head), name=self.name)

    @abstractmethod
    def outputs(self, x: Tensor, head: Head) -> HeadOutputs:
        """Apply the layers between centred pixels and the end of the head."""


def check_size(name: str, shape: Shape, smallest: int) -> None:
    """Raise InputError if images are smaller than ``smallest`` on a side."""
    if min(shape[:2]) < smallest:
        raise InputError(
            name,
            f"images of {shape[0]}x{shape[1]} are too small",
            accepted=f"{smallest}x{smallest} and more",
        )


def check_halvings(name: str, shape: Shape, depth: int) -> None:
    """Raise InputError if the sides of images cannot be halved so often."""
    step = 2**depth
    check_size(name, shape, step)
    if any(side % step for side in shape[:2]):
        raise InputError(
            name,
            f"images of {shape[0]}x{shape[1]} cannot be halved {depth} times",
            accepted=f"sides that are multiples of {step}",
            remedy="give another --input-size, or a smaller depth",
        )


def rescaled(image: Tensor) -> Tensor:
    """Centre 0..255 on zero.

    That trains better than 0..1; and the steps are 1/128, so that the byte of a camera is the int8
    code of its value plus 128, exactly, and the zero of a padded border is the pixel 128.
    """
    return keras.layers.Rescaling(1 / 128, offset=-1.0, name="rescale")(image)


def convolved(
    x: Tensor,
    filters: int,
    side: int,
    name: str,
    *,
    stride: int = 1,
    normalized: bool = True,
    padding: str = "same",
) -> Tensor:
    """Convolve, padded to the same size by default, and normalize: (N, H, W, C) -> (N, ...)."""
    options = {**_options("kernel", stride, name), "padding": padding}
    x = keras.layers.Conv2D(filters, side, **options)(x)
    return keras.layers.BatchNormalization(name=f"{name}_norm")(x) if normalized else x


def convolved_by_channel(
    x: Tensor, name: str, *, stride: int = 1, side: int = 3, padding: str = "same"
) -> Tensor:
    """Convolve each channel by itself, padded to the same size by default, and normalize."""
    options = {**_options("depthwise", stride, name), "padding": padding}
    x = keras.layers.DepthwiseConv2D(side, **options)(x)
    return keras.layers.BatchNormalization(name=f"{name}_norm")(x)


def _options(weight: str, stride: int, name: str) -> dict[str, Any]:
    return {
        "strides": stride,
        "padding": "same",
        f"{weight}_initializer": "he_normal",
        f"{weight}_regularizer": keras.regularizers.L2(WEIGHT_DECAY),
        "name": name,
    }


def rectified(x: Tensor, name: str, most: float | None = None) -> Tensor:
    """Apply a ReLU; ``most``: its largest value, where it has one."""
    return keras.layers.ReLU(most, name=f"{name}_relu")(x)


def separable_block(x: Tensor, filters: int, number: int, *, stride: int = 1) -> Tensor:
    """Apply a 3x3 depthwise convolution, then a 1x1 convolution across the channels."""
    name = f"block_{number}_depthwise"
    x = rectified(convolved_by_channel(x, name, stride=stride), name)
    name = f"block_{number}_pointwise"
    return rectified(convolved(x, filters, 1, name), name)


def residual_block(x: Tensor, filters: int, name: str, *, halves: bool) -> Tensor:
    """Apply two 3x3 convolutions, added to their input, which is halved with them."""
    stride = 2 if halves else 1
    y = convolved(x, filters, 3, f"{name}_conv_1", stride=stride)
    y = convolved(rectified(y, f"{name}_conv_1"), filters, 3, f"{name}_conv_2")
    if halves:
        x = convolved(x, filters, 1, f"{name}_shortcut", stride=stride, normalized=False)
    return rectified(keras.layers.Add(name=f"{name}_add")([x, y]), name)


def last_halvings(halving: Sequence[int], side: int) -> tuple[int, ...]:
    """Return the layers that halve the sides, so that 3x3 places are left: ``side`` in pixels.

    The first of a network are left out for small images.

    >>> last_halvings((0, 2, 4, 6, 12), 96), last_halvings((0, 2, 4, 6, 12), 32)
    ((0, 2, 4, 6, 12), (4, 6, 12))
    """
    most = (side // SMALLEST_AT_THE_END).bit_length() - 1
    return tuple(halving[max(0, len(halving) - most) :])


def ended(x: Tensor, head: Head, **options: Any) -> HeadOutputs:
    """Average over all positions, and apply the task's head: (N, H, W, C) -> (N, ...)."""
    return headed(keras.layers.GlobalAveragePooling2D(name="pool")(x), head(**options))


def headed(
    x: Tensor, layers: Sequence[KerasLayer] | Mapping[str, Sequence[KerasLayer]]
) -> HeadOutputs:
    """Apply the layers of a task's head: one output, or several by name."""
    if isinstance(layers, Mapping):
        return {name: headed(x, each) for name, each in layers.items()}
    for layer in layers:
        x = layer(x)
    return x
