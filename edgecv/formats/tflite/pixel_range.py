"""The range of the pixels that enter a model with quantizers."""

import numpy as np

from edgecv.core.keras_types import KerasModel
from edgecv.models.preprocessing import pixel_layers
from edgecv.models.quantizers import LARGEST_CODE, trained_kernels


def needs_range_of_pixels(model: KerasModel) -> bool:
    """Return True if the converter would lose the scales of the first trained kernel.

    Where the input of a kernel has no range, it finds the scales again from the rounded weights:
    others than the trained ones if the weights no longer fill the range of their last step. An
    offset of the pixels has a range of its own.
    """
    if any(getattr(layer, "quantizer_vars", None) for layer in model.layers):
        return False
    if any(np.any(getattr(layer, "offset", 1)) for layer in pixel_layers(model)):
        return False
    for kernel in trained_kernels(model):
        weights, axis = np.abs(kernel.by_output()), 0 if kernel.scales.size > 1 else None
        largest = np.atleast_1d(weights.max(axis=axis))
        if np.any((largest > 0) & (largest < (LARGEST_CODE - 0.5) * kernel.scales)):
            return True
    return False
