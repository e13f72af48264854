"""Order of a kernel's axes in each file format, and the pairing of stored kernels with layers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.artifact import UNNAMED
from edgecv.core.keras_types import KerasModel
from edgecv.models.kernels import kernels_of

FEWEST_STEPS = 16
SMALLEST_ROW = 8
"""The fewest weights of an output whose similarity is significant."""


@dataclass(frozen=True)
class StoredKernel:
    """The weights of one layer as a file stores them, and the quantization of its output."""

    weights: NDArray[Any]
    scales: tuple[float, ...] = ()
    output_scale: float | None = None
    output_zero_point: int | None = None
    type: str = ""
    """The type of its weights, where numpy has none: int4."""


@dataclass(frozen=True)
class LayerKernel:
    """The kernel of one layer in the order of axes in which a format stores it."""

    name: str
    kind: str
    """Class of the layer."""
    weights: NDArray[np.float64]
    outputs: int
    """The axis of its outputs."""
    channels: int
    """The channels of its input."""


def layer_kernels(model: KerasModel, file_format: str) -> list[LayerKernel]:
    """Return the kernels of a model as a format stores them, in the model's order."""
    kinds = {layer.name: type(layer).__name__ for layer in _layers(model)}
    found = []
    for name, variable in kernels_of(model, depthwise=True).items():
        is_depthwise = name.endswith("/depthwise")
        kind = "DepthwiseConv2D" if is_depthwise else kinds.get(name, "")
        kernel = np.asarray(variable.numpy(), np.float64)
        channels = kernel.shape[3 if kind == "Conv2DTranspose" else -2]
        found.append(LayerKernel(name, kind, *stored_order(kernel, kind, file_format), channels))
    return found


def stored_order(
    kernel: NDArray[np.float64], kind: str, file_format: str
) -> tuple[NDArray[np.float64], int]:
    """Return a Keras kernel in the order of axes of a format, and the axis of its outputs."""
    is_tflite = file_format == "tflite"
    if kind == "Dense":
        return (kernel.T, 0) if is_tflite else (kernel, 1)
    if kind == "DepthwiseConv2D":
        height, width, channels, multiplier = kernel.shape
        if is_tflite:
            return kernel.reshape(1, height, width, channels * multiplier), 3
        turned = kernel.transpose(2, 3, 0, 1)
        return turned.reshape(channels * multiplier, 1, height, width), 0
    if kind == "Conv2DTranspose":
        return (kernel.transpose(2, 0, 1, 3), 0) if is_tflite else (kernel.transpose(3, 2, 0, 1), 1)
    return kernel.transpose((3, 0, 1, 2) if is_tflite else (3, 2, 0, 1)), 0


def kernel_names(kernels: Sequence[StoredKernel], layers: Sequence[LayerKernel]) -> list[str]:
    """Return the layer of each stored kernel, or its place in the file where it has none."""
    named = enumerate(names_of(kernels, layers), start=1)
    return [name or f"{UNNAMED}{number}" for number, name in named]


def names_of(kernels: Sequence[StoredKernel], layers: Sequence[LayerKernel]) -> list[str | None]:
    """Return the layer of each stored kernel; None where no layer of its size is left.

    ``kernels``: in the order of the file, which may differ from the model's where it branches. So
    kernels of one size are paired with the layers that they resemble most.
    """
    names: list[str | None] = [None] * len(kernels)
    for size in {each.weights.size for each in kernels}:
        numbers = [number for number, each in enumerate(kernels) if each.weights.size == size]
        fitting = [each for each in layers if each.weights.size == size]
        if len(numbers) == len(fitting) == 1:
            names[numbers[0]] = fitting[0].name
            continue
        # Of equal pairs, the one that comes first in both is taken.
        pairs = sorted(
            (-round(_likeness(kernels[number], layer), 6), number, place)
            for number in numbers
            for place, layer in enumerate(fitting)
        )
        taken: set[int] = set()
        for _, number, place in pairs:
            if names[number] is None and place not in taken:
                names[number] = fitting[place].name
                taken.add(place)
    return names


def _likeness(stored: StoredKernel, layer: LayerKernel) -> float:
    """Return the similarity of a stored kernel and a layer's, also where outputs have few weights.

    There is a factor for each output where a converter has folded a normalization into a kernel.
    """
    own, true = rows_of(stored.weights, layer)
    if own.shape[1] >= SMALLEST_ROW:
        telling = _alike(stored.weights, own, true)
        # Of 4 bits, or rounded to them by a training: no output has more steps.
        alike = telling if telling.size else _cosines(own, true)
        return float(np.median(alike)) if alike.size else 0.0
    scales = np.array(stored.scales) if len(stored.scales) == len(own) else np.ones(1)
    own = own * scales[:, np.newaxis]
    norm = float(np.linalg.norm(own) * np.linalg.norm(true))
    return abs(float((own * true).sum())) / norm if norm else 0.0


def rows_of(
    stored: NDArray[Any], layer: LayerKernel
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights of each output, as stored and of a layer of that size: (outputs, rest)."""
    kernel, outputs = layer.weights, layer.outputs
    weights = stored.astype(np.float64)
    if weights.ndim == 2 and weights.shape == kernel.shape[::-1] != kernel.shape:
        weights = weights.T
    own, true = (
        np.moveaxis(each.reshape(kernel.shape), outputs, 0).reshape(kernel.shape[outputs], -1)
        for each in (weights, kernel)
    )
    return own, true


def similarity(stored: NDArray[Any], layer: LayerKernel) -> float:
    """Return the cosine similarity of the weights of the median output: 1 for equal weights."""
    own, true = rows_of(stored, layer)
    alike = _alike(stored, own, true)
    is_telling = own.shape[1] >= SMALLEST_ROW and alike.size
    return float(np.median(alike)) if is_telling else 1.0


def _alike(
    stored: NDArray[Any], own: NDArray[np.float64], true: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the similarity of each output whose weights are fine enough to compare.

    With one scale for all outputs, small weights are rounded too coarsely.
    """
    if stored.dtype.kind not in "iu":
        return _cosines(own, true)
    is_fine = np.abs(own).max(axis=1) >= FEWEST_STEPS
    return _cosines(own[is_fine], true[is_fine])


def _cosines(own: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the absolute cosine of each row with the other's, where neither is zero."""
    norms = np.linalg.norm(own, axis=1) * np.linalg.norm(true, axis=1)
    cosines: NDArray[np.float64] = np.abs((own * true).sum(axis=1))[norms > 0] / norms[norms > 0]
    return cosines


def _layers(model: KerasModel) -> Iterator[Any]:
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _layers(layer)
        else:
            yield getattr(layer, "layer", layer)
