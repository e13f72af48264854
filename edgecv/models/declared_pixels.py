"""The rescaling of pixels as scale and zero point of an 8-bit input: declared, not computed."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images
from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.core.preprocessing import PIXEL_STEPS
from edgecv.models.preprocessing import (
    folded,
    is_augmentation,
    is_plain_convolution,
    pixel_normalization,
    takers_of,
)
from edgecv.models.tf import keras
from edgecv.models.unquantized import has_quantizers, quantizers_known

LARGEST_PIXEL = 255
NEARLY_WHOLE = 1e-4
"""Largest difference of a pixel from a whole one: offsets are stored as float32."""
CLOSE = 1e-6
"""Largest relative difference of two equal scales."""
Reals = NDArray[np.float64]


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


@dataclass(frozen=True)
class _Front:
    """The first layers of a model: pixel * ``scale`` + ``offset``, one number a channel."""

    layers: tuple[KerasLayer, ...]
    scale: Reals
    offset: Reals
    takers: tuple[Any, ...]
    """The layers that take the result."""
    has_padding_layer: bool
    """True if a layer of its own puts zeros around the result before that."""
    is_nested: bool
    """True if the takers stand in a model within the model."""

    @property
    def is_padded(self) -> bool:
        """True if zeros are put around the result."""
        return self.has_padding_layer or any(_padding(each) != "valid" for each in self.takers)

    @property
    def is_by_channel(self) -> bool:
        """True if channels have other numbers than each other."""
        return bool(np.ptp(self.scale) or np.ptp(self.offset))

    @property
    def is_foldable(self) -> bool:
        """True if any rescaling can go into the kernel and the bias of what takes it, exactly."""
        return not (self.is_padded or self.is_nested) and is_plain_convolution(self.takers)

    @property
    def is_computed(self) -> bool:
        """True if the converter of TensorFlow leaves operators: it folds one number forwards."""
        if self.is_by_channel:
            return True
        is_moved = self.scale[0] != 1 or self.offset[0]
        is_one = len(self.takers) == 1 and _is_kernel(self.takers[0])
        if not is_one or self.has_padding_layer:
            return bool(is_moved)
        return bool(self.offset[0]) and self.is_padded


def declared_pixels(model: KerasModel) -> PixelInput:
    """Return the same function with its rescaling in the scale and zero point of an 8-bit input.

    The pixel that becomes zero is the zero point, which convolutions pad with: a whole number. An
    offset that is none, or differs by channel, is folded into a first convolution that does not
    pad. Where none of this is exact, and where nothing would be computed, the model is returned.
    """
    front = _front_of(model)
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
    front = None if has_quantizers(model) else _front_of(model)
    if front is None or front.is_nested or front.is_foldable or not front.is_by_channel:
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


def _with_zero(model: KerasModel, front: _Front, zero: int) -> PixelInput:
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
    front = _front_of(model)
    assert front is not None
    for layer in front.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.mean, layer.variance = np.float32(0), np.float32(1)
        else:
            layer.scale, layer.offset = 1.0, 0.0
    return front.takers


def _front_of(model: KerasModel) -> _Front | None:
    """Return the rescalings that pixels go through first; None where there are none."""
    (tensor,) = model.inputs
    channels = int(tensor.shape[-1])
    scale, offset = np.ones(channels), np.zeros(channels)
    layers: list[KerasLayer] = []
    inner, has_padding_layer = model, False
    while True:
        takers = takers_of(inner, tensor)
        if len(takers) != 1 or len(takers[0].inbound_nodes) != 1:
            break
        (only,) = takers
        if isinstance(only, keras.Model) and len(only.inputs) == 1:
            inner, tensor = only, only.inputs[0]
            continue
        affine = None if has_padding_layer else _affine_of(only)
        if affine is not None:
            factor, term = affine
            scale, offset = scale * factor, offset * factor + term
            layers.append(only)
        elif type(only) is keras.layers.ZeroPadding2D:
            has_padding_layer = True
        elif not is_augmentation(only):
            break
        tensor = only.output
    if not layers or not scale.all():
        return None
    return _Front(
        tuple(layers), scale, offset, tuple(takers), has_padding_layer, inner is not model
    )


def _affine_of(layer: KerasLayer) -> tuple[Reals, Reals] | None:
    """Return the factor and the offset of a rescaling, of all channels or of each."""
    if type(layer) is keras.layers.Normalization:
        return pixel_normalization(layer)
    if type(layer) is not keras.layers.Rescaling:
        return None
    scale, offset = (np.asarray(each, np.float64).ravel() for each in (layer.scale, layer.offset))
    return scale, offset


def _is_close(scales: Reals, scale: float) -> bool:
    return bool(np.allclose(scales, scale, rtol=CLOSE, atol=0))


def _is_kernel(layer: KerasLayer) -> bool:
    """Return True for a convolution that is called once; it may stand in quantizers."""
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    return type(getattr(layer, "layer", layer)) in kinds and len(layer.inbound_nodes) == 1


def _padding(layer: KerasLayer) -> str:
    return str(getattr(getattr(layer, "layer", layer), "padding", "valid"))


def _takes_factors(layer: KerasLayer, factors: Reals) -> bool:
    """Return True if factors of the channels can go into the kernel of a layer."""
    if not _is_kernel(layer) or hasattr(layer, "quantize_config"):
        return False
    return bool(np.ptp(factors) == 0) or layer.groups == 1


def _note(front: _Front, zeros: Reals) -> str:
    """Return the reason why a rescaling stays in the file."""
    names = " and ".join(each.name for each in front.layers)
    if not all(_is_kernel(each) for each in front.takers):
        why = "what takes it is no convolution"
    elif np.ptp(zeros) > NEARLY_WHOLE:
        why = "the pixel that becomes 0, which the first convolution pads with, differs by channel"
    else:
        why = f"the first convolution pads with pixel {zeros[0]:.6g}, which is no byte"
    return f"{names}: computed in the file, because {why}"
