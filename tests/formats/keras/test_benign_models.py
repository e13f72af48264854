"""Models as people have them: none is refused, and each gives what it gave before it was saved."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.core.errors import InputError
from edgecv.formats.keras.importer import load
from edgecv.models.tf import load_tensorflow

SHAPE = (32, 32, 3)
ONE_LAYER = {
    "Conv2D": {"filters": 4, "kernel_size": 3, "kernel_regularizer": "l2"},
    "Conv2DTranspose": {"filters": 4, "kernel_size": 3, "strides": 2},
    "DepthwiseConv2D": {"kernel_size": 3, "depthwise_initializer": "he_normal"},
    "SeparableConv2D": {"filters": 4, "kernel_size": 3, "pointwise_constraint": "non_neg"},
    "BatchNormalization": {"momentum": 0.9},
    "LayerNormalization": {},
    "GroupNormalization": {"groups": 3},
    "UnitNormalization": {},
    "Normalization": {"mean": [1.0, 2.0, 3.0], "variance": [1.0, 2.0, 3.0]},
    "Rescaling": {"scale": 1 / 127.5, "offset": -1},
    "Resizing": {"height": 16, "width": 16},
    "CenterCrop": {"height": 16, "width": 16},
    "ZeroPadding2D": {"padding": ((0, 1), (0, 1))},
    "Cropping2D": {"cropping": 2},
    "UpSampling2D": {"size": 2, "interpolation": "bilinear"},
    "MaxPooling2D": {},
    "AveragePooling2D": {"pool_size": 3, "padding": "same"},
    "ReLU": {"max_value": 6.0},
    "LeakyReLU": {"alpha": 0.2},
    "PReLU": {"shared_axes": [1, 2]},
    "ELU": {},
    "ThresholdedReLU": {"theta": 0.5},
    "Softmax": {},
    "Activation": {"activation": "swish"},
    "Permute": {"dims": (2, 1, 3)},
    "Dropout": {"rate": 0.5},
    "SpatialDropout2D": {"rate": 0.5},
    "GaussianNoise": {"stddev": 0.5},
    "ActivityRegularization": {"l2": 0.1},
    "RandomFlip": {},
    "RandomRotation": {"factor": 0.1},
    "RandomZoom": {"height_factor": 0.1},
    "RandomContrast": {"factor": 0.1},
    "RandomBrightness": {"factor": 0.1},
}
Graph = Callable[[Any, Any, Any], Any]
"""TensorFlow, tf-keras and an image in, a tensor out."""


def merged(kind: str) -> Graph:
    def act(tensorflow: Any, keras: Any, image: Any) -> Any:
        both = [keras.layers.Conv2D(4, 3)(image), keras.layers.Conv2D(4, 3)(image)]
        return getattr(keras.layers, kind)()(both)

    return act


def squeeze_and_excite(tensorflow: Any, keras: Any, image: Any) -> Any:
    given = keras.layers.Conv2D(8, 3)(image)
    gate = keras.layers.Reshape((1, 1, 8))(keras.layers.GlobalAveragePooling2D()(given))
    return given * keras.layers.Conv2D(8, 1, activation="sigmoid")(gate)


def hard_swish(tensorflow: Any, keras: Any, image: Any) -> Any:
    given = keras.layers.Conv2D(8, 3)(image)
    return given * tensorflow.nn.relu6(given + 3.0) / 6.0


def sliced(tensorflow: Any, keras: Any, image: Any) -> Any:
    return tensorflow.concat([image[:, 1:, ::2], image[:, :-1, 1::2]], axis=-1)


def called(name: str, *arguments: Any) -> Graph:
    def act(tensorflow: Any, keras: Any, image: Any) -> Any:
        function = tensorflow
        for part in name.split("."):
            function = getattr(function, part)
        return function(image, *arguments)

    return act


def nested(tensorflow: Any, keras: Any, image: Any) -> Any:
    """A backbone that was frozen and called with ``training=False``, as transfer learning does."""
    inner = keras.Sequential([keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization()])
    inner.trainable = False
    return inner(image, training=False)


def compiled_within(tensorflow: Any, keras: Any, image: Any) -> Any:
    entering = keras.layers.Input(SHAPE)
    inner = keras.Model(entering, keras.layers.Conv2D(4, 3)(entering))
    inner.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True), ["accuracy"])
    return inner(image)


def shared(tensorflow: Any, keras: Any, image: Any) -> Any:
    layer = keras.layers.Conv2D(3, 3, padding="same")
    return layer(layer(image))


def initialized(tensorflow: Any, keras: Any, image: Any) -> Any:
    """An initializer of TensorFlow's own, as EfficientNetV2 of tf_keras.applications has."""
    start = tensorflow.initializers.VarianceScaling(mode="fan_out")
    return keras.layers.Conv2D(4, 3, kernel_initializer=start)(image)


Recurrent = Callable[[Any, Any], Any]
"""Layers of tf-keras and the rows of an image in, a vector an image out."""


def over_rows(layer: Recurrent) -> Graph:
    """A recurrent layer over the rows of an image, as an image to pool."""

    def act(tensorflow: Any, keras: Any, image: Any) -> Any:
        layers = keras.layers
        given = layer(layers, layers.Reshape((32, 96))(image))
        return layers.Reshape((1, 1, given.shape[-1]))(given)

    return act


def coded_and_decoded(layers: Any, rows: Any) -> Any:
    """A recurrent layer that begins with the state of another one."""
    coded, *state = layers.LSTM(4, return_state=True)(rows)
    return layers.LSTM(4)(layers.RepeatVector(3)(coded), initial_state=state)


def within_time(layers: Any, rows: Any) -> Any:
    return layers.GRU(4)(layers.TimeDistributed(layers.Dense(5, activation="relu"))(rows))


def bidirectional(layers: Any, rows: Any) -> Any:
    other = layers.GRU(4, go_backwards=True)
    return layers.Bidirectional(layers.LSTM(4), backward_layer=other)(rows)


def convolutional(kind: str, steps: tuple[int, ...], size: int | tuple[int, int]) -> Graph:
    def act(tensorflow: Any, keras: Any, image: Any) -> Any:
        given = getattr(keras.layers, kind)(2, size)(keras.layers.Reshape(steps)(image))
        return keras.layers.Reshape((1, -1, 2))(given)

    return act


RECURRENT: dict[str, Recurrent] = {
    "LSTM": lambda layers, rows: layers.LSTM(4, dropout=0.2, kernel_regularizer="l2")(rows),
    "LSTM, unrolled": lambda layers, rows: layers.LSTM(4, unroll=True)(rows),
    "GRU": lambda layers, rows: layers.GRU(4, reset_after=False, go_backwards=True)(rows),
    "SimpleRNN": lambda layers, rows: layers.SimpleRNN(4, activation="relu")(rows),
    "RNN": lambda layers, rows: layers.RNN(layers.LSTMCell(4))(rows),
    "RNN of some cells": lambda layers, rows: layers.RNN(
        [layers.GRUCell(4), layers.SimpleRNNCell(3)]
    )(rows),
    "Bidirectional": lambda layers, rows: layers.Bidirectional(layers.LSTM(4))(rows),
    "Bidirectional of two": bidirectional,
    "TimeDistributed": within_time,
    "with a state": coded_and_decoded,
}
GRAPHS: dict[str, Graph] = {
    **{kind: over_rows(layer) for kind, layer in RECURRENT.items()},
    "ConvLSTM1D": convolutional("ConvLSTM1D", (4, 256, 3), 3),
    "ConvLSTM2D": convolutional("ConvLSTM2D", (4, 16, 16, 3), 3),
    **{kind: merged(kind) for kind in ("Add", "Multiply", "Average", "Maximum", "Concatenate")},
    "squeeze and excite": squeeze_and_excite,
    "hard swish": hard_swish,
    "slices": sliced,
    "nested": nested,
    "compiled within": compiled_within,
    "shared": shared,
    "initializer of TensorFlow": initialized,
    "relu": called("nn.relu"),
    "clip": called("clip_by_value", 0.0, 1.0),
    "mean": called("reduce_mean", (1, 2), True),
    "resize": called("image.resize", (16, 16)),
    "reshape": called("reshape", (-1, 32, 96, 1)),
}


def classifier(features: Graph) -> Any:
    tensorflow, keras = load_tensorflow()
    image = keras.layers.Input(SHAPE)
    given = keras.layers.GlobalAveragePooling2D()(features(tensorflow, keras, image))
    return keras.Model(image, keras.layers.Dense(3, activation="softmax")(given))


def of_one_layer(kind: str, options: dict[str, Any]) -> Any:
    return classifier(lambda _, keras, image: getattr(keras.layers, kind)(**options)(image))


def check_comes_back(model: Any, path: Path) -> None:
    images = np.random.default_rng(0).uniform(0, 255, (2, *SHAPE)).astype(np.float32)
    expected = np.asarray(model(images, training=False))
    model.save(path)
    np.testing.assert_allclose(np.asarray(load(path)(images, training=False)), expected, atol=1e-6)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("kind", ONE_LAYER)
def test_a_layer_of_each_kind(kind: str, suffix: str, tmp_path: Path) -> None:
    check_comes_back(of_one_layer(kind, ONE_LAYER[kind]), tmp_path / f"model{suffix}")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("kind", GRAPHS)
def test_a_graph_of_each_kind(kind: str, suffix: str, tmp_path: Path) -> None:
    check_comes_back(classifier(GRAPHS[kind]), tmp_path / f"model{suffix}")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("is_within", [True, False])
def test_a_state_that_lasts_is_refused(is_within: bool, suffix: str, tmp_path: Path) -> None:
    """The answer for an image would depend on the images before it."""
    _, keras = load_tensorflow()
    layers = keras.layers
    image = layers.Input(SHAPE, batch_size=1)
    layer = layers.LSTM(4, stateful=True, name="memory")
    layer = layers.Bidirectional(layer) if is_within else layer
    given = layers.Dense(3)(layer(layers.Reshape((32, 96))(image)))
    path = tmp_path / f"model{suffix}"
    keras.Model(image, given).save(path)
    with pytest.raises(InputError, match=r"memory.* keeps its state from one image to the next"):
        load(path)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_compiled_and_trained_model(suffix: str, tmp_path: Path) -> None:
    model = classifier(GRAPHS["Add"])
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(np.zeros((2, *SHAPE)), np.zeros(2), verbose=0)
    check_comes_back(model, tmp_path / f"model{suffix}")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("kind", ["pruned", "pruned at once", "clustered"])
def test_wrappers_of_training_are_taken_off(kind: str, suffix: str, tmp_path: Path) -> None:
    """As tensorflow-model-optimization leaves a model that was not stripped."""
    import tensorflow_model_optimization as tfmot

    pruning, clustering = tfmot.sparsity.keras, tfmot.clustering.keras
    model = classifier(GRAPHS["Add"])
    centroids = clustering.CentroidInitialization.KMEANS_PLUS_PLUS
    wrapped = {
        "pruned": lambda: pruning.prune_low_magnitude(
            model, pruning_schedule=pruning.PolynomialDecay(0.0, 0.5, 0, 10)
        ),
        "pruned at once": lambda: pruning.prune_low_magnitude(
            model, pruning_schedule=pruning.ConstantSparsity(0.5, 0)
        ),
        "clustered": lambda: clustering.cluster_weights(
            model, number_of_clusters=4, cluster_centroids_init=centroids
        ),
    }[kind]()
    strip = pruning.strip_pruning if "pruned" in kind else clustering.strip_clustering
    path = tmp_path / f"model{suffix}"
    wrapped.save(path)
    found, expected = load(path), strip(wrapped)
    assert [type(each).__name__ for each in found.layers] == [
        type(each).__name__ for each in expected.layers
    ]
    for one, other in zip(found.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_model_with_quantizers(tmp_path: Path) -> None:
    from tensorflow_model_optimization.quantization.keras import quantize_model

    _, keras = load_tensorflow()
    layers = keras.layers
    plain = keras.Sequential(
        [
            layers.Input(SHAPE),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.DepthwiseConv2D(3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    check_comes_back(quantize_model(plain), tmp_path / "model.h5")


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(
    "name",
    [
        "MobileNet",
        "MobileNetV2",
        "MobileNetV3Small",
        "MobileNetV3Large",
        "EfficientNetB0",
        "EfficientNetV2B0",
        "ResNet50",
        "ResNet50V2",
        "DenseNet121",
        "NASNetMobile",
    ],
)
def test_the_families_of_keras(name: str, suffix: str, tmp_path: Path) -> None:
    _, keras = load_tensorflow()
    model = getattr(keras.applications, name)(input_shape=SHAPE, weights=None, classes=3)
    check_comes_back(model, tmp_path / f"model{suffix}")


def test_operations_that_split_and_multiply_tensors_are_loaded(tmp_path: Path) -> None:
    """As attention is written with plain functions of TensorFlow."""
    tensorflow, keras = load_tensorflow()
    image = keras.Input(SHAPE)
    given = keras.layers.Reshape((64, 6))(keras.layers.Conv2D(6, 4, 4)(image))
    one, other = tensorflow.split(given, 2, axis=-1)
    scores = tensorflow.nn.softmax(tensorflow.linalg.matmul(one, other, transpose_b=True))
    mixed = tensorflow.roll(tensorflow.linalg.matmul(scores, other), 1, axis=1)
    model = keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(mixed)))
    model.save(tmp_path / "model.h5")
    pixels = np.random.default_rng(0).random((4, *SHAPE), np.float32)
    loaded = load(tmp_path / "model.h5")
    np.testing.assert_allclose(loaded.predict(pixels), model.predict(pixels), atol=1e-6)
