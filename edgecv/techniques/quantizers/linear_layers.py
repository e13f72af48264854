"""Layers with kernels as products of matrices, on samples of the values that enter them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images
from edgecv.core.keras_types import KerasModel
from edgecv.models.float_batches import batch_count, float_batches
from edgecv.models.quantizers import output_axes
from edgecv.models.tf import keras
from edgecv.techniques.rewrites.replay import makers_of, nodes_of

KINDS = ("Conv2D", "DepthwiseConv2D", "Dense")
ROWS = 8192
"""Samples of the values that enter a layer, over all images."""
Array = NDArray[Any]


@dataclass(frozen=True)
class LinearLayer:
    """A layer whose outputs are sums of products: rows (S, G, K) by a kernel (G, K, O).

    G: groups of channels that share nothing; K: weights of an output; O: outputs of a group.
    """

    layer: Any

    @property
    def kernel(self) -> Any:
        """The variable of its kernel."""
        is_depthwise = type(self.layer).__name__ == "DepthwiseConv2D"
        return self.layer.depthwise_kernel if is_depthwise else self.layer.kernel

    def matrices(self, kernel: Array) -> Array:
        """Return a kernel in Keras' order of axes as (G, K, O)."""
        groups = self._groups
        outputs = math.prod(kernel.shape[axis] for axis in output_axes(type(self.layer).__name__))
        return kernel.reshape(-1, groups, outputs // groups).transpose(1, 0, 2)

    def in_order(self, matrices: Array) -> Array:
        """Return matrices (G, K, O) as a kernel in Keras' order of axes."""
        ordered: Array = matrices.transpose(1, 0, 2).reshape(self.kernel.shape)
        return ordered

    @property
    def _groups(self) -> int:
        if type(self.layer).__name__ == "DepthwiseConv2D":
            return int(self.layer.depthwise_kernel.shape[2])
        return int(getattr(self.layer, "groups", 1))

    def rows(self, model: KerasModel, images: Images, seed: int) -> Array:
        """Return a sample of the values that enter the layer in a model: float32 (S, G, K).

        ``images``: uint8 (N, H, W, C). The same seed takes the same places in every model.
        """
        given = keras.Model(model.inputs, model.get_layer(self.layer.name).get_input_at(0))
        chance = np.random.default_rng(seed)
        count = math.ceil(ROWS / batch_count(images))
        batches = (given(batch, training=False).numpy() for batch in float_batches(images))
        return np.concatenate([self._sample(values, count, chance) for values in batches])

    def _sample(self, values: Array, count: int, chance: np.random.Generator) -> Array:
        if type(self.layer).__name__ == "Dense":
            flat = values.reshape(-1, 1, values.shape[-1])
            return flat[chance.permutation(len(flat))[:count]]
        rows = self._windows(values, count, chance)
        size, groups = math.prod(rows.shape[1:3]), self._groups
        split = rows.reshape(len(rows), size, groups, -1).transpose(0, 2, 1, 3)
        return split.reshape(len(rows), groups, -1)

    def _windows(self, values: Array, count: int, chance: np.random.Generator) -> Array:
        """Return what some outputs of a convolution are computed from: (S, height, width, C)."""
        layer = self.layer
        sides = zip(
            values.shape[1:3], layer.kernel_size, layer.strides, layer.dilation_rate, strict=True
        )
        before, after, lengths, offsets = [], [], [], []
        for side, width, stride, dilation in sides:
            reach = (width - 1) * dilation + 1
            is_padded = layer.padding == "same"
            length = math.ceil(side / stride) if is_padded else (side - reach) // stride + 1
            missing = max((length - 1) * stride + reach - side, 0) if is_padded else 0
            before.append(missing // 2)
            after.append(missing - missing // 2)
            lengths.append(length)
            offsets.append(np.arange(width) * dilation)
        padded = np.pad(values, [(0, 0), *zip(before, after, strict=True), (0, 0)])
        every = len(values) * math.prod(lengths)
        places = chance.permutation(every)[:count]
        image, down, right = np.unravel_index(places, (len(values), *lengths))
        down, right = down * layer.strides[0], right * layer.strides[1]
        window: Array = padded[
            image[:, np.newaxis, np.newaxis],
            down[:, np.newaxis, np.newaxis] + offsets[0][:, np.newaxis],
            right[:, np.newaxis, np.newaxis] + offsets[1],
        ]
        return window


def linear_layers(model: KerasModel) -> Iterator[LinearLayer]:
    """Yield the convolutions and dense layers of a flat model that are used once, in order.

    A kernel behind pixels that are rescaled channel by channel is left out: converters fold the
    factors into it. So are transposed convolutions, whose outputs sum up unequal numbers of rows.
    """
    makers = makers_of(model)
    for node in nodes_of(model):
        layer = node.layer
        if type(layer).__name__ not in KINDS or len(layer.inbound_nodes) != 1:
            continue
        before = makers[id(node.keras_inputs[0])].layer
        if not isinstance(before, keras.layers.Rescaling) or not np.ndim(before.scale):
            yield LinearLayer(layer)


def largest_code(bits: int) -> int:
    """Return the largest integer of a kernel; the smallest is its negative."""
    return int(2 ** (bits - 1) - 1)


def largest_weight(matrices: Array, *, one_scale: bool) -> Array:
    """Return the largest weight of each output of a kernel (G, K, O), or of all: it divides them.

    Converters find the step of a kernel's integers from it.
    """
    largest: Array = np.abs(matrices).max(axis=None if one_scale else 1, keepdims=True)
    return np.where(largest > 0, largest, 1.0).astype(np.float64)
