"""Plain stack of 3x3 convolutions, after VGG, for files of a few ten kilobytes.

Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2014;
with batch normalization, strides in place of pooling, and the mean over positions in place of the
large dense layers. The first convolution halves the image: time and memory are at the input.
"""

from collections.abc import Callable
from typing import Annotated, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from edgecv.core.data import Shape
from edgecv.core.keras_types import KerasLayer, KerasModel, Tensor
from edgecv.core.plugins import Architecture, Head
from edgecv.models.architectures import blocks
from edgecv.models.tf import keras

SMALLEST_SIDE = 8


class PlainCnn(Architecture):
    """Plain stack of 3x3 convolutions, halved at the first: few bytes, and fast everywhere."""

    name: ClassVar[str] = "plain_cnn"
    filters: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = Field(
        default=(16, 16, 32, 32, 32), min_length=1, max_length=64, strict=False
    )
    """Filters of each convolution. Multiples of 16 fill the vectors of int8 kernels."""
    strides: tuple[Annotated[int, Field(ge=1, le=4)], ...] = Field(
        default=(2, 1, 2, 1, 1), min_length=1, max_length=64, strict=False
    )
    """Stride of each convolution."""
    residual: bool = False
    """Add its input to each convolution that keeps size and filters."""

    branches: bool = False
    """Train a 1x1 convolution and the identity beside each convolution; they are folded into it
    afterwards: better, at the same bytes and speed (Ding et al., "RepVGG", 2021)."""

    @model_validator(mode="after")
    def _stride_of_each(self) -> Self:
        if len(self.strides) != len(self.filters):
            raise ValueError(f"strides for all {len(self.filters)} convolutions of filters")
        return self

    def build(self, input_shape: Shape, head: Head) -> KerasModel:
        """Build the untrained network: float32 (N, H, W, C), 0..255."""
        return self._network(input_shape, head, _branched if self.branches else blocks.convolved)

    def folded(self, model: KerasModel, head: Head) -> KerasModel:
        """Return the network without branches: the same function, rounded to float32."""
        if not self.branches:
            return model
        plain = self._network(model.input_shape[1:], head, _with_bias)
        for layer in plain.layers:
            if layer.name.startswith("conv_") and layer.weights:
                layer.set_weights(_sum_of_branches(model, layer))
            elif layer.weights:
                layer.set_weights(model.get_layer(layer.name).get_weights())
        return plain

    def _network(
        self, input_shape: Shape, head: Head, convolved: Callable[..., Tensor]
    ) -> KerasModel:
        blocks.check_size(self.name, input_shape, SMALLEST_SIDE)
        image = keras.layers.Input(input_shape, name="image")
        x = blocks.rescaled(image)
        for number, (filters, stride) in enumerate(
            zip(self.filters, self.strides, strict=True), start=1
        ):
            name = f"conv_{number}"
            y = convolved(x, filters, 3, name, stride=stride)
            if self.residual and y.shape == x.shape:
                y = keras.layers.Add(name=f"{name}_add")([x, y])
            x = blocks.rectified(y, name)
        return keras.Model(image, blocks.ended(x, head), name=self.name)


def _with_bias(x: Tensor, filters: int, side: int, name: str, *, stride: int = 1) -> Tensor:
    return keras.layers.Conv2D(filters, side, strides=stride, padding="same", name=name)(x)


def _branched(x: Tensor, filters: int, side: int, name: str, *, stride: int = 1) -> Tensor:
    """Convolve with a large and a 1x1 kernel, and add the input where it has the same shape."""
    branches = [
        blocks.convolved(x, filters, side, name, stride=stride),
        blocks.convolved(x, filters, 1, f"{name}_point", stride=stride),
    ]
    if branches[0].shape == x.shape:
        branches.append(keras.layers.BatchNormalization(name=f"{name}_same_norm")(x))
    return keras.layers.Add(name=f"{name}_sum")(branches)


def _sum_of_branches(model: KerasModel, layer: KerasLayer) -> list[NDArray[np.float32]]:
    """Return kernel and bias of the one convolution that all branches of a layer amount to."""
    kernel, bias = np.zeros(layer.kernel.shape), np.zeros(layer.filters)
    # The pixel that a 1x1 kernel sees: after the padding in front, which a stride may leave out.
    row, column = (
        _padding_in_front(size, layer.kernel_size[0], layer.strides[0])
        for size in layer.input_shape[1:3]
    )
    names = {each.name for each in model.layers}
    for branch in ("", "_point", "_same"):
        name = f"{layer.name}{branch}"
        if f"{name}_norm" not in names:
            continue
        norm = model.get_layer(f"{name}_norm")
        gamma, beta, mean, variance = norm.get_weights()
        factor = gamma / np.sqrt(variance.astype(np.float64) + norm.epsilon)
        own, shift = np.eye(layer.filters)[None, None], np.zeros(layer.filters)
        if branch != "_same":
            own, shift = model.get_layer(name).get_weights()
        bias += beta + (shift - mean) * factor
        if own.shape == kernel.shape:
            kernel += own * factor
        else:
            kernel[row, column] += own[0, 0] * factor
    return [kernel.astype(np.float32), bias.astype(np.float32)]


def _padding_in_front(size: int, side: int, stride: int) -> int:
    """Return the padding before the first pixel, as TensorFlow pads to the "same" size."""
    places = -(-size // stride)
    return max(0, (places - 1) * stride + side - size) // 2
