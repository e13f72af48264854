"""The small networks of tf_keras.applications, with random weights: `pytest -m slow`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import edgecv
from edgecv.models.tf import load_tensorflow

SIDE = 64
CLASSES = 5
NETWORKS: dict[str, tuple[str, dict[str, Any], str | None]] = {
    "MobileNet": ("MobileNet", {"alpha": 0.25}, "-1..1"),
    "MobileNetV2": ("MobileNetV2", {"alpha": 0.35}, "-1..1"),
    "MobileNetV3Small": ("MobileNetV3Small", {"alpha": 0.75}, None),
    "MobileNetV3Small minimalistic": ("MobileNetV3Small", {"minimalistic": True}, None),
    "EfficientNetB0": ("EfficientNetB0", {}, None),
    "EfficientNetV2B0": ("EfficientNetV2B0", {}, None),
    "NASNetMobile": ("NASNetMobile", {}, "-1..1"),
    "DenseNet121": ("DenseNet121", {}, "imagenet"),
}
"""Class, options, and what it expects of pixels where its graph does not rescale them."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of smooth random pictures without labels."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for number in range(60):
        small = Image.fromarray(random.integers(0, 256, (5, 5, 3), dtype=np.uint8))
        small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder


def spread(model: Any) -> None:
    """Give normalizations and the last layer numbers of which answers differ."""
    random = np.random.default_rng(3)
    for layer in model.layers:
        if "BatchNormalization" in type(layer).__name__:
            layer.set_weights(
                [
                    weight + random.uniform(-0.1, 0.1, weight.shape).astype(np.float32)
                    for weight in layer.get_weights()
                ]
            )


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_converts_and_validates(name: str, photos: Path, tmp_path: Path) -> None:
    _, keras = load_tensorflow()
    keras.utils.set_random_seed(2)
    kind, options, preprocess = NETWORKS[name]
    model = getattr(keras.applications, kind)(
        input_shape=(SIDE, SIDE, 3), weights=None, classes=CLASSES, **options
    )
    spread(model)
    path = tmp_path / "model.h5"
    model.save(path)
    report = edgecv.compress(
        path, data=photos, preprocess=preprocess, output=tmp_path / "exported", name="network"
    )
    assert report.outcome == "passed"
    assert len(report.comparisons) == 4
    again = edgecv.validate(tmp_path / "exported" / "network")
    assert again.outcome == "passed"
    for each in again.comparisons:
        print(f"{name} {each.artifact.path}: agreement {each.agreement:.1%}")
