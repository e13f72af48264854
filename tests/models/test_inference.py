"""Compiled inference of networks that TensorFlow's graph optimizer makes unusable."""

import numpy as np
import pytest

from edgecv.formats.keras.runtime import KerasSession
from edgecv.models.tf import load_tensorflow

ACTIVATIONS = ("tanh", "sigmoid", "elu", "softplus", "selu", "gelu", "swish", "relu")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_activation_behind_convolution_and_normalization(activation: str) -> None:
    tensorflow, keras = load_tensorflow()
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.Activation(activation),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3)).astype(np.uint8)
    before = tensorflow.config.optimizer.get_experimental_options()
    session = KerasSession(model)
    for _ in range(2):
        expected = model(images.astype(np.float32), training=False)
        np.testing.assert_allclose(session.predict(images).only, expected, atol=1e-6)
    after = tensorflow.config.optimizer.get_experimental_options()
    assert after.get("remapping", True) == before.get("remapping", True)
