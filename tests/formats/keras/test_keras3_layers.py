"""Every kind of layer and operation of Keras 3, one by one, against Keras 3 itself."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgecv.formats.keras.allowlist import LAYERS
from edgecv.formats.keras.keras2_safety import CLASSES

SHAPE = (12, 12, 3)

# What is built, as someone writes it in Keras 3: L is keras.layers, K is keras.
IMAGE_LAYERS = """
L.Conv2D(5, 3, strides=2, padding='same', activation='relu', kernel_regularizer='l2')
L.Conv2D(6, (3, 2), dilation_rate=2, use_bias=False, kernel_initializer='he_normal')
L.Conv2D(6, 3, groups=3, kernel_constraint='max_norm', activity_regularizer=K.regularizers.L1(0.1))
L.Conv2D(4, 1, kernel_initializer=K.initializers.RandomNormal(stddev=0.1, seed=3))
L.Conv2D(4, 1, kernel_initializer=K.initializers.Orthogonal(), bias_initializer='ones')
L.Conv2D(4, 3, activation=L.LeakyReLU(negative_slope=0.3))
L.Conv2DTranspose(4, 3, strides=2, padding='same')
L.Conv2DTranspose(4, 3, strides=2, output_padding=1)
L.DepthwiseConv2D(3, depth_multiplier=2, activation='relu6')
L.SeparableConv2D(5, 3, depth_multiplier=2, activation='tanh')
L.Dense(4, activation='sigmoid')
L.BatchNormalization()
L.BatchNormalization(scale=False, epsilon=1e-2)
L.BatchNormalization(center=False)
L.LayerNormalization()
L.LayerNormalization(axis=[1, 2, 3], epsilon=1e-4)
L.GroupNormalization(groups=3)
L.GroupNormalization(groups=-1)
L.UnitNormalization()
L.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 5.0, 6.0])
L.Normalization(mean=3.0, variance=2.0, invert=True)
L.Normalization()
L.Rescaling(1 / 127.5, offset=-1)
L.Rescaling([0.1, 0.2, 0.3], offset=[1.0, 2.0, 3.0])
L.Resizing(7, 9)
L.Resizing(24, 20, interpolation='nearest')
L.Resizing(24, 20, interpolation='bicubic')
L.Resizing(7, 9, crop_to_aspect_ratio=True)
L.CenterCrop(6, 5)
L.ZeroPadding2D(((1, 2), (3, 0)))
L.Cropping2D(((1, 2), (3, 0)))
L.UpSampling2D((2, 3))
L.UpSampling2D(2, interpolation='bilinear')
L.MaxPooling2D()
L.MaxPooling2D(3, strides=2, padding='same')
L.AveragePooling2D(3, strides=1, padding='same')
L.GlobalAveragePooling2D()
L.GlobalAveragePooling2D(keepdims=True)
L.GlobalMaxPooling2D()
L.Flatten()
L.Reshape((36, -1))
L.Permute((2, 1, 3))
L.Identity()
L.Dropout(0.5, seed=3)
L.SpatialDropout2D(0.5)
L.GaussianNoise(0.5)
L.GaussianDropout(0.5)
L.AlphaDropout(0.5)
L.ActivityRegularization(l1=0.1)
L.RandomFlip('horizontal', seed=1)
L.RandomRotation(0.1)
L.RandomTranslation(0.1, (0.1, 0.2), fill_mode='nearest')
L.RandomZoom(0.1)
L.RandomContrast(0.1)
L.RandomBrightness(0.1)
L.RandomCrop(12, 12)
""".strip().splitlines()
SIGNED_LAYERS = """
L.ReLU()
L.ReLU(max_value=2, negative_slope=0.1, threshold=0.5)
L.LeakyReLU(negative_slope=0.2)
L.PReLU()
L.PReLU(shared_axes=[1, 2])
L.ELU(alpha=0.7)
L.Softmax()
L.Softmax(axis=1)
""".strip().splitlines()
SEQUENCE_LAYERS = """
L.Conv1D(4, 3, padding='causal', activation='relu')
L.Conv1DTranspose(4, 3, strides=2)
L.DepthwiseConv1D(3)
L.SeparableConv1D(4, 3)
L.MaxPooling1D()
L.AveragePooling1D(3)
L.GlobalMaxPooling1D()
L.GlobalAveragePooling1D()
L.ZeroPadding1D(2)
L.Cropping1D(1)
L.UpSampling1D(2)
L.SpatialDropout1D(0.3)
""".strip().splitlines()
ACTIVATIONS = """
linear relu relu6 sigmoid tanh softmax log_softmax elu selu softplus softsign exponential
leaky_relu gelu mish silu swish celu hard_sigmoid hard_silu hard_swish hard_tanh tanh_shrink
log_sigmoid
""".split()
MERGES = """
L.Add() L.Subtract() L.Multiply() L.Average() L.Maximum() L.Minimum() L.Concatenate(axis=1)
L.Concatenate() L.Dot(axes=(3,3)) L.Dot(axes=3,normalize=True)
""".split()
OPERATIONS = """
x + y
x - y
x * y
x + 2
2.5 + x
x - 1
1 - x
x * 0.5
3 * x
x / 4
-x
x + K.ops.mean(y, axis=(1, 2), keepdims=True)
K.ops.maximum(x, y)
K.ops.minimum(x, y)
K.ops.concatenate([x, y], axis=-1)
K.ops.mean(x, axis=(1, 2))
K.ops.mean(x, axis=[-2, -3], keepdims=True)
K.ops.max(x, axis=(1, 2))
K.ops.reshape(x, (-1, 36, 12))
K.ops.gelu(x, approximate=False)
K.ops.elu(x, alpha=0.5)
K.ops.leaky_relu(x, negative_slope=0.3)
K.ops.softmax(x, axis=-1)
""".strip().splitlines()
UNARY = """
square tanh relu relu6 sigmoid silu gelu celu selu softplus softsign log_softmax hard_sigmoid
hard_silu hard_tanh log_sigmoid tanh_shrink
""".split()
OPERATIONS += [f"K.ops.{name}(x)" for name in UNARY]


def model_of(keras3: Any, layer: Any, shape: tuple[int, ...] = SHAPE) -> Any:
    entering = keras3.Input(shape)
    return keras3.Model(entering, layer(entering))


def build(keras3: Any, code: str, **names: Any) -> Any:
    return eval(code, {"L": keras3.layers, "K": keras3, **names})


@pytest.mark.parametrize("code", IMAGE_LAYERS)
def test_a_layer_on_pixels(keras3: Any, agree: Callable[..., Any], code: str) -> None:
    model = agree(model_of(keras3, build(keras3, code)))
    assert {type(layer).__name__ for layer in model.layers} <= CLASSES


@pytest.mark.parametrize("code", SIGNED_LAYERS)
def test_a_layer_on_values_around_zero(keras3: Any, agree: Callable[..., Any], code: str) -> None:
    agree(model_of(keras3, build(keras3, code)), -4, 4)


@pytest.mark.parametrize("code", SEQUENCE_LAYERS)
def test_a_layer_on_sequences(keras3: Any, agree: Callable[..., Any], code: str) -> None:
    model = agree(model_of(keras3, build(keras3, code), (12, 4)), -4, 4)
    assert {type(layer).__name__ for layer in model.layers} <= CLASSES


def test_every_layer_on_the_list_is_tested() -> None:
    tested = " ".join([*IMAGE_LAYERS, *SIGNED_LAYERS, *SEQUENCE_LAYERS, *MERGES])
    elsewhere = {"InputLayer", "Activation", "RepeatVector"}
    assert {name for name in LAYERS - elsewhere if f"L.{name}(" not in tested} == set()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_by_name(keras3: Any, agree: Callable[..., Any], name: str) -> None:
    layers = keras3.layers
    entering = keras3.Input(SHAPE)
    given = layers.Activation(name, name="after")(entering)
    given = layers.Conv2D(4, 1, activation=name, name="within")(given)
    model = agree(keras3.Model(entering, given), -4, 4)
    assert {"after", "within"} <= {layer.name for layer in model.layers}
    assert {type(layer).__name__ for layer in model.layers} <= CLASSES


@pytest.mark.parametrize("code", MERGES)
def test_a_layer_that_merges(keras3: Any, agree: Callable[..., Any], code: str) -> None:
    inputs = [keras3.Input(SHAPE), keras3.Input(SHAPE)]
    agree(keras3.Model(inputs, build(keras3, code)(inputs)), -4, 4)


@pytest.mark.parametrize("code", OPERATIONS)
def test_an_operation(keras3: Any, agree: Callable[..., Any], code: str) -> None:
    inputs = {"x": keras3.Input(SHAPE), "y": keras3.Input(SHAPE)}
    used = [tensor for name, tensor in inputs.items() if re.search(rf"\b{name}\b", code)]
    model = agree(keras3.Model(used, build(keras3, code, **inputs)), -4, 4)
    assert {type(layer).__name__ for layer in model.layers} <= CLASSES


def test_repeat_vector(keras3: Any, agree: Callable[..., Any]) -> None:
    agree(model_of(keras3, keras3.layers.RepeatVector(3), (7,)), -4, 4)


def test_hard_sigmoid_is_that_of_keras_3(keras3: Any, rebuilt: Any, save: Any) -> None:
    """Keras 2 says 0.9 at 2, Keras 3 says 5/6."""
    model = rebuilt(save(model_of(keras3, keras3.layers.Activation("hard_sigmoid"), (1,))))
    values = np.asarray(model(np.array([[-3.0], [0.0], [2.0], [3.0]], np.float32)))
    np.testing.assert_allclose(values[:, 0], [0, 0.5, 5 / 6, 1], atol=1e-6)


def test_an_adapted_normalization(keras3: Any, agree: Callable[..., Any]) -> None:
    layer = keras3.layers.Normalization()
    layer.adapt(np.random.default_rng(0).uniform(0, 255, (50, *SHAPE)).astype(np.float32))
    agree(model_of(keras3, layer))
