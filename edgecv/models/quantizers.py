"""Quantizers in a model that is trained with rounding: its ranges and its rounded kernels."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.keras_types import KerasLayer, KerasModel

LARGEST_CODE = 127
CODES = 255
"""Steps between the smallest and the largest integer of an activation."""
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
    """One, or one an output: the last axis of the kernel."""


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
    """Return the kernels that were rounded in training; none for a model without quantizers."""
    found = []
    for wrapper in wrappers_of(model):
        for kernel, (_, largest) in weight_ranges(wrapper):
            scales = np.atleast_1d(largest.numpy().astype(np.float64)) / LARGEST_CODE
            codes = kernel.numpy() / np.where(scales > 0, scales, 1)
            rounded = np.clip(np.round(codes), -LARGEST_CODE, LARGEST_CODE) * scales
            name, kind = wrapper.layer.name, type(wrapper.layer).__name__
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
    if range_of(wrapper) is not None or not getattr(wrapper, "_weight_vars", None):
        return wrapper
    takers = {id(node.outbound_layer): node.outbound_layer for node in wrapper.outbound_nodes}
    return next(iter(takers.values())) if len(takers) == 1 else wrapper
