"""The layers of an exported file: weights, scales, sparsity."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.keras_types import KerasModel
from edgecv.core.records import Layer
from edgecv.models.kernels import is_clustered, kernels_of


@dataclass(frozen=True)
class StoredKernel:
    """The weights of one layer as a file stores them, and the quantization of its output."""

    weights: NDArray[Any]
    scales: tuple[float, ...] = ()
    output_scale: float | None = None
    output_zero_point: int | None = None


def read_layers(model: KerasModel | None, kernels: list[StoredKernel]) -> tuple[Layer, ...]:
    """Return the facts of a file's weights, under the names of the model's layers.

    ``kernels``: in the order of the file. A converter may reorder branches, so a kernel takes the
    name of the next layer of its size; one that fits no layer is named by its position.
    ``model``: None for a file that was not made from a Keras model.
    """
    found = {} if model is None else kernels_of(model, depthwise=True)
    others = {} if model is None else kernels_of(model)
    shapes = {name: tuple(int(side) for side in each.shape) for name, each in found.items()}
    layers = []
    for number, stored in enumerate(kernels, start=1):
        kernel = stored.weights
        fitting = [name for name, shape in shapes.items() if np.prod(shape) == kernel.size]
        name = fitting[0] if fitting else f"kernel {number}"
        layers.append(
            Layer(
                name=name,
                shape=shapes.pop(name, kernel.shape),
                type=str(kernel.dtype),
                weights=kernel.size,
                sparsity=float(np.mean(kernel == 0)),
                distinct=len(np.unique(kernel)),
                is_depthwise=bool(fitting) and name not in others,
                scales=stored.scales,
                output_scale=stored.output_scale,
                output_zero_point=stored.output_zero_point,
            )
        )
    return tuple(layers)


def has_shared_weights(model: KerasModel) -> bool:
    """Return True if a kernel is clustered."""
    return any(is_clustered(kernel.numpy()) for kernel in kernels_of(model).values())


def one_scale_note(model: KerasModel, precision: str) -> tuple[str, ...]:
    """Return the note on an integer file of a clustered model; empty for any other file."""
    if precision not in ("int8", "int16x8", "dynamic") or not has_shared_weights(model):
        return ()
    return ("weights are clustered: one scale per kernel, so that equal weights stay equal",)
