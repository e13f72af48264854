"""The weights that hold nearly all of a model's bytes, by layer name."""

from typing import Any

from edgecv.core.keras_types import KerasModel
from edgecv.models.tf import keras


def kernels_of(model: KerasModel, *, depthwise: bool = False) -> dict[str, Any]:
    """Return the kernel variable of each convolution and dense layer, in the model's order.

    With ``depthwise`` those of depthwise convolutions too. A layer whose name another one within
    another nested model has gets the name of its model in front, as in a flat copy.
    """
    found: dict[str, Any] = {}
    for place, wrapper in _leaves(model):
        kernels = _kernels(wrapper, depthwise=depthwise)
        if any(kernel is known for kernel in kernels.values() for known in found.values()):
            continue  # A layer that two models share.
        before = ""
        while any(f"{before}{name}" in found for name in kernels):
            before = f"{before}_" if before else place or "_"
        found |= {f"{before}{name}": kernel for name, kernel in kernels.items()}
    return found


def layers_without_kernels(model: KerasModel) -> dict[str, str]:
    """Return the kind of each layer whose weights ``kernels_of`` leaves out, by name: Conv1D, LSTM.

    Layers of nothing but numbers a channel are none of them.
    """
    return {
        layer.name: type(layer).__name__
        for _, layer in _leaves(model)
        if any(each.trainable and len(each.shape) > 1 for each in layer.weights)
        and not _kernels(layer, depthwise=False)
    }


def _kernels(wrapper: Any, *, depthwise: bool) -> dict[str, Any]:
    """Return the kernels of one layer, or of the one in a wrapper, by name."""
    layers, layer = keras.layers, getattr(wrapper, "layer", wrapper)
    name = layer.name
    if layer is not wrapper:
        # In a quantization wrapper, layer.kernel is the last rounded tensor, no variable.
        weights = [variable for variable, _, _ in getattr(wrapper, "_weight_vars", ())]
        if isinstance(layer, layers.DepthwiseConv2D):
            return {name: weights[0] if weights else layer.depthwise_kernel} if depthwise else {}
        return {name: weights[0]} if weights else {}
    if isinstance(layer, layers.SeparableConv2D):
        first = {f"{name}/depthwise": layer.depthwise_kernel} if depthwise else {}
        return {**first, name: layer.pointwise_kernel}
    if isinstance(layer, layers.DepthwiseConv2D):
        return {name: layer.depthwise_kernel} if depthwise else {}
    if isinstance(layer, layers.Conv2D | layers.Conv2DTranspose | layers.Dense):
        return {name: layer.kernel}
    return {}


def _leaves(model: KerasModel, place: str = "") -> list[tuple[str, Any]]:
    """Return all layers that are no models, each with the names of the models that it is within."""
    leaves: list[tuple[str, Any]] = []
    for layer in model.layers:
        is_model = hasattr(layer, "layers")
        leaves += _leaves(layer, f"{place}{layer.name}_") if is_model else [(place, layer)]
    return leaves
