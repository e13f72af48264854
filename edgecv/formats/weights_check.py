"""Proof that the weights in an exported file are those of the model that was exported.

A converter may fold neighbouring operators into a layer, so one factor per output is allowed.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import StepError
from edgecv.core.keras_types import KerasModel
from edgecv.core.text import listed
from edgecv.formats.export_checks import SHOWN
from edgecv.formats.exported_layers import StoredKernel
from edgecv.models.kernels import kernels_of

LEAST_SIMILARITY = 0.9
"""The least cosine similarity of an output's weights with the model's, for the median output:
rounding to 8 bits keeps it far higher, and other weights have about 0."""
LARGEST_PIXEL = 4
"""The most input channels of a first kernel, into which the preprocessing may be folded."""
FEWEST_STEPS = 16
SMALLEST_ROW = 8
"""The fewest weights of an output whose similarity is significant."""


def prove_weights(
    model: KerasModel, kernels: Sequence[StoredKernel], file_format: str, where: str
) -> None:
    """Raise StepError if a kernel of the file resembles none of its size in the model.

    ``kernels``: in the order of the file; a converter may reorder branches, so it is
    compared with all of the model's kernels of that size.
    """
    model_kernels: dict[int, list[tuple[str, NDArray[np.float64], int]]] = {}
    for name, variable in kernels_of(model, depthwise=True).items():
        kernel = np.asarray(variable.numpy(), np.float64)
        found = _as_stored(kernel, _kind(model, name), file_format)
        if found is not None:
            model_kernels.setdefault(kernel.size, []).append((name, *found))
    counts = Counter(stored.weights.size for stored in kernels)
    others = []
    for number, stored in enumerate(kernels, start=1):
        same_size = model_kernels.get(stored.weights.size, [])
        if counts[stored.weights.size] > len(same_size):
            continue  # One is of a layer that is not compared: a separable convolution.
        if max(_similarity(stored, *each[1:]) for each in same_size) < LEAST_SIMILARITY:
            names = " or ".join(name for name, *_ in same_size)
            others.append(f"kernel {number} ({names})")
    if others:
        raise StepError(
            where,
            f"the converter wrote other weights than the model has: {listed(others, SHOWN)}",
            remedy="choose another format, and report the model that this happens with",
        )


def _kind(model: KerasModel, name: str) -> str:
    return next((type(each).__name__ for each in _layers(model) if each.name == name), "")


def _layers(model: KerasModel) -> Iterator[Any]:
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _layers(layer)
        else:
            yield getattr(layer, "layer", layer)


def _as_stored(
    kernel: NDArray[np.float64], kind: str, file_format: str
) -> tuple[NDArray[np.float64], int] | None:
    """Return a Keras kernel in the axis order of a format, and the number of its output axis.

    None for other kinds of layers, and for a kernel that may include the preprocessing.
    """
    is_tflite = file_format == "tflite"
    if kind == "Dense":
        return (kernel.T, 0) if is_tflite else (kernel, 1)
    if kernel.ndim != 4 or kernel.shape[2] <= LARGEST_PIXEL:
        return None
    if kind == "Conv2D":
        return kernel.transpose((3, 0, 1, 2) if is_tflite else (3, 2, 0, 1)), 0
    if kind == "DepthwiseConv2D":
        height, width, channels, multiplier = kernel.shape
        if is_tflite:
            return kernel.reshape(1, height, width, channels * multiplier), 3
        turned = kernel.transpose(2, 3, 0, 1)
        return turned.reshape(channels * multiplier, 1, height, width), 0
    return None


def _similarity(stored: StoredKernel, kernel: NDArray[np.float64], outputs: int) -> float:
    """Return the cosine similarity of the weights of the median output: 1 for equal weights."""
    weights = stored.weights.astype(np.float64)
    if weights.ndim == 2 and weights.shape == kernel.shape[::-1] != kernel.shape:
        weights = weights.T
    own, true = (
        np.moveaxis(each.reshape(kernel.shape), outputs, 0).reshape(kernel.shape[outputs], -1)
        for each in (weights, kernel)
    )
    norms = np.linalg.norm(own, axis=1) * np.linalg.norm(true, axis=1)
    if stored.weights.dtype.kind in "iu":
        # With one scale for all outputs, small weights are rounded too coarsely to compare.
        norms = norms * (np.abs(own).max(axis=1) >= FEWEST_STEPS)
    alike = np.abs((own * true).sum(axis=1))[norms > 0] / norms[norms > 0]
    is_telling = own.shape[1] >= SMALLEST_ROW and alike.size
    return float(np.median(alike)) if is_telling else 1.0
