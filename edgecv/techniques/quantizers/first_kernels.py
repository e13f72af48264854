"""The first kernels take up the rescaling of pixels, once their weights are trained."""

from typing import Any

import numpy as np

from edgecv.core.keras_types import KerasLayer, KerasModel, Tensor
from edgecv.models.preprocessing import is_augmentation, pixel_layers
from edgecv.models.tf import keras
from edgecv.techniques.quantizers.kinds import KERNELS
from edgecv.techniques.rewrites.replay import makers_of, nodes_of

HALF_STEP = 0.5 + 1e-6
PASSED = ("Reshape", "Dropout")
"""Layers through which pixels go on to a kernel."""
CONVOLUTIONS = KERNELS - {"Dense"}
"""Kernels that can take up a rescaling: the converter of TensorFlow finds the scale of a dense one
again that takes pixels without a quantizer between."""


def take_pixels(quantized: KerasModel) -> None:
    """Rescale the kernels behind a rescaling, in place, to take pixels minus a whole number.

    The function stays the same, except at borders if zero is not a whole pixel: it is at most half
    a pixel off there. The ONNX exporter folds a rescaling into a convolution in this way. The
    converter of TensorFlow does so only without padding, and finds the scales of the weights again.
    This is done after the training, whose steps are meant for weights of the usual size.
    """
    for layer in quantized.layers:
        if not isinstance(layer, keras.layers.Rescaling):
            continue
        kernels = kernels_behind(quantized, layer)
        if kernels is None:
            continue
        zero, _ = _zero_and_rest(layer, kernels)
        for wrapper in kernels:
            _take_up(layer, wrapper, zero)
        layer.scale, layer.offset = 1.0, -zero


def taken_up(model: KerasModel) -> list[str]:
    """Return the rescalings of pixels that the kernels behind them will take up."""
    found = [each for each in pixel_layers(model) if isinstance(each, keras.layers.Rescaling)]
    taken = [layer for layer in found if kernels_behind(model, layer) is not None]
    nodes = nodes_of(model)

    def is_passed(layer: KerasLayer) -> bool:
        """Return True for one that changes nothing, in front of those that are taken up."""
        takers = _takers(nodes, layer.get_output_at(0))
        return _is_idle(layer) and bool(takers) and all(each in taken for each in takers)

    return [layer.name for layer in found if layer in taken or is_passed(layer)]


def kernels_behind(model: KerasModel, rescale: Any) -> list[Any] | None:
    """Return the layers that alone take rescaled pixels; None if they cannot take them up."""
    if np.ndim(rescale.scale) or np.ndim(rescale.offset) or not rescale.scale:
        return None
    nodes = nodes_of(model)
    made = [node for node in nodes if node.layer is rescale]
    if len(made) != 1 or not _is_of_input(makers_of(model), made[0].keras_inputs[0]):
        return None
    takers = _takers(nodes, made[0].outputs)
    layers = {id(layer): layer for layer in takers}
    if any(len(layer.inbound_nodes) != takers.count(layer) for layer in layers.values()):
        return None
    found = list(layers.values())
    inner = [_inner(layer) for layer in found]
    if not inner or not all(type(each).__name__ in CONVOLUTIONS for each in inner):
        return None
    _, rest = _zero_and_rest(rescale, found)
    if rest and not all(each.use_bias for each in inner):
        return None
    is_far = abs(rest) > HALF_STEP * abs(rescale.scale)
    return None if is_far and any(_is_padded(layer) for layer in found) else found


def _is_of_input(makers: dict[int, Any], tensor: Tensor) -> bool:
    """Return True if nothing has been computed with the pixels."""
    maker = makers[id(tensor)]
    if isinstance(maker.layer, keras.layers.InputLayer):
        return True
    is_passed = is_augmentation(maker.layer) or _is_idle(maker.layer)
    return is_passed and _is_of_input(makers, maker.keras_inputs[0])


def _is_idle(layer: KerasLayer) -> bool:
    """Return True for a rescaling by 1, which another was merged into."""
    is_rescaling = isinstance(layer, keras.layers.Rescaling)
    return is_rescaling and bool(np.all(np.equal(layer.scale, 1)) and not np.any(layer.offset))


def _inner(layer: KerasLayer) -> Any:
    return getattr(layer, "layer", layer)


def _is_padded(layer: KerasLayer) -> bool:
    return getattr(_inner(layer), "padding", "valid") == "same"


def _zero_and_rest(rescale: Any, kernels: list[Any]) -> tuple[float, float]:
    """Return the pixel that becomes zero, a whole one, and what is left of the offset."""
    if not any(_is_padded(layer) for layer in kernels):
        return 0.0, float(rescale.offset)
    zero = float(np.clip(np.round(-rescale.offset / rescale.scale), 0, 255))
    return zero, float(rescale.offset + rescale.scale * zero)


def _takers(nodes: list[Any], tensor: Tensor) -> list[Any]:
    """Return the layers that take a tensor, a layer for each use.

    Those that act only in training are skipped.
    """
    found = []
    for node in nodes:
        for each in node.keras_inputs:
            if each is not tensor:
                continue
            inner = _inner(node.layer)
            is_transparent = is_augmentation(inner) or type(inner).__name__ in PASSED
            found += _takers(nodes, node.outputs) if is_transparent else [node.layer]
    return found


def _take_up(rescale: Any, wrapper: Any, zero: float) -> None:
    """Move the factor of a rescaling into the weights behind it, and its offset into the bias."""
    layer = wrapper.layer
    kind = type(layer).__name__
    if wrapper._weight_vars:
        ((kernel, _, limits),) = wrapper._weight_vars
    else:
        kernel, limits = layer.depthwise_kernel, {}
    rest = rescale.offset + rescale.scale * zero
    if rest:
        layer.bias.assign_add(rest * _sums(kernel.numpy(), kind))
    for variable in (kernel, *limits.values()):
        variable.assign(variable * rescale.scale)


def _sums(kernel: Any, kind: str) -> Any:
    """Return the sum of the weights of each output."""
    if kind == "Conv2DTranspose":
        return kernel.sum(axis=(0, 1, 3))
    if kind == "DepthwiseConv2D":
        return kernel.sum(axis=(0, 1)).ravel()
    return kernel.sum(axis=tuple(range(kernel.ndim - 1)))
