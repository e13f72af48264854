"""Proof that the weights in an exported file are those of the model that was exported.

A converter may fold what stands around a layer into its weights: a factor an output is allowed for.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import StepError
from edgecv.core.text import listed
from edgecv.formats.export_checks import SHOWN
from edgecv.formats.exported_layers import StoredKernel
from edgecv.models.kernels import kernels_of

LEAST_LIKENESS = 0.9
"""Likeness of an output's weights with the model's, in the median output: rounding to 8 bits leaves
far more, other weights have about 0."""
LARGEST_PIXEL = 4
"""Inputs of a first kernel, into which what is done to the pixels may be folded."""
FEWEST_STEPS = 16
SMALLEST_ROW = 8
"""Weights of an output from which on their likeness says something."""


def prove_weights(
    model: Any, kernels: Sequence[StoredKernel], file_format: str, where: str
) -> None:
    """Raise StepError where a kernel of the file is like no kernel of the model of its size.

    ``kernels``: in the order of the file; a converter may reorder branches, so that any of the
    model's kernels of that size may be the one.
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
            continue  # One of them is of a layer that is not known here: a separable convolution.
        if max(_likeness(stored, *each[1:]) for each in same_size) < LEAST_LIKENESS:
            names = " or ".join(name for name, *_ in same_size)
            others.append(f"kernel {number} ({names})")
    if others:
        raise StepError(
            where,
            f"the converter wrote other weights than the model has: {listed(others, SHOWN)}",
            remedy="choose another format, and report the model that this happens with",
        )


def _kind(model: Any, name: str) -> str:
    return next((type(each).__name__ for each in _layers(model) if each.name == name), "")


def _layers(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _layers(layer)
        else:
            yield getattr(layer, "layer", layer)


def _as_stored(
    kernel: NDArray[np.float64], kind: str, file_format: str
) -> tuple[NDArray[np.float64], int] | None:
    """Return a kernel of Keras as a format orders its axes, and which of them is the outputs'.

    None for layers of other kinds, and where what is done to pixels may have been folded in.
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


def _likeness(stored: StoredKernel, kernel: NDArray[np.float64], outputs: int) -> float:
    """Return how alike the weights of an output are, in the median: 1 where they are the same."""
    weights = stored.weights.astype(np.float64)
    if weights.ndim == 2 and weights.shape == kernel.shape[::-1] != kernel.shape:
        weights = weights.T
    own, true = (
        np.moveaxis(each.reshape(kernel.shape), outputs, 0).reshape(kernel.shape[outputs], -1)
        for each in (weights, kernel)
    )
    norms = np.linalg.norm(own, axis=1) * np.linalg.norm(true, axis=1)
    if stored.weights.dtype.kind in "iu":
        # With one scale for all outputs, little is left of those with small weights.
        norms = norms * (np.abs(own).max(axis=1) >= FEWEST_STEPS)
    alike = np.abs((own * true).sum(axis=1))[norms > 0] / norms[norms > 0]
    is_telling = own.shape[1] >= SMALLEST_ROW and alike.size
    return float(np.median(alike)) if is_telling else 1.0
