"""Whole models of Keras 3: graphs, nesting, sharing, names, and what comes of them afterwards."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.formats.keras.importer import load_with_parity
from edgecv.models.channels.trace import trace
from edgecv.models.tf import keras_bytes

SHAPE = (16, 16, 3)
Agree = Callable[..., Any]


def cnn(keras3: Any) -> Any:
    layers = keras3.layers
    return keras3.Sequential(
        [
            layers.Input(SHAPE),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(8, 3, activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(5, activation="softmax"),
        ]
    )


def resnet(keras3: Any) -> Any:
    layers = keras3.layers

    def block(given: Any, filters: int, strides: int) -> Any:
        path = layers.Conv2D(filters, 3, strides, "same", use_bias=False)(given)
        path = layers.ReLU()(layers.BatchNormalization()(path))
        path = layers.BatchNormalization()(layers.Conv2D(filters, 3, padding="same")(path))
        if strides > 1:
            given = layers.Conv2D(filters, 1, strides)(given)
        return layers.Activation("relu")(layers.Add()([path, given]))

    entering = keras3.Input(SHAPE)
    given = layers.Conv2D(8, 3, padding="same")(layers.Rescaling(1 / 127.5, -1)(entering))
    given = block(block(given, 8, 1), 12, 2)
    given = layers.GlobalAveragePooling2D()(given)
    return keras3.Model(entering, layers.Dense(4, activation="softmax")(given))


def mobilenet(keras3: Any) -> Any:
    layers = keras3.layers

    def block(given: Any, filters: int, strides: int) -> Any:
        path = layers.Conv2D(3 * given.shape[-1], 1, use_bias=False)(given)
        path = layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.999, epsilon=1e-3)(path))
        if strides == 2:
            path = layers.ZeroPadding2D(((0, 1), (0, 1)))(path)
        padding = "valid" if strides == 2 else "same"
        path = layers.DepthwiseConv2D(3, strides, padding, use_bias=False)(path)
        path = layers.ReLU(6.0)(layers.BatchNormalization()(path))
        path = layers.BatchNormalization()(layers.Conv2D(filters, 1, use_bias=False)(path))
        return layers.Add()([given, path]) if strides == 1 else path

    entering = keras3.Input(SHAPE)
    given = layers.Conv2D(4, 3, 2, "same", activation="relu6")(entering / 127.5 - 1)
    given = block(block(given, 4, 1), 6, 2)
    given = keras3.ops.mean(given, axis=(1, 2))
    return keras3.Model(entering, layers.Dense(3, activation="softmax")(given))


def efficientnet(keras3: Any) -> Any:
    layers = keras3.layers

    def block(given: Any) -> Any:
        path = layers.Conv2D(12, 1, use_bias=False)(given)
        path = layers.Activation("swish")(layers.BatchNormalization()(path))
        path = layers.DepthwiseConv2D(5, padding="same", use_bias=False)(path)
        path = layers.Activation("hard_swish")(layers.BatchNormalization()(path))
        gate = layers.Reshape((1, 1, 12))(layers.GlobalAveragePooling2D()(path))
        gate = layers.Conv2D(3, 1, activation="swish")(gate)
        gate = layers.Conv2D(12, 1, activation="hard_sigmoid")(gate)
        path = layers.Conv2D(4, 1)(layers.multiply([path, gate]))
        return layers.add([layers.Dropout(0.2, noise_shape=(None, 1, 1, 1))(path), given])

    entering = keras3.Input(SHAPE)
    given = layers.Normalization(mean=[0.4, 0.5, 0.6], variance=[0.1, 0.2, 0.3])(
        layers.Rescaling(1 / 255)(entering)
    )
    given = block(layers.Conv2D(4, 3, 2, "same", activation="gelu")(given))
    given = layers.GlobalMaxPooling2D()(given)
    return keras3.Model(entering, layers.Dense(3, activation="softmax")(given))


def nested(keras3: Any) -> Any:
    layers = keras3.layers
    augmentation = keras3.Sequential(
        [layers.RandomFlip(), layers.RandomRotation(0.1), layers.RandomContrast(0.2)],
        name="augmentation",
    )
    inner = keras3.Sequential(
        [layers.Input((8, 8, 4)), layers.Conv2D(4, 3, padding="same"), layers.ReLU()], name="inner"
    )
    entering = keras3.Input((8, 8, 4))
    features = keras3.Model(
        entering, layers.Add()([inner(entering), layers.Conv2D(4, 1)(entering)]), name="features"
    )
    return keras3.Sequential(
        [
            layers.Input(SHAPE),
            augmentation,
            layers.Conv2D(4, 2, 2, name="stem"),
            features,
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ],
        name="whole",
    )


FAMILIES = {
    "cnn": cnn,
    "resnet": resnet,
    "mobilenet": mobilenet,
    "efficientnet": efficientnet,
    "nested": nested,
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_of_networks(keras3: Any, agree: Agree, tmp_path: Path, name: str) -> None:
    model = agree(FAMILIES[name](keras3))
    graph = trace(model)
    assert graph.layers

    # What is left is a model of tf-keras like any other.
    path = tmp_path / "again.keras"
    path.write_bytes(keras_bytes(model))
    again, parity = load_with_parity(path)
    assert parity is None
    images = np.random.default_rng(3).uniform(0, 255, (4, *SHAPE)).astype(np.float32)
    expected = np.asarray(model(images, training=False))
    np.testing.assert_array_equal(np.asarray(again(images, training=False)), expected)
    assert [layer.name for layer in model.layers] == [layer.name for layer in again.layers]


def test_layers_keep_their_names(keras3: Any, agree: Agree) -> None:
    model = agree(nested(keras3))
    assert model.name == "whole"
    inner = model.get_layer("features").get_layer("inner")
    assert [type(layer).__name__ for layer in inner.layers] == ["InputLayer", "Conv2D", "ReLU"]
    assert model.get_layer("stem").filters == 4
    assert [layer.name for layer in model.layers][1:4] == ["augmentation", "stem", "features"]


def test_a_layer_called_several_times(keras3: Any, agree: Agree) -> None:
    layers = keras3.layers
    entering = keras3.Input(SHAPE)
    shared = layers.Conv2D(3, 3, padding="same", activation="hard_silu", name="shared")
    sub = keras3.Sequential([layers.Input(SHAPE), layers.Conv2D(3, 1)], name="sub")
    first = shared(entering)
    given = layers.Concatenate()([shared(first), first, sub(entering), sub(first)])
    model = agree(keras3.Model(entering, given), -1, 1)
    assert sum(type(layer).__name__ == "Conv2D" for layer in model.layers) == 1


def test_a_functional_model_called_twice_whose_second_output_leaves(
    keras3: Any, agree: Agree
) -> None:
    entering = keras3.Input(SHAPE)
    sub = keras3.Model(entering, keras3.layers.Conv2D(3, 1)(entering), name="sub")
    outer = keras3.Input(SHAPE)
    agree(keras3.Model(outer, sub(sub(outer))), -1, 1)


def test_several_inputs_and_tensors_of_several_outputs(keras3: Any, agree: Agree) -> None:
    layers = keras3.layers
    entering = keras3.Input(SHAPE)
    two = keras3.Model(
        entering, [layers.Conv2D(3, 1)(entering), layers.Conv2D(3, 3, padding="same")(entering)]
    )
    inputs = [keras3.Input(SHAPE), keras3.Input(SHAPE)]
    first, second = two(inputs[0])
    agree(keras3.Model(inputs, layers.Average()([second, inputs[1], first])), -1, 1)


def test_calls_out_of_the_order_of_the_layers(keras3: Any, agree: Agree) -> None:
    """A(B(A(B(x)))): no order of the layers is that of the calls."""
    layers = keras3.layers
    entering = keras3.Input(SHAPE)
    one = layers.Conv2D(3, 3, padding="same")
    other = layers.Conv2D(3, 1, activation="tanh")
    agree(keras3.Model(entering, one(other(one(other(entering))))), -1, 1)


def test_transfer_learning(keras3: Any, agree: Agree) -> None:
    """A frozen base, called in inference mode, in a new model."""
    layers = keras3.layers
    base = resnet(keras3)
    base.trainable = False
    entering = keras3.Input(SHAPE)
    given = layers.Dense(2, activation="softmax")(base(entering, training=False))
    model = agree(keras3.Model(entering, given))
    assert len(model.trainable_weights) == 2


def test_a_compiled_model(keras3: Any, agree: Agree) -> None:
    """Its file holds an optimizer and metrics as well; they are no part of the model."""
    model = cnn(keras3)
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    model.optimizer.build(model.trainable_variables)
    agree(model)


def test_a_sequential_model_without_an_input_layer(keras3: Any, agree: Agree) -> None:
    model = keras3.Sequential([keras3.layers.Conv2D(2, 3), keras3.layers.Flatten()])
    model(np.zeros((1, *SHAPE), np.float32))
    agree(model, -1, 1)


def test_a_file_of_an_earlier_keras_3(
    keras3: Any, save: Callable[[Any], Path], edited: Any
) -> None:
    """One output was a list of one, RandomRotation had a range: Keras refuses both since."""
    layers = keras3.layers
    entering = keras3.Input(SHAPE)
    base = keras3.Model(entering, layers.Conv2D(2, 3)(layers.RandomRotation(0.1)(entering)))
    path = save(keras3.Sequential([base, layers.Flatten(), layers.Dense(2)]))

    def as_before(config: dict[str, Any]) -> None:
        inner = next(x for x in config["config"]["layers"] if x["class_name"] == "Functional")
        inner["config"]["output_layers"] = [inner["config"]["output_layers"]]
        for layer in inner["config"]["layers"]:
            if layer["class_name"] == "RandomRotation":
                layer["config"]["value_range"] = [0, 255]

    _, parity = load_with_parity(edited(path, as_before))
    assert parity is not None
    assert parity.layers == 4


def test_names_that_tensorflow_does_not_take(keras3: Any, agree: Agree) -> None:
    layers = keras3.layers
    entering = keras3.Input(SHAPE, name="the image")
    given = layers.Conv2D(2, 1, name="my conv")(entering)
    given = layers.Conv2D(2, 1, name="my_conv")(given)
    model = agree(keras3.Model(entering, layers.ReLU(name="_é")(given)), -1, 1)
    assert [layer.name for layer in model.layers] == [
        "the_image",
        "my_conv",
        "my_conv_1",
        "layer__",
    ]


def test_a_model_of_mixed_precision_becomes_float32(
    keras3: Any, save: Callable[[Any], Path]
) -> None:
    layers = keras3.layers
    model = keras3.Sequential(
        [
            layers.Input(SHAPE),
            layers.Conv2D(4, 3, dtype="mixed_float16"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax", dtype="float32"),
        ]
    )
    loaded, parity = load_with_parity(save(model))
    assert parity is not None
    assert parity.policies == ("mixed_float16",)
    assert parity.largest_difference < 1e-5
    assert all(layer.dtype == "float32" for layer in loaded.layers)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_pixels_may_enter_as_bytes(keras3: Any, rebuilt: Any, save: Any, dtype: str) -> None:
    layers = keras3.layers
    entering = keras3.Input(SHAPE, dtype=dtype)
    original = keras3.Model(entering, layers.Conv2D(2, 3)(layers.Rescaling(1 / 255)(entering)))
    model = rebuilt(save(original))
    pixels = np.random.default_rng(0).integers(0, 256, (2, *SHAPE), np.uint8)
    expected = np.asarray(original(pixels))
    np.testing.assert_allclose(np.asarray(model(pixels.astype(np.float32))), expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    """MobileNet MobileNetV2 MobileNetV3Small EfficientNetB0 EfficientNetV2B0 DenseNet121 ResNet50V2
    """.split(),
)
def test_a_network_of_keras_applications(
    keras3: Any, save: Callable[[Any], Path], name: str
) -> None:
    original = getattr(keras3.applications, name)(weights=None, input_shape=(96, 96, 3))
    model, parity = load_with_parity(save(original))
    assert parity is not None
    assert parity.largest_difference < 1e-4
    assert parity.largest_layer_difference < 1e-4
    assert parity.layers > 0.9 * len(original.layers)
    assert model.count_params() == original.count_params()
