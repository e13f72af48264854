"""A model that was trained with quantizers of tensorflow-model-optimization, without them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.models.tf import keras

ENTRANCE = "QuantizeLayer"
"""The layer that rounds the input of such a model."""


def has_quantizers(model: KerasModel) -> bool:
    """Return True if layers of the model stand in quantizers."""
    return any(hasattr(layer, "quantize_config") for layer in model.layers)


def without_quantizers(model: KerasModel) -> KerasModel:
    """Return a copy with the same weights, in float32 throughout: nothing is rounded."""
    plain = keras.models.clone_model(model, clone_function=_plain_layer)
    for layer, copy in zip(model.layers, plain.layers, strict=True):
        # Beside its own weights a wrapper has ranges and counters.
        weights = {_last_name(each): each for each in layer.weights}
        for variable in copy.weights:
            variable.assign(weights[_last_name(variable)])
    return plain


@contextmanager
def quantizers_known() -> Iterator[None]:
    """Let tf-keras copy models with quantizers."""
    from tensorflow_model_optimization.quantization.keras import quantize_scope

    with quantize_scope():
        yield


def _plain_layer(layer: KerasLayer) -> KerasLayer:
    if type(layer).__name__ == ENTRANCE:
        return keras.layers.Activation("linear", name=layer.name)
    inner: Any = layer.layer if hasattr(layer, "quantize_config") else layer
    config = inner.get_config()
    if hasattr(layer, "quantize_config") and "activation" in config:
        config["activation"] = _plain_activation(inner.activation)
    return type(inner).from_config(config)


def _plain_activation(activation: Any) -> Any:
    """Return the configuration of the activation that quantizers stand around."""
    inner = getattr(activation, "activation", activation)
    return (
        "linear" if type(inner).__name__ == "NoOpActivation" else keras.activations.serialize(inner)
    )


def _last_name(variable: Any) -> str:
    return str(variable.name).rpartition("/")[2]
