"""An export whose weights are not the model's is refused; what converters fold in is not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.core.errors import StepError
from edgecv.core.plugins import Exporter
from edgecv.core.registry import EXPORTERS
from edgecv.formats.kernel_layout import StoredKernel
from edgecv.formats.onnx.exporter import Onnx
from edgecv.formats.tflite.check import kernels_in
from edgecv.formats.tflite.exporter import TFLite
from edgecv.formats.weights_check import prove_weights
from edgecv.models.tf import load_tensorflow

SHAPE = (12, 12, 3)


@pytest.fixture(scope="module")
def network() -> Any:
    """Return a convolution of each kind, with batch normalizations that stretch and turn."""
    from edgecv.models.tf import load_tensorflow

    _, keras = load_tensorflow()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.InputLayer(SHAPE),
            layers.Rescaling(1 / 128, -1.0),
            layers.Conv2D(8, 3, activation="relu"),
            layers.DepthwiseConv2D(3, name="deep"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(16, 1, use_bias=False, name="point"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(4, name="logits"),
            layers.Softmax(),
        ]
    )
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights(
                [random.normal(1, 0.5, each.shape) ** 2 for each in layer.get_weights()]
            )
            layer.gamma.assign(random.normal(0, 1, layer.gamma.shape))
    return model


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize("file_format", ["tflite", "onnx"])
def test_what_is_folded_into_weights_is_no_fault(
    network: Any, file_format: str, precision: str, tmp_path: Path
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, *SHAPE), dtype=np.uint8)
    path = tmp_path / f"{precision}.{file_format}"
    EXPORTERS.get(file_format, "test")(precision=precision).export(network, images, path)
    assert path.is_file()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_other_weights_are_refused_by_name(network: Any, number: int, tmp_path: Path) -> None:
    path = tmp_path / "float32.tflite"
    EXPORTERS.get("tflite", "test")(precision="float32").export(
        network, np.zeros((0, *SHAPE), np.uint8), path
    )
    kernels = kernels_in(path.read_bytes(), "file")
    name = ("deep", "point", "logits")[number - 1]
    shuffled = np.random.default_rng(0).permutation(kernels[number].weights)
    kernels[number] = StoredKernel(shuffled)
    with pytest.raises(StepError, match=rf"other weights than the model has.*{name}"):
        prove_weights(network, kernels, "tflite", "file")


@pytest.mark.parametrize("exporter", [TFLite, Onnx])
def test_a_separable_convolution_beside_a_depthwise_one_of_its_size(
    exporter: type[Exporter], tmp_path: Path
) -> None:
    """Their kernels have one size, and a converter may turn that of the separable one."""
    _, keras = load_tensorflow()
    layers = keras.layers
    entering = layers.Input((12, 12, 16))
    given = layers.DepthwiseConv2D(3, padding="same", activation="relu")(entering)
    given = layers.SeparableConv2D(16, 3, padding="same", activation="relu")(given)
    given = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(given))
    images = np.random.default_rng(0).integers(0, 256, (8, 12, 12, 16), dtype=np.uint8)
    path = tmp_path / f"model.{exporter.format}"
    made = exporter(precision="float32").export(keras.Model(entering, given), images, path)
    assert len(made.layers) == 4
