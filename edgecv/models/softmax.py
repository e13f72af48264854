"""The softmax of a classifier: exported files end in it, training takes the logits before it."""

import numpy as np

from edgecv.core.errors import InputError, StepError
from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.models.tf import keras

RANDOM_IMAGES = 8
TOLERANCE = 1e-3


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
