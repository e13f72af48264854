"""The softmax of a classifier: exported files end in it, training takes the logits before it."""

from collections.abc import Sequence

import numpy as np

from edgecv.core.errors import InputError, StepError
from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.models.tf import load_tensorflow

RANDOM_IMAGES = 8
TOLERANCE = 1e-3
SOFTMAX, SOFTMAX_OR_SIGMOID = ("softmax",), ("softmax", "sigmoid")
"""Kinds of activations that a model may end in."""


def logits_model(model: KerasModel, kinds: Sequence[str] = SOFTMAX) -> KerasModel:
    """Return a model that shares all layers but ends before the activation at its end.

    Raises StepError if the last layer is not an activation of these ``kinds`` of its own.
    """
    _, keras = load_tensorflow()
    last = model.layers[-1]
    inner = getattr(last, "layer", last)  # Within a quantization wrapper.
    is_layer = isinstance(inner, keras.layers.Activation) and _activation(inner) in kinds
    if not is_layer and not ("softmax" in kinds and isinstance(inner, keras.layers.Softmax)):
        raise StepError(
            f"layer {last.name}",
            f"is the last one and not a {' or '.join(kinds)}",
            accepted="a Softmax layer" if kinds == SOFTMAX else "an Activation layer",
        )
    return keras.Model(model.inputs, last.input)


def separate_softmax(model: KerasModel, kinds: Sequence[str] = SOFTMAX) -> KerasModel:
    """Return the same function with its last activation as a layer of its own.

    ``kinds`` of activations. A model that ends otherwise is returned as it is, and refused by
    ``logits_model``.
    """
    _, keras = load_tensorflow()
    last, kind = model.layers[-1], _activation(model.layers[-1])
    if isinstance(last, keras.layers.Activation) or kind not in kinds:
        return model

    def copy(layer: KerasLayer) -> KerasLayer:
        config = layer.get_config()
        if layer is last:
            config["activation"] = "linear"
        return type(layer).from_config(config)

    linear = keras.models.clone_model(model, clone_function=copy)
    linear.set_weights(model.get_weights())
    name = f"{last.name}_{kind}"
    ending = (
        keras.layers.Softmax(name=name)
        if kind == "softmax"
        else keras.layers.Activation(kind, name=name)
    )
    return keras.Model(linear.inputs, ending(linear.outputs[0]), name=model.name)


def _activation(layer: KerasLayer) -> str | None:
    """Return the name of a layer's activation; None where it has none."""
    _, keras = load_tensorflow()
    activation = getattr(layer, "activation", None)
    return None if activation is None else keras.activations.serialize(activation)


def with_softmax(model: KerasModel, where: str) -> tuple[KerasModel, str]:
    """Return the model, with a softmax added to logits, and a sentence on what was found.

    Raises InputError if it ends in a sigmoid: its outputs then belong to several questions.
    """
    _, keras = load_tensorflow()
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
