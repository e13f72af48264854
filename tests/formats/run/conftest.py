"""A tiny network, as Keras holds it and as files, and some noise to look at."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lite_converter import lite_converter

from edgecv.core.data import Images
from edgecv.models.tf import load_tensorflow

SHAPE = (8, 8, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (70, *SHAPE), dtype=np.uint8)


@pytest.fixture(scope="session")
def images() -> Images:
    return IMAGES


@pytest.fixture(scope="session")
def model() -> Any:
    """Return a network with a convolution and a dense layer: pixels in, 3 probabilities out."""
    _, keras = load_tensorflow()
    layers = keras.layers
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            layers.Rescaling(1 / 127.5, -1.0, input_shape=SHAPE),
            layers.Conv2D(4, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )


@pytest.fixture(scope="session")
def expected(model: Any, images: Images) -> np.ndarray:
    return model(images.astype(np.float32), training=False).numpy()


def to_tflite(model: Any, images: Images, precision: str, pixels: str = "uint8") -> bytes:
    tensorflow, _ = load_tensorflow()
    lite = tensorflow.lite
    converter = lite_converter(model)
    if precision != "float32":
        converter.optimizations = [lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([i[None].astype("float32")] for i in images)
        converter.target_spec.supported_ops = [
            lite.OpsSet.TFLITE_BUILTINS_INT8
            if precision == "int8"
            else lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
        converter.inference_input_type = getattr(tensorflow, pixels)
        converter.inference_output_type = (
            tensorflow.int8 if precision == "int8" else (tensorflow.int16)
        )
    return converter.convert()


@pytest.fixture(scope="session")
def tflite(model: Any, images: Images, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return name -> path of the network, converted each way that edgecv converts."""
    folder = tmp_path_factory.mktemp("tflite")
    made = {
        "float32": to_tflite(model, images, "float32"),
        "int8_of_bytes": to_tflite(model, images, "int8", "uint8"),
        "int8_of_int8": to_tflite(model, images, "int8", "int8"),
        "int16x8": to_tflite(model, images, "int16x8", "int16"),
    }
    for name, content in made.items():
        (folder / f"{name}.tflite").write_bytes(content)
    return {name: folder / f"{name}.tflite" for name in made}
