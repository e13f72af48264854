"""Cross-layer equalization: channels of unlike size are brought nearer, and the function stays.

Nagel, van Baalen, Blankevoort and Welling, "Data-free quantization through weight equalization and
bias correction", 2019. A relu passes a positive factor on: what a channel is divided by in one
layer, the next one multiplies its weights with. As files have a scale for each output of a kernel,
what is balanced is not two kernels but the channels between them, which have one scale, and the
weights that take them (Xiao et al., "SmoothQuant", 2023); without images two kernels, as in 2019.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgecv.core.data import Shape
from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.core.plugins import Head, Technique, TechniqueContext, TechniqueFlag
from edgecv.core.plugins.technique import WIDTHS_OUTPUTS_ZEROS
from edgecv.core.text import counted, listed
from edgecv.models.float_batches import float_batches
from edgecv.models.tf import keras
from edgecv.techniques.quantizers.linear_layers import LinearLayer, linear_layers
from edgecv.techniques.rewrites.fold_batch_norm import folded_note
from edgecv.techniques.rewrites.plain_network import plain
from edgecv.techniques.rewrites.replay import nodes_of

PASSES = frozenset(
    """
    Flatten Identity ActivityRegularization Dropout SpatialDropout2D MaxPooling2D AveragePooling2D
    GlobalMaxPooling2D GlobalAveragePooling2D ZeroPadding2D Cropping2D UpSampling2D LeakyReLU
    """.split()
)
"""Layers that pass a positive factor of a channel on."""
LARGEST = 1e4
"""The largest factor between two channels: beyond, float32 would lose the smaller one."""
ROUNDS = 20
Array = NDArray[Any]


class Equalize(Technique):
    """Brings channels of unlike size nearer to each other; the function stays the same."""

    name: ClassVar[str] = "equalize"
    keeps: ClassVar[frozenset[str]] = WIDTHS_OUTPUTS_ZEROS
    flag: ClassVar[TechniqueFlag | None] = TechniqueFlag(
        "Balance the channels of layers that follow each other, with the same function.", place=38
    )
    ranges: Literal["activations", "weights"] = "activations"
    """The size of a channel: its largest value on calibration images, or, without images, its
    largest weight."""
    balance: float = Field(default=0.25, ge=0, le=1)
    """1 makes channels equally large, 0 the weights that take them; between, both in part."""
    images: int = Field(default=200, ge=1)
    """The most calibration images that channels are measured on."""

    def check_model(self, model: KerasModel) -> None:
        """Raise InputError if no two layers follow each other so."""
        if not any(True for _ in pairs_of(plain(model)[0])):
            raise InputError(
                self.name,
                "no two layers with kernels follow each other with nothing but a relu or pooling"
                " between",
                remedy="leave it out: a relu6, a sum or a branch does not pass factors on",
            )

    def network_after(self, model: KerasModel, input_shape: Shape, head: Head) -> KerasModel:
        """Return the model in plain layers."""
        return plain(model)[0]

    def apply(self, model: KerasModel, context: TechniqueContext) -> KerasModel:
        """Return a copy in plain layers whose channels are balanced."""
        result, folded = plain(model)
        if folded:
            context.note(folded_note(folded))
        found = list(pairs_of(result))
        sizes = [self._sizes(result, first, context) for first, _ in found]
        # Kernels of a chain are taken and give: their balance settles after a few rounds.
        for _ in range(ROUNDS if self.ranges == "weights" else 1):
            for number, (first, second) in enumerate(found):
                if self.ranges == "weights":
                    sizes[number] = _by_output(first)
                _move(first, second, self._factors(second, sizes[number]))
        names = listed([f"{one.layer.name} to {other.layer.name}" for one, other in found])
        context.note(f"{counted(len(found), 'pair')} of layers with balanced channels: {names}")
        if passed_over := _with_limits(result):
            names = listed(passed_over)
            context.note(f"not balanced, as a relu6 does not pass factors on: {names}")
        return result

    def _sizes(self, model: KerasModel, first: LinearLayer, context: TechniqueContext) -> Array:
        """Return the largest value of each channel that a layer gives."""
        if self.ranges == "weights":
            return _by_output(first)
        given = keras.Model(model.inputs, first.layer.output)
        images = context.calibration_images(self.images)
        largest = []
        for batch in float_batches(images):
            values = given(batch, training=False)
            largest.append(np.abs(values.numpy()).reshape(-1, values.shape[-1]).max(axis=0))
        sizes: Array = np.max(largest, axis=0)
        return sizes

    def _factors(self, second: LinearLayer, sizes: Array) -> Array:
        """Return what each channel between two layers is divided by."""
        kernel = np.abs(_by_input(second, len(sizes)))
        balance = self.balance
        if self.ranges == "activations":
            # Each output has a scale: what counts is a weight's share of its output's range.
            kernel = kernel / np.maximum(kernel.max(axis=(1, 2), keepdims=True), 1e-30)
            balance = 1.0 if kernel.shape[2] == 1 else balance
        weights = kernel.max(axis=(1, 3)).ravel()
        is_used = (sizes > 0) & (weights > 0)
        factors = np.ones(len(sizes))
        factors[is_used] = sizes[is_used] ** balance / weights[is_used] ** (1 - balance)
        if is_used.any():
            factors[is_used] /= np.exp(np.log(factors[is_used]).mean())
        return np.clip(factors, 1 / LARGEST, LARGEST)


def pairs_of(model: KerasModel) -> Iterator[tuple[LinearLayer, LinearLayer]]:
    """Yield two layers of a flat model of which the second alone takes what the first gives.

    Between them only what passes a positive factor of a channel on.
    """
    takers: dict[int, list[Any]] = {}
    for node in nodes_of(model):
        for tensor in node.keras_inputs:
            takers.setdefault(id(tensor), []).append(node)
    ends = {id(tensor) for tensor in model.outputs}
    kernels = {each.layer.name: each for each in linear_layers(model)}
    for first in kernels.values():
        if first.layer.activation not in (keras.activations.linear, keras.activations.relu):
            continue
        tensor = first.layer.output
        while id(tensor) not in ends and len(taking := takers[id(tensor)]) == 1:
            layer = taking[0].layer
            if layer.name in kernels:
                yield first, kernels[layer.name]
            if not _passes(layer) or len(layer.inbound_nodes) != 1:
                break
            tensor = taking[0].outputs


def _passes(layer: KerasLayer) -> bool:
    if type(layer) is keras.layers.ReLU:
        return layer.max_value is None and not layer.threshold
    if type(layer) is keras.layers.Activation:
        return layer.activation in (keras.activations.linear, keras.activations.relu)
    return type(layer).__name__ in PASSES


def _with_limits(model: KerasModel) -> list[str]:
    """Return the layers with a kernel behind which stands a relu with an upper limit."""
    kernels = {each.layer.name for each in linear_layers(model)}
    return [
        name
        for name in kernels
        for node in model.get_layer(name).outbound_nodes
        if _has_limit(node.layer)
    ]


def _has_limit(layer: KerasLayer) -> bool:
    if type(layer) is keras.layers.Activation:
        return bool(keras.activations.serialize(layer.activation) == "relu6")
    return type(layer) is keras.layers.ReLU and layer.max_value is not None


def _by_output(layer: LinearLayer) -> Array:
    """Return the largest weight of each output."""
    largest: Array = np.abs(layer.matrices(layer.kernel.numpy())).max(axis=1).ravel()
    return largest


def _by_input(layer: LinearLayer, channels: int) -> Array:
    """Return a kernel with its input channels apart: (groups, places, channels of a group, O)."""
    matrices = layer.matrices(layer.kernel.numpy())
    groups, _, outputs = matrices.shape
    apart: Array = matrices.reshape(groups, -1, channels // groups, outputs)
    return apart


def _move(first: LinearLayer, second: LinearLayer, factors: Array) -> None:
    """Divide what one layer gives, and multiply the weights of the next that take it."""
    matrices = first.matrices(first.kernel.numpy())
    own = factors.reshape(matrices.shape[0], 1, -1)
    first.kernel.assign(first.in_order(matrices / own).astype(np.float32))
    first.layer.bias.assign(first.layer.bias.numpy() / factors)
    apart = _by_input(second, len(factors))
    given = factors.reshape(apart.shape[0], 1, -1, 1)
    groups, _, _, outputs = apart.shape
    changed = (apart * given).reshape(groups, -1, outputs)
    second.kernel.assign(second.in_order(changed).astype(np.float32))
