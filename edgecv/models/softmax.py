"""The softmax of a classifier: exported files end in it, training takes the logits before it."""

from edgecv.core.errors import StepError
from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.models.tf import keras


def logits_model(model: KerasModel) -> KerasModel:
    """Return a model that shares all layers but ends before the softmax.

    Raises StepError if the last layer is not a softmax of its own.
    """
    last = model.layers[-1]
    inner = getattr(last, "layer", last)  # Within a quantization wrapper.
    is_softmax = isinstance(inner, keras.layers.Softmax) or (
        isinstance(inner, keras.layers.Activation) and inner.activation is keras.activations.softmax
    )
    if not is_softmax:
        raise StepError(
            f"layer {last.name}", "is the last one and not a softmax", accepted="a Softmax layer"
        )
    return keras.Model(model.inputs, last.input)


def separate_softmax(model: KerasModel) -> KerasModel:
    """Return the same function with the softmax as a layer of its own, where it is part of one.

    A model that ends otherwise is returned as it is, and refused by ``logits_model``.
    """
    last = model.layers[-1]
    activation = getattr(last, "activation", None)
    if isinstance(last, keras.layers.Activation) or activation is not keras.activations.softmax:
        return model

    def copy(layer: KerasLayer) -> KerasLayer:
        config = layer.get_config()
        if layer is last:
            config["activation"] = "linear"
        return type(layer).from_config(config)

    linear = keras.models.clone_model(model, clone_function=copy)
    linear.set_weights(model.get_weights())
    probabilities = keras.layers.Softmax(name=f"{last.name}_softmax")(linear.outputs[0])
    return keras.Model(linear.inputs, probabilities, name=model.name)


def with_softmax(model: KerasModel) -> tuple[KerasModel, str]:
    """Return a model of one row of numbers with a softmax added, and a sentence on it."""
    last = model.layers[-1]
    probabilities = keras.layers.Softmax(name=f"{last.name}_softmax")(model.outputs[0])
    whole = keras.Model(model.inputs, probabilities, name=model.name)
    return whole, f"the model gives logits: a softmax was added after {last.name}"
