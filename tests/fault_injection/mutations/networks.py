"""Small networks of kinds that people bring: residual, depthwise, with gates; two by Keras alone.

``residual`` is trained by ``edgecv.train``; the others by ``fit``, as their makers would.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from good_files import Good, make_good

from edgecv.core.data import Dataset

SIDE = 32
KINDS = ("residual", "depthwise", "gates")


def digits() -> Dataset:
    from edgecv.datasets.resolve import resolve

    return resolve("digits").load((SIDE, SIDE, 3), 0, lambda done, total: None)


def make(kind: str, folder: Path, epochs: int) -> Good:
    """Return a trained network of a kind with its files."""
    folder.mkdir(parents=True, exist_ok=True)
    data = digits()
    path = folder / "model.keras"
    model = _by_edgecv(folder, epochs) if kind == "residual" else _by_keras(kind, data, epochs)
    model.save(path)
    return make_good(model, data, "digits", folder, path)


def _by_edgecv(folder: Path, epochs: int) -> Any:
    from edgecv.formats.keras.importer import load
    from edgecv.pipeline.recipe.from_flags import CompressOptions
    from edgecv.pipeline.run import train
    from edgecv.system.storage import Store

    recipe = CompressOptions(architecture="resnet8", data="digits", epochs=epochs).to_recipe()
    train(recipe, Store(folder / "exported"))
    (found,) = (folder / "exported" / "baselines").glob("*/model.keras")
    return load(found)


def _by_keras(kind: str, data: Dataset, epochs: int) -> Any:
    from edgecv.models.tf import load_tensorflow

    _, keras = load_tensorflow()
    keras.utils.set_random_seed(1)
    model = NETWORKS[kind](keras)
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(data.train.images[:], data.train.labels, 32, epochs, verbose=0)
    return model


def depthwise(keras: Any) -> Any:
    """Return blocks of a depthwise and a pointwise convolution, as in MobileNet.

    Each colour has its own mean, as in most trained networks.
    """
    layers = keras.layers
    image = keras.Input((SIDE, SIDE, 3))
    tensor = layers.Rescaling([0.0171, 0.0175, 0.0174], [-2.118, -2.036, -1.804])(image)
    tensor = _normalized(layers, layers.Conv2D(8, 3, 2, "same", use_bias=False)(tensor), "relu6")
    for filters, stride in ((16, 1), (32, 2), (32, 1), (32, 1)):
        inner = layers.DepthwiseConv2D(3, stride, "same", use_bias=False)(tensor)
        inner = _normalized(layers, inner, "relu6")
        inner = layers.Conv2D(filters, 1, use_bias=False)(inner)
        tensor = _normalized(layers, inner, "relu6")
    tensor = layers.Dropout(0.1)(layers.GlobalAveragePooling2D()(tensor))
    return keras.Model(image, layers.Dense(10, "softmax")(tensor))


def gates(keras: Any) -> Any:
    """Return inverted residual blocks with squeeze-excite and hard swish, as in MobileNetV3."""
    layers = keras.layers
    image = keras.Input((SIDE, SIDE, 3))
    tensor = layers.Rescaling(1 / 127.5, -1.0)(image)
    tensor = layers.Conv2D(16, 3, 2, "same", use_bias=False)(tensor)
    tensor = _hard_swish(keras, layers.BatchNormalization(momentum=0.9)(tensor))
    for number in range(3):
        inner = _normalized(layers, layers.Conv2D(32, 1, use_bias=False)(tensor), "relu")
        inner = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(inner)
        inner = _hard_swish(keras, layers.BatchNormalization(momentum=0.9)(inner))
        weight = layers.GlobalAveragePooling2D(keepdims=True)(inner)
        weight = layers.Conv2D(8, 1, activation="relu")(weight)
        weight = layers.Conv2D(32, 1)(weight)
        weight = layers.ReLU(6.0)(layers.Rescaling(1.0, 3.0)(weight))
        inner = layers.Multiply()([inner, layers.Rescaling(1 / 6)(weight)])
        inner = layers.BatchNormalization(momentum=0.9)(layers.Conv2D(16, 1, use_bias=False)(inner))
        tensor = layers.Add()([tensor, inner]) if number else inner
    tensor = layers.Flatten()(layers.MaxPooling2D(4)(tensor))
    tensor = _hard_swish(keras, layers.Dense(32)(tensor))
    return keras.Model(image, layers.Dense(10, "softmax")(tensor))


def _normalized(layers: Any, tensor: Any, activation: str) -> Any:
    tensor = layers.BatchNormalization(momentum=0.9)(tensor)
    return layers.ReLU(6.0)(tensor) if activation == "relu6" else layers.ReLU()(tensor)


def _hard_swish(keras: Any, tensor: Any) -> Any:
    layers = keras.layers
    gate = layers.ReLU(6.0)(layers.Rescaling(1.0, 3.0)(tensor))
    return layers.Multiply()([tensor, layers.Rescaling(1 / 6)(gate)])


NETWORKS: dict[str, Callable[[Any], Any]] = {"depthwise": depthwise, "gates": gates}


def accuracy(model: Any, data: Dataset) -> float:
    answers = model.predict(data.test.images[:], verbose=0).argmax(axis=1)
    return float(np.mean(answers == data.test.labels))
