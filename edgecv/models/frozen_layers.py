"""Layers that a training leaves as they are, as the file of their model says."""

from edgecv.core.keras_types import KerasModel
from edgecv.models.preprocessing import pixel_kernel
from edgecv.models.tf import keras
from edgecv.models.training.batch_norm import is_scale


def frozen_layers(model: KerasModel) -> list[str]:
    """Return the layers whose weights would be trained, had nobody frozen them or their model.

    Convolutions of ours that prepare pixels, and scales of numbers, are never trained.
    """
    trained, pixels = {id(each) for each in model.trainable_weights}, pixel_kernel(model)
    found = []
    for layer in model._flatten_layers(include_self=False):
        own = [] if hasattr(layer, "layers") or layer is pixels else layer._trainable_weights
        if not own or any(id(each) in trained for each in own):
            continue
        if not isinstance(layer, keras.layers.BatchNormalization) or not is_scale(layer):
            found.append(layer.name)
    return found
