"""The first convolution takes up the rescaling of pixels, once its weights are trained."""

from typing import Any

import numpy as np

from edgecv.core.keras_types import KerasLayer, KerasModel, Tensor
from edgecv.models.tf import load_tensorflow
from edgecv.techniques.quantizers.placement import is_augmentation
from edgecv.techniques.rewrites.plain_layers import nodes_of

HALF_STEP = 0.5 + 1e-6


def take_pixels(quantized: KerasModel) -> None:
    """Rescale a padded first convolution, in place, to take pixels minus a whole number.

    The function stays the same, except at borders if zero is not a whole pixel: it is at most half
    a pixel off there. The ONNX exporter folds a rescaling into a convolution in this way. The
    converter of TensorFlow does so only without padding: otherwise it would round the pixels to
    steps of 1.5 before, and have other scales of weights. This is done after the training, whose
    steps are meant for weights of the usual size.
    """
    _, keras = load_tensorflow()
    nodes = nodes_of(quantized)
    for made in nodes:
        rescale = made.layer
        if not isinstance(rescale, keras.layers.Rescaling):
            continue
        takers = _takers(nodes, made.outputs)
        if len(takers) != 1 or np.ndim(rescale.scale) or np.ndim(rescale.offset):
            continue
        (wrapper,) = takers
        inner: KerasLayer = getattr(wrapper, "layer", None)
        if type(inner) is keras.layers.Conv2D and inner.padding == "same":
            _take_up(rescale, wrapper)


def _takers(nodes: list[Any], tensor: Tensor) -> list[Any]:
    """Return the layers that take a tensor, skipping those that act only in training."""
    found = []
    for node in nodes:
        if any(each is tensor for each in node.keras_inputs):
            is_transparent = is_augmentation(node.layer)
            found += _takers(nodes, node.outputs) if is_transparent else [node.layer]
    return found


def _take_up(rescale: Any, wrapper: Any) -> None:
    """Move the factor of a rescaling into the weights behind it, if possible."""
    zero = float(np.clip(np.round(-rescale.offset / rescale.scale), 0, 255))
    rest = rescale.offset + rescale.scale * zero
    if abs(rest) > HALF_STEP * abs(rescale.scale) or (rest and not wrapper.layer.use_bias):
        return
    if not wrapper._weight_vars:
        return
    ((kernel, _, limits),) = wrapper._weight_vars
    if rest:
        wrapper.layer.bias.assign_add(rest * kernel.numpy().sum(axis=(0, 1, 2)))
    for variable in (kernel, *limits.values()):
        variable.assign(variable * rescale.scale)
    rescale.scale, rescale.offset = 1.0, -zero
