"""Models that others trained with quantizers, and a batch normalization behind their kernels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exact_products import needs_exact_products
from quantized_models import with_quantizers

from edgecv.core.errors import StepError
from edgecv.formats.onnx.exporter import Onnx
from edgecv.formats.tflite.exporter import TFLite
from edgecv.formats.trained_scales import prove_trained_scales
from edgecv.models.quantizers import trained_kernels, trained_outputs, weight_ranges, wrappers_of
from edgecv.models.tf import load_tensorflow
from edgecv.system.isolation import ModelClient
from edgecv.techniques.quantizers.first_kernels import take_pixels

SIDE, CLASSES = 8, 3


@pytest.fixture(scope="module")
def images() -> Any:
    return np.random.default_rng(5).integers(0, 256, (48, SIDE, SIDE, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def trained(images: Any) -> Any:
    """Return a network that went through tfmot's own quantize_apply and two steps of training."""
    _, keras = load_tensorflow()

    layers, random = keras.layers, np.random.default_rng(6)
    entering = keras.Input((SIDE, SIDE, 3))
    x = layers.Rescaling(1 / 255)(entering)
    for layer in (
        layers.Conv2D(8, 3, padding="same", use_bias=False, name="full"),
        layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise"),
        layers.Conv2D(6, 1, name="point"),
    ):
        x = layers.ReLU(6.0)(layers.BatchNormalization()(layer(x)))
    x = layers.Dense(CLASSES, activation="softmax", name="classes")(layers.Flatten()(x))
    plain = keras.Model(entering, x)
    for layer in plain.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, *others, variance = layer.get_weights()
            gamma = random.uniform(0.3, 2, gamma.shape) * random.choice([-1, 1], gamma.shape)
            layer.set_weights([gamma, *others, random.uniform(0.05, 1, variance.shape)])

    model = with_quantizers(plain)
    model.compile("adam", "sparse_categorical_crossentropy")
    labels = random.integers(0, CLASSES, len(images))
    for _ in range(2):
        model.train_on_batch(images.astype(np.float32), labels)
    take_pixels(model)
    for wrapper in wrappers_of(model):
        for _, limits in weight_ranges(wrapper):
            for each in limits:
                each.assign(each * 1.05)  # weights move on after the step that found their range
    return model


@pytest.mark.parametrize(
    ("kind", "runtime"),
    [
        (TFLite, "litert"),
        pytest.param(Onnx, "onnxruntime", marks=needs_exact_products),
    ],
)
def test_scales_of_each_output_survive_the_fold(
    kind: Any, runtime: str, trained: Any, images: Any, tmp_path: Path
) -> None:
    """TFLite's and ONNX' converters fold the normalization into the integers' scales."""
    path = tmp_path / f"int8.{kind.format}"
    artifact = kind(precision="int8").export(trained, images, path)
    scales = {layer.name: len(layer.scales) for layer in artifact.layers}
    assert scales == {"full": 8, "depthwise": 8, "point": 6, "classes": 1}
    with ModelClient(runtime, 1) as worker:
        found = worker.predict(path, images).only
    expected = trained(images.astype(np.float32), training=False)
    assert np.abs(found - expected).max() < 0.02


def test_a_range_behind_the_normalization_is_that_of_the_kernel(
    trained: Any, images: Any, tmp_path: Path
) -> None:
    outputs = trained_outputs(trained)
    assert {"full", "depthwise", "point"} <= outputs.keys()
    full = trained_kernels(trained)[0]
    assert full.scales.shape == (8,)
    assert full.by_output().shape == (27, 8)
    artifact = TFLite(precision="int8").export(trained, images, tmp_path / "int8.tflite")
    norm = next(each for each in trained.layers if "batch_normalization" in each.name).layer
    norm.gamma.assign(norm.gamma * np.linspace(0.9, 1.1, 8))
    with pytest.raises(StepError, match="full has other scales than it was trained with"):
        prove_trained_scales(trained, artifact.layers, "int8.tflite")
