"""Each kind of Keras 3 network through every technique and both formats: `pytest -m slow`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgecv
from edgecv.datasets.digits import Digits
from edgecv.models.tf import load_tensorflow

SHAPE = (16, 16, 3)
CLASSES = 10


def convolution(layers: Any, given: Any, filters: int, **options: Any) -> Any:
    given = layers.Conv2D(filters, 3, padding="same", use_bias=False, **options)(given)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.8)(given))


def sequential(keras3: Any, given: Any) -> Any:
    layers = keras3.layers
    for filters in (16, 24):
        given = layers.Conv2D(filters, 3, activation="relu")(given)
    return layers.Dropout(0.2)(layers.Flatten()(layers.MaxPooling2D()(given)))


def resnet(keras3: Any, given: Any) -> Any:
    layers = keras3.layers
    given = convolution(layers, given, 16)
    for filters, strides in ((16, 1), (32, 2)):
        path = convolution(layers, given, filters, strides=strides)
        path = layers.Conv2D(filters, 3, padding="same")(path)
        path = layers.BatchNormalization(momentum=0.8)(path)
        short = layers.Conv2D(filters, 1, strides)(given)
        given = layers.ReLU()(layers.Add()([path, short]))
    return layers.GlobalAveragePooling2D()(given)


def mobilenet_v2(keras3: Any, given: Any) -> Any:
    layers = keras3.layers

    def narrow(tensor: Any) -> Any:
        return layers.ReLU(6.0)(layers.BatchNormalization(momentum=0.8)(tensor))

    given = convolution(layers, given, 16, strides=2)
    for filters, strides in ((16, 1), (24, 2), (24, 1)):
        path = narrow(layers.Conv2D(3 * given.shape[-1], 1, use_bias=False)(given))
        path = narrow(layers.DepthwiseConv2D(3, strides, "same", use_bias=False)(path))
        path = layers.Conv2D(filters, 1, use_bias=False)(path)
        path = layers.BatchNormalization(momentum=0.8)(path)
        is_same = strides == 1 and given.shape[-1] == filters
        given = layers.Add()([given, path]) if is_same else path
    return layers.GlobalAveragePooling2D()(given)


def efficientnet(keras3: Any, given: Any) -> Any:
    layers = keras3.layers
    given = layers.Activation("swish")(convolution(layers, given, 16, strides=2))
    path = layers.Conv2D(32, 1, use_bias=False)(given)
    path = layers.Activation("swish")(layers.BatchNormalization(momentum=0.8)(path))
    path = layers.DepthwiseConv2D(5, padding="same", use_bias=False)(path)
    path = layers.Activation("swish")(layers.BatchNormalization(momentum=0.8)(path))
    gate = layers.Reshape((1, 1, 32))(layers.GlobalAveragePooling2D()(path))
    gate = layers.Conv2D(8, 1, activation="swish")(gate)
    gate = layers.Conv2D(32, 1, activation="sigmoid")(gate)
    path = layers.Conv2D(16, 1)(layers.Multiply()([path, gate]))
    return layers.GlobalAveragePooling2D()(layers.Add()([path, given]))


def nested(keras3: Any, given: Any) -> Any:
    layers = keras3.layers
    augmentation = keras3.Sequential(
        [layers.RandomTranslation(0.05, 0.05), layers.RandomContrast(0.1)], name="augmentation"
    )
    entering = keras3.Input((16, 16, 16))
    inner = keras3.Sequential(
        [layers.Input((16, 16, 16)), layers.Conv2D(16, 3, padding="same"), layers.ReLU()],
        name="inner",
    )
    features = keras3.Model(
        entering, layers.Add()([inner(entering), layers.Conv2D(16, 1)(entering)]), name="features"
    )
    given = convolution(layers, augmentation(given), 16)
    return layers.GlobalAveragePooling2D()(convolution(layers, features(given), 32, strides=2))


FAMILIES = {
    each.__name__: each for each in (sequential, resnet, mobilenet_v2, efficientnet, nested)
}
TECHNIQUES: dict[str, dict[str, Any]] = {
    "none": {},
    "prune": {"prune": 0.5},
    "cluster": {"cluster": 16},
    "qat": {"qat": True},
    "shrink": {"shrink": 0.6},
}


@pytest.fixture(scope="module")
def keras3() -> Any:
    load_tensorflow()
    import keras

    return keras


@pytest.fixture(scope="module")
def trained(keras3: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a file of each family, trained for a moment on digits in Keras 3."""
    data = Digits().load(SHAPE, 0, lambda done, total: None)
    folder = tmp_path_factory.mktemp("families")
    paths = {}
    for name, build in FAMILIES.items():
        keras3.utils.set_random_seed(1)
        image = keras3.Input(SHAPE)
        given = build(keras3, keras3.layers.Rescaling(1 / 127.5, -1)(image))
        model = keras3.Model(image, keras3.layers.Dense(CLASSES, activation="softmax")(given))
        model.compile(keras3.optimizers.Adam(0.004), "sparse_categorical_crossentropy")
        images = data.train.images[:].astype(np.float32)
        model.fit(images, data.train.labels, batch_size=64, epochs=20, verbose=0)
        paths[name] = folder / f"{name}.keras"
        model.save(paths[name])
    return paths


@pytest.mark.slow
@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_goes_through(
    family: str,
    technique: str,
    trained: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    report = edgecv.compress(
        trained[family],
        data="digits",
        output=tmp_path_factory.getbasetemp() / "runs",
        name=f"{family}-{technique}",
        **TECHNIQUES[technique],
    )
    assert report.outcome == "passed"
    assert any("rebuilt from Keras 3" in note for note in report.notes)
    assert report.baseline is not None
    assert report.baseline.value is not None
    candidates = [each for each in report.comparisons if not each.is_twin]
    points = {each.artifact.path: each.difference_points for each in candidates}
    print(f"\n{family} {technique}: baseline {report.baseline.value:.1%}, {points}")
    assert len(candidates) == 2
    for each in candidates:
        assert each.difference_points is not None
        assert each.difference_points > -8
