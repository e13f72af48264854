"""The weights that hold nearly all of a model's bytes, by layer name."""

from typing import Any

from edgecv.core.keras_types import KerasModel
from edgecv.models.tf import keras


def kernels_of(model: KerasModel, *, depthwise: bool = False) -> dict[str, Any]:
    """Return the kernel variable of each convolution and dense layer, in the model's order.

    With ``depthwise`` those of depthwise convolutions too.
    """
    layers = keras.layers
    found: dict[str, Any] = {}
    for wrapper in _leaves(model):
        layer = getattr(wrapper, "layer", wrapper)
        if layer is not wrapper:
            # In a quantization wrapper, layer.kernel is the last rounded tensor, no variable.
            weights = [variable for variable, _, _ in getattr(wrapper, "_weight_vars", ())]
            if isinstance(layer, layers.DepthwiseConv2D):
                if depthwise:
                    found[layer.name] = weights[0] if weights else layer.depthwise_kernel
            elif weights:
                found[layer.name] = weights[0]
            continue
        if isinstance(layer, layers.SeparableConv2D):
            if depthwise:
                found[f"{layer.name}/depthwise"] = layer.depthwise_kernel
            found[layer.name] = layer.pointwise_kernel
        elif isinstance(layer, layers.DepthwiseConv2D):
            if depthwise:
                found[layer.name] = layer.depthwise_kernel
        elif isinstance(layer, layers.Conv2D | layers.Conv2DTranspose | layers.Dense):
            found[layer.name] = layer.kernel
    return found


def _leaves(model: KerasModel) -> list[Any]:
    leaves: list[Any] = []
    for layer in model.layers:
        leaves += _leaves(layer) if hasattr(layer, "layers") else [layer]
    return leaves
