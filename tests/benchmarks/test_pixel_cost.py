"""What a rescaling by channel costs in a file: `pytest -m benchmark -s`, ratios in one run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgecv
from edgecv.formats.onnx import exporter as onnx
from edgecv.formats.tflite import exporter as tflite
from edgecv.models.tf import load_tensorflow

pytestmark = pytest.mark.benchmark
SIDE = 64


def network() -> Any:
    """Return a small network behind a normalization as that of ImageNet."""
    _, keras = load_tensorflow()
    keras.utils.set_random_seed(1)
    layers = keras.layers
    return keras.Sequential(
        [
            layers.InputLayer((SIDE, SIDE, 3)),
            layers.Normalization(mean=[123.7, 116.3, 103.5], variance=[3410.0, 3263.0, 3292.0]),
            layers.Conv2D(16, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, activation="softmax"),
        ]
    )


def test_one_convolution_against_a_product_and_a_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = network()
    images = np.random.default_rng(0).integers(0, 256, (50, SIDE, SIDE, 3), dtype=np.uint8)
    written: list[tuple[Path, Path]] = []
    for exporter in (tflite.TFLite, onnx.Onnx):
        for precision in ("float32", "int8"):
            paths = [tmp_path / f"{kind}-{precision}.{exporter.format}" for kind in ("two", "one")]
            with monkeypatch.context() as patched:
                for module in (tflite, onnx):
                    patched.setattr(module, "with_pixel_kernel", lambda given: given)
                exporter(precision=precision).export(model, images, paths[0])
            exporter(precision=precision).export(model, images, paths[1])
            written.append((paths[0], paths[1]))
    for two, one in written:
        found = edgecv.bench([two, one], budget=6)
        with capsys.disabled():
            print(f"\n{one.name}: {found.timings[1].ratio:.2f} times the time of {two.name}")
