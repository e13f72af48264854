"""The rescaling of pixels as scale and zero point of an 8-bit input: declared, not computed."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images
from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.core.preprocessing import PIXEL_STEPS
from edgecv.models.pixel_front import PixelFront, Reals, front_of, is_kernel
from edgecv.models.preprocessing import folded
from edgecv.models.tf import keras
from edgecv.models.unquantized import has_quantizers, quantizers_known

LARGEST_PIXEL = 255
NEARLY_WHOLE = 1e-4
"""Largest difference of a pixel from a whole one: offsets are stored as float32."""
CLOSE = 1e-6
"""Largest relative difference of two equal scales."""


@dataclass(frozen=True)
class PixelInput:
    """A model that takes (pixel - ``zero``) * ``scale``."""

    model: KerasModel
    scale: float = 1.0
    zero: int = 0
    note: str = ""
    """The reason why a rescaling of pixels stays in the model; empty where none does."""

    def values(self, pixels: Images) -> NDArray[np.float32]:
        """Return what the model takes for pixels of 0..255."""
        return (pixels.astype(np.float32) - self.zero) * np.float32(self.scale)

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest value that the model takes."""
        return -self.zero * self.scale, (LARGEST_PIXEL - self.zero) * self.scale


def declared_pixels(model: KerasModel) -> PixelInput:
    """Return the same function with its rescaling in the scale and zero point of an 8-bit input.

    The pixel that becomes zero is the zero point, which convolutions pad with: a whole number. An
    offset that is none, or differs by channel, is folded into a first convolution that does not
    pad. Where none of this is exact, and where nothing would be computed, the model is returned.
    """
    front = front_of(model)
    if front is None or not front.is_computed:
        return PixelInput(model)
    zeros = -front.offset / front.scale
    zero = round(float(zeros[0]))
    if np.abs(zeros - zero).max() <= NEARLY_WHOLE and 0 <= zero <= LARGEST_PIXEL:
        return _with_zero(model, front, zero)
    if not front.is_foldable:
        return PixelInput(model, note=_note(front, zeros))
    (first,) = front.takers
    copy = folded(model, first, front.scale, front.offset, range(len(front.scale)))
    _stop_rescaling(copy)
    return PixelInput(copy)


def with_pixel_kernel(model: KerasModel) -> KerasModel:
    """Return the same function with a rescaling by channel as one 1x1 depthwise convolution.

    Runtimes take several times as long for the product and the sum of each channel, and int8 files
    round after both. What can be declared, or folded into the first convolution, stays as it is.
    """
    front = None if has_quantizers(model) else front_of(model)
    if front is None or front.is_foldable or not front.is_by_channel:
        return model
    if front.is_nested or not set(front.layers) <= set(model.layers):
        return model
    zeros = -front.offset / front.scale
    if np.abs(zeros - np.round(zeros[0])).max() <= NEARLY_WHOLE:
        return model
    last = front.layers[-1]

    def replaced(layer: KerasLayer) -> KerasLayer:
        if layer is last:
            return keras.layers.DepthwiseConv2D(1, trainable=False, name=layer.name)
        if layer in front.layers:
            return keras.layers.Activation("linear", name=layer.name)
        return type(layer).from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=replaced)
    for old, new in zip(model.layers, copy.layers, strict=True):
        if old not in front.layers:
            new.set_weights(old.get_weights())
    copy.get_layer(last.name).set_weights([front.scale.reshape(1, 1, -1, 1), front.offset])
    return copy


def _with_zero(model: KerasModel, front: PixelFront, zero: int) -> PixelInput:
    """Return a model whose input is zero at a pixel; other scales go into its first kernels.

    Scales that were trained with quantizers stay: ``qat`` leaves a rescaling by 1.
    """
    whole, part = PIXEL_STEPS
    step = part if zero and not _is_close(front.scale, whole) else whole
    factors = front.scale / step
    is_plain = _is_close(factors, 1.0)
    if not is_plain and not all(_takes_factors(each, factors) for each in front.takers):
        if zero or not _is_close(front.scale, 1 / LARGEST_PIXEL):
            return PixelInput(model, note=_note(front, -front.offset / front.scale))
        step, is_plain = 1 / LARGEST_PIXEL, True
    with quantizers_known() if has_quantizers(model) else nullcontext():
        copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    takers = _stop_rescaling(copy)
    for layer in () if is_plain else takers:
        is_depthwise = type(layer) is keras.layers.DepthwiseConv2D
        kernel = layer.depthwise_kernel if is_depthwise else layer.kernel
        # A scalar for one factor: the channels of a group are not those of the image.
        factor = factors[0] if np.ptp(factors) == 0 else factors[:, np.newaxis]
        kernel.assign(kernel.numpy().astype(np.float64) * factor)
    return PixelInput(copy, step, zero)


def _stop_rescaling(model: KerasModel) -> tuple[Any, ...]:
    """Make a model take rescaled pixels, in place; return the layers that take them."""
    front = front_of(model)
    assert front is not None
    for layer in front.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.mean, layer.variance = np.float32(0), np.float32(1)
        else:
            layer.scale, layer.offset = 1.0, 0.0
    return front.takers


def _is_close(scales: Reals, scale: float) -> bool:
    return bool(np.allclose(scales, scale, rtol=CLOSE, atol=0))


def _takes_factors(layer: KerasLayer, factors: Reals) -> bool:
    """Return True if factors of the channels can go into the kernel of a layer."""
    if not is_kernel(layer) or hasattr(layer, "quantize_config"):
        return False
    return bool(np.ptp(factors) == 0) or layer.groups == 1


def _note(front: PixelFront, zeros: Reals) -> str:
    """Return the reason why a rescaling stays in the file."""
    names = " and ".join(each.name for each in front.layers)
    if not all(is_kernel(each) for each in front.takers):
        why = "what takes it is no convolution"
    elif np.ptp(zeros) > NEARLY_WHOLE:
        why = "the pixel that becomes 0, which the first convolution pads with, differs by channel"
    else:
        why = f"the first convolution pads with pixel {zeros[0]:.6g}, which is no byte"
    return f"{names}: computed in the file, because {why}"
