"""A small network whose layers have names, its files, and test images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.core.data import Images

SHAPE = (16, 16, 3)


@pytest.fixture(scope="session")
def pixels() -> Images:
    return np.random.default_rng(0).integers(0, 256, (80, *SHAPE), dtype=np.uint8)


@pytest.fixture(scope="session")
def network() -> Any:
    """Return three convolutions and a dense layer, with weights that nobody has trained."""
    from edgecv.models.tf import load_tensorflow

    _, keras = load_tensorflow()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    image = keras.Input(SHAPE)
    tensor = layers.Rescaling(1 / 128, -1.0, name="pixels")(image)
    for name in ("first", "second", "third"):
        tensor = layers.Conv2D(16, 3, activation="relu", name=name)(tensor)
    tensor = layers.Dense(4, name="logits")(layers.Flatten(name="flat")(tensor))
    return keras.Model(image, layers.Softmax(name="probabilities")(tensor))


@pytest.fixture(scope="session")
def files(network: Any, pixels: Images, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with baseline.keras, its files of both formats, and data.npz."""
    from edgecv.core.registry import EXPORTERS

    folder = tmp_path_factory.mktemp("examined")
    network.save(folder / "baseline.keras")
    for kind, precision in (
        ("tflite", "float32"),
        ("tflite", "int8"),
        ("tflite", "dynamic"),
        ("tflite", "int16x8"),
        ("onnx", "float32"),
        ("onnx", "int8"),
    ):
        exporter = EXPORTERS.get(kind, "test")(precision=precision)
        exporter.export(network, pixels, folder / f"{precision}.{kind}")
    labels = np.arange(len(pixels)) % 4
    np.savez(
        folder / "data.npz",
        x_train=pixels[:60], y_train=labels[:60], x_test=pixels[60:], y_test=labels[60:],
    )  # fmt: skip
    return folder
