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
    called = f"{last.name}_{name}"
    layer = (
        keras.layers.Softmax(name=called)
        if name == "softmax"
        else keras.layers.Activation(name, name=called)
    )
    return keras.Model(linear.inputs, layer(linear.outputs[0]), name=model.name)


def with_softmax(model: KerasModel) -> tuple[KerasModel, str]:
    """Return a model of one row of numbers with a softmax added, and a sentence on it."""
    last = model.layers[-1]
    probabilities = keras.layers.Softmax(name=f"{last.name}_softmax")(model.outputs[0])
    whole = keras.Model(model.inputs, probabilities, name=model.name)
    return whole, f"the model gives logits: a softmax was added after {last.name}"
