"""The layers of an exported file: weights, scales, sparsity."""

from collections.abc import Sequence

import numpy as np

from edgecv.core.artifact import Layer
from edgecv.core.keras_types import KerasModel
from edgecv.formats.kernel_layout import StoredKernel, kernel_names, layer_kernels
from edgecv.models.kernels import kernels_of


def read_layers(
    model: KerasModel | None, kernels: Sequence[StoredKernel], file_format: str
) -> tuple[Layer, ...]:
    """Return the facts of a file's weights, under the names of the model's layers.

    ``kernels``: in the order of the file; one that fits no layer is named by its position.
    ``model``: None for a file that was not made from a Keras model.
    """
    found = {} if model is None else kernels_of(model, depthwise=True)
    others = {} if model is None else kernels_of(model)
    shapes = {name: tuple(int(side) for side in each.shape) for name, each in found.items()}
    names = kernel_names(kernels, [] if model is None else layer_kernels(model, file_format))
    layers = []
    for name, stored in zip(names, kernels, strict=True):
        kernel = stored.weights
        layers.append(
            Layer(
                name=name,
                shape=shapes.get(name, kernel.shape),
                type=stored.type or str(kernel.dtype),
                weights=kernel.size,
                sparsity=float(np.mean(kernel == 0)),
                distinct=len(np.unique(kernel)),
                is_depthwise=name in shapes and name not in others,
                # One scale may be written once for each channel.
                scales=stored.scales[:1] if len(set(stored.scales)) == 1 else stored.scales,
                output_scale=stored.output_scale,
                output_zero_point=stored.output_zero_point,
            )
        )
    return tuple(layers)


def one_scale_note(names: Sequence[str], precision: str) -> tuple[str, ...]:
    """Return the note on an integer file with one scale for some kernels; empty for others."""
    if precision not in ("int8", "int16x8", "dynamic") or not names:
        return ()
    return (
        f"one scale for the whole kernel, so that equal weights stay equal: {', '.join(names)}",
    )
