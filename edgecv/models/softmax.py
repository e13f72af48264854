"""The softmax or sigmoid at the end: exported files end in it, training takes what is before."""

from edgecv.core.errors import StepError
from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.models.tf import keras


def logits_model(model: KerasModel) -> KerasModel:
    """Return a model that shares all layers but ends before the softmax or sigmoid.

    Raises StepError if the last layer is not one of its own.
    """
    last = model.layers[-1]
    inner = getattr(last, "layer", last)  # Within a quantization wrapper.
    is_one = isinstance(inner, keras.layers.Softmax) or (
        isinstance(inner, keras.layers.Activation)
        and inner.activation in (keras.activations.softmax, keras.activations.sigmoid)
    )
    if not is_one:
        raise StepError(
            f"layer {last.name}",
            "is the last one and not a softmax",
            accepted="a layer with a softmax, or a sigmoid, alone",
        )
    return keras.Model(model.inputs, last.input)


def separate_softmax(model: KerasModel) -> KerasModel:
    """Return the same function with its softmax or sigmoid as a layer of its own.

    A model that ends otherwise is returned as it is, and refused by ``logits_model``.
    """
    last = model.layers[-1]
    activation = getattr(last, "activation", None)
    separate = {keras.activations.softmax: "softmax", keras.activations.sigmoid: "sigmoid"}
    if isinstance(last, keras.layers.Activation) or activation not in separate:
        return model

    def copy(layer: KerasLayer) -> KerasLayer:
        config = layer.get_config()
        if layer is last:
            config["activation"] = "linear"
        return type(layer).from_config(config)

    linear = keras.models.clone_model(model, clone_function=copy)
    linear.set_weights(model.get_weights())
    name = separate[activation]
    return _with_layer(linear, name, f"{last.name}_{name}", model.name)


def with_activation(model: KerasModel, name: str) -> tuple[KerasModel, str]:
    """Return a model of one row of logits with a softmax or sigmoid added, and a sentence on it."""
    last = model.layers[-1].name
    whole = _with_layer(model, name, f"{last}_{name}", model.name)
    kind = "one logit" if model.outputs[0].shape[-1] == 1 else "logits"
    return whole, f"the model gives {kind}: a {name} was added after {last}"


def _with_layer(model: KerasModel, activation: str, called: str, name: str) -> KerasModel:
    layer = (
        keras.layers.Softmax(name=called)
        if activation == "softmax"
        else keras.layers.Activation(activation, name=called)
    )
    return keras.Model(model.inputs, layer(model.outputs[0]), name=name)
