"""The softmax or sigmoid at the end: exported files end in it, training takes what is before."""

import numpy as np

from edgecv.core.errors import InputError, StepError
from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.models.tf import keras

RANDOM_IMAGES = 8
TOLERANCE = 1e-3


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


def with_softmax(model: KerasModel, where: str) -> tuple[KerasModel, str]:
    """Return the model, with a softmax added to logits, and a sentence on what was found.

    Raises InputError if it ends in a sigmoid: its outputs then belong to several questions.
    """
    last = model.layers[-1]
    activation = getattr(getattr(last, "layer", last), "activation", None)
    if isinstance(last, keras.layers.Softmax) or activation is keras.activations.softmax:
        return model, "the model gives probabilities"
    if activation is keras.activations.sigmoid:
        raise InputError(
            where,
            f"ends in a sigmoid ({last.name}): each output is a yes or no of its own",
            accepted="one softmax over the classes, or logits",
        )
    if _gives_probabilities(model):
        return model, f"the model gives probabilities, by {last.name}"
    probabilities = keras.layers.Softmax(name=f"{last.name}_softmax")(model.outputs[0])
    whole = keras.Model(model.inputs, probabilities, name=model.name)
    return whole, f"the model gives logits: a softmax was added after {last.name}"


def _gives_probabilities(model: KerasModel) -> bool:
    """Return True if the outputs for random images are probabilities."""
    shape = (RANDOM_IMAGES, *model.inputs[0].shape[1:])
    images = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    values = model(images, training=False).numpy()
    return bool(values.min() >= 0 and np.abs(values.sum(axis=-1) - 1).max() <= TOLERANCE)
