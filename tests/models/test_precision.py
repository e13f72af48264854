"""Tests of trainings that compute in 16 bits."""

from typing import Any

import numpy as np
import pytest

from edgecv.models.tf import load_tensorflow
from edgecv.models.training.devices import in_precision


def nested() -> Any:
    """Return a network with another one within, and a head of its own."""
    _, keras = load_tensorflow()
    layers = keras.layers
    within = keras.Input((8, 8, 3))
    inner = keras.Model(within, layers.ReLU()(layers.Conv2D(4, 3)(within)), name="inner")
    image = keras.Input((8, 8, 3))
    pooled = layers.GlobalAveragePooling2D()(inner(layers.Rescaling(1 / 255)(image)))
    return keras.Model(image, layers.Dense(3)(layers.Dense(5)(pooled)))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_layers_of_a_nested_model_compute_in_16_bits_too(precision: str) -> None:
    model = nested()
    copy = in_precision(model, precision)
    assert {each.compute_dtype for each in copy.get_layer("inner").layers[1:]} == {precision}
    assert copy.layers[-1].compute_dtype == "float32"
    assert {each.dtype.name for each in copy.weights} == {"float32"}
    for own, other in zip(model.get_weights(), copy.get_weights(), strict=True):
        assert np.array_equal(own, other)
    pixels = np.random.default_rng(0).uniform(0, 255, (4, 8, 8, 3)).astype(np.float32)
    assert np.allclose(model(pixels), copy(pixels), atol=0.02)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_nested_model_at_the_end_gives_float32(precision: str) -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    features = keras.Input((5,))
    hidden = layers.Dense(4, name="hidden")(features)
    ended = layers.Activation("softmax", name="ended")(layers.Dense(3, name="logits")(hidden))
    head = keras.Model(features, ended, name="head")
    image = keras.Input((8, 8, 3))
    pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(5, 3)(image))
    copy = in_precision(keras.Model(image, head(pooled)), precision)
    kept = {each.name: each.compute_dtype for each in copy.get_layer("head").layers[1:]}
    assert kept == {"hidden": precision, "logits": "float32", "ended": "float32"}
    assert copy(np.zeros((1, 8, 8, 3), np.float32)).dtype == "float32"
