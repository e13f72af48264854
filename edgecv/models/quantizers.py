"""Quantizers in a model that is trained with rounding: its ranges and its rounded kernels."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.keras_types import KerasLayer, KerasModel

LARGEST_CODE = 127
CODES = 255
"""Steps between the smallest and the largest integer of an activation."""
PIXELS = (0.0, 255.0)
"""The range of the pixels that enter a model."""
Limits = tuple[Any, Any]
"""The variables of a range: its smallest and its largest value."""


@dataclass(frozen=True)
class TrainedKernel:
    """The kernel of a layer as it was rounded in training."""

    name: str
    kind: str
    """Class of the layer."""
    weights: NDArray[np.float64]
    """In Keras' order of axes; multiples of the scales."""
    scales: NDArray[np.float64]
    """One, or one an output."""

    def by_output(self) -> NDArray[np.float64]:
        """Return the weights as (weights of an output, outputs)."""
        outputs = math.prod(self.weights.shape[axis] for axis in output_axes(self.kind))
        axes = [axis % self.weights.ndim for axis in output_axes(self.kind)]
        moved = np.moveaxis(self.weights, axes, range(-len(axes), 0))
        return moved.reshape(-1, outputs)


@dataclass(frozen=True)
class TrainedOutput:
    """The range of a layer's output, as integers from 0 to 255."""

    scale: float
    zero: float
    """The integer of zero before it is rounded."""


def wrappers_of(model: KerasModel) -> Iterator[Any]:
    """Yield the layers that hold another one and its quantizers."""
    for layer in model.layers:
        if hasattr(layer, "quantize_config") and hasattr(layer, "layer"):
            yield layer


def range_of(wrapper: KerasLayer) -> Limits | None:
    """Return the limits of a wrapped layer's output; None if another layer has its range."""
    found = {variable.name.split("/")[-1].split(":")[0]: variable for variable in wrapper.weights}
    for kind in ("post_activation", "output"):
        if f"{kind}_min" in found:
            return found[f"{kind}_min"], found[f"{kind}_max"]
    return None


def weight_ranges(wrapper: KerasLayer) -> Iterator[tuple[Any, Limits]]:
    """Yield each kernel of a wrapped layer that is rounded, with the limits of its scales."""
    for kernel, _, limits in getattr(wrapper, "_weight_vars", ()):
        yield kernel, (limits["min_var"], limits["max_var"])


def trained_kernels(model: KerasModel) -> list[TrainedKernel]:
    """Return the kernels that were rounded in training; none for a model without quantizers.

    A batch normalization behind a kernel is in its weights and its scales: every converter folds it
    there, output by output, and the integers stay those that were trained.
    """
    found = []
    for wrapper in wrappers_of(model):
        for kernel, (_, largest) in weight_ranges(wrapper):
            scales = np.atleast_1d(largest.numpy().astype(np.float64)) / LARGEST_CODE
            codes = kernel.numpy() / np.where(scales > 0, scales, 1)
            rounded = np.clip(np.round(codes), -LARGEST_CODE, LARGEST_CODE) * scales
            name, kind = wrapper.layer.name, type(wrapper.layer).__name__
            factor = _normalization_behind(wrapper)
            if factor is not None:
                axes = output_axes(kind)
                behind = -axes[0] - len(axes)
                sides = [kernel.shape[axis] for axis in axes] + [1] * behind
                rounded, scales = rounded * factor.reshape(sides), scales * np.abs(factor)
            found.append(TrainedKernel(name, kind, rounded, scales))
    return found


def trained_outputs(model: KerasModel) -> dict[str, TrainedOutput]:
    """Return layer -> range of its output, or of the relu behind it that is built into it."""
    found = {}
    for wrapper in wrappers_of(model):
        limits = range_of(_with_range(wrapper))
        if limits is not None:
            low, high = (float(each.numpy()) for each in limits)
            scale = (high - low) / CODES
            found[wrapper.layer.name] = TrainedOutput(scale, -low / scale)
    return found


def _with_range(wrapper: Any) -> Any:
    """Return the layer that has the range of a layer's output."""
    layer = wrapper
    while range_of(layer) is None:
        if not getattr(layer, "_weight_vars", None) and not _is_normalization(layer):
            return layer
        taker = _only_taker(layer)
        if taker is None:
            return layer
        layer = taker
    return layer


def _only_taker(layer: KerasLayer) -> Any:
    """Return the layer that alone takes the output of another; None if there are more."""
    takers = {id(node.outbound_layer): node.outbound_layer for node in layer.outbound_nodes}
    return next(iter(takers.values())) if len(takers) == 1 else None


def _is_normalization(layer: KerasLayer) -> bool:
    return type(getattr(layer, "layer", layer)).__name__ == "BatchNormalization"


def _normalization_behind(wrapper: Any) -> NDArray[np.float64] | None:
    """Return the factor of the batch normalization that is folded into a kernel; None without it.

    It is not where the output of the kernel was rounded before it.
    """
    taker = _only_taker(wrapper)
    if range_of(wrapper) is not None or taker is None or not _is_normalization(taker):
        return None
    norm = getattr(taker, "layer", taker)
    variance = np.asarray(norm.moving_variance.numpy(), np.float64)
    gamma = np.asarray(norm.gamma.numpy(), np.float64) if norm.scale else 1.0
    factor: NDArray[np.float64] = gamma / np.sqrt(variance + norm.epsilon)
    return factor


def output_axes(kind: str) -> tuple[int, ...]:
    """Return the axes of a kernel that number its outputs."""
    return {"DepthwiseConv2D": (-2, -1), "Conv2DTranspose": (-2,)}.get(kind, (-1,))
