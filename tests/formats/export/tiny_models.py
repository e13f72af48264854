"""Small networks with fixed random weights. Run as a program, it exports one and prints hashes."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images
from edgecv.core.registry import EXPORTERS
from edgecv.models.tf import load_tensorflow

CLASSES = 4
SHAPE = (16, 16, 3)


def images(count: int, seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> Images:
    """Return images of soft coloured patches, which differ as pictures do: uint8 (N, H, W, C)."""
    random = np.random.default_rng(seed)
    height, width, channels = shape
    coarse = random.uniform(0, 255, (count, 4, 4, channels))
    patches = coarse.repeat(-(-height // 4), axis=1).repeat(-(-width // 4), axis=2)
    noise = random.normal(0, 20, (count, *shape))
    mixed: Images = np.clip(patches[:, :height, :width] + noise, 0, 255).astype(np.uint8)
    return mixed


def plain(shape: tuple[int, int, int] = SHAPE, padding: str = "valid") -> Any:
    """Return a small copy of the CIFAR network."""
    _, keras = load_tensorflow()
    layers = keras.layers
    return with_weights(
        keras.Sequential(
            [
                layers.InputLayer(shape, name="image"),
                layers.Rescaling(1 / 128, offset=-1.0, name="rescale"),
                layers.Conv2D(8, 3, padding=padding, activation="relu", name="conv_1"),
                layers.MaxPooling2D(2, name="pool_1"),
                layers.Conv2D(16, 3, activation="relu", name="conv_2"),
                layers.Flatten(name="flatten"),
                layers.Dense(16, activation="relu", name="dense_1"),
                layers.Dense(CLASSES, name="logits"),
                layers.Softmax(name="probabilities"),
            ],
            name="plain",
        )
    )


def modern() -> Any:
    """Return a network with what later architectures are made of."""
    _, keras = load_tensorflow()
    layers = keras.layers
    image = layers.Input(SHAPE, name="image")
    value = layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")(image)
    value = layers.Conv2D(16, 3, padding="same", use_bias=False, name="conv_1")(value)
    value = layers.BatchNormalization(name="norm_1")(value)
    value = layers.ReLU(6.0, name="relu_1")(value)
    branch = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(value)
    branch = layers.BatchNormalization(name="norm_2")(branch)
    branch = layers.ReLU(6.0, name="relu_2")(branch)
    branch = layers.Conv2D(16, 3, padding="same", name="conv_2")(branch)
    value = layers.Add(name="add")([value, branch])
    value = layers.ReLU(name="relu_3")(value)
    value = layers.Conv2D(24, 3, strides=2, padding="same", name="conv_3")(value)
    value = layers.ReLU(6.0, name="relu_4")(value)
    value = layers.GlobalAveragePooling2D(name="pool")(value)
    value = layers.Dense(CLASSES, activation="softmax", name="probabilities")(value)
    return with_weights(keras.Model(image, value, name="modern"))


def ending_in(layer: Any, *, name: str = "odd") -> Any:
    """Return a network of one convolution, then ``layer``, then classes."""
    _, keras = load_tensorflow()
    layers = keras.layers
    return with_weights(
        keras.Sequential(
            [
                layers.InputLayer(SHAPE, name="image"),
                layers.Conv2D(8, 3, name="conv_1"),
                layer,
                layers.GlobalAveragePooling2D(name="pool"),
                layers.Dense(CLASSES, activation="softmax", name="probabilities"),
            ],
            name=name,
        )
    )


def with_weights(model: Any) -> Any:
    """Give a model random weights that depend on their place only, no bias being zero."""
    random = np.random.default_rng(7)
    for layer in model.layers:
        layer.set_weights([_random(random, weight) for weight in layer.weights])
    _spread_classes(model)
    return model


def _spread_classes(model: Any) -> None:
    """Make all classes occur, and stand as far apart as training would put them.

    Rounding then rarely turns an answer over.
    """
    _, keras = load_tensorflow()
    last = [layer for layer in model.layers if layer.weights][-1]
    if len(last.weights[0].shape) != 2:
        return
    shape = tuple(model.inputs[0].shape[1:])
    pixels = images(100, seed=2, shape=shape).astype(np.float32)
    features = keras.Model(model.inputs, last.input).predict(pixels, verbose=0)
    kernel, _ = last.get_weights()
    kernel = (4 * kernel / (features @ kernel).std(axis=0)).astype(np.float32)
    last.set_weights([kernel, -(features @ kernel).mean(axis=0)])


def _random(random: np.random.Generator, weight: Any) -> NDArray[np.float32]:
    shape, name = tuple(weight.shape), weight.name
    if len(shape) > 1:
        fan_in = np.prod(shape[:2]) if "depthwise" in name else np.prod(shape[:-1])
        return random.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)
    if "gamma" in name or "variance" in name:
        return random.uniform(0.5, 1.5, shape).astype(np.float32)
    return random.normal(0, 0.2, shape).astype(np.float32)


MODELS = {"plain": plain, "modern": modern}


def hashes(folder: Path) -> dict[str, str]:
    """Export the modern network in every format and precision: name -> SHA-256."""
    model, calibration = modern(), images(20)
    found = {}
    for name, cls in EXPORTERS.classes.items():
        for precision in cls.precisions:
            path = folder / f"{precision}.{name}"
            artifact = cls(precision=precision).export(model, calibration, path)
            found[path.name] = artifact.sha256
    return found


if __name__ == "__main__":
    for name, sha256 in hashes(Path(sys.argv[1])).items():
        print(name, sha256)
