"""The rescaling of pixels in front of a model: what it computes, and the layers that take it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.models.preprocessing import (
    is_augmentation,
    is_plain_convolution,
    pixel_normalization,
    takers_of,
)
from edgecv.models.tf import keras

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class PixelFront:
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
        is_one = len(self.takers) == 1 and is_kernel(self.takers[0])
        if not is_one or self.has_padding_layer:
            return bool(is_moved)
        return bool(self.offset[0]) and self.is_padded


def front_of(model: KerasModel) -> PixelFront | None:
    """Return the rescalings that pixels go through first; None where there are none.

    Models within the model are entered, and left again where they hold rescalings alone. What is
    an output of the model too stays: others take it.
    """
    (tensor,) = model.inputs
    channels = int(tensor.shape[-1])
    scale, offset = np.ones(channels), np.zeros(channels)
    layers: list[KerasLayer] = []
    around: list[tuple[KerasModel, Any]] = []
    inner, has_padding_layer = model, False
    while True:
        takers = takers_of(inner, tensor)
        if any(each is tensor for each in inner.outputs):
            if takers or len(inner.outputs) > 1 or not around:
                return None
            inner, tensor = around.pop()
            continue
        if len(takers) != 1 or len(takers[0].inbound_nodes) != 1:
            break
        (only,) = takers
        if isinstance(only, keras.Model) and len(only.inputs) == 1:
            around.append((inner, only.get_output_at(0)))
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
    return PixelFront(
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


def is_kernel(layer: KerasLayer) -> bool:
    """Return True for a convolution that is called once; it may stand in quantizers."""
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    return type(getattr(layer, "layer", layer)) in kinds and len(layer.inbound_nodes) == 1


def _padding(layer: KerasLayer) -> str:
    return str(getattr(getattr(layer, "layer", layer), "padding", "valid"))
