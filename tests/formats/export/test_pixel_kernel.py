"""A rescaling of pixels that differs by channel is one convolution, where it stays in a file.

A product and a sum by channel took LiteRT and ONNX Runtime longer than the network behind them.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from exported_runs import Runtimes

from edgecv.core.preprocessing import NAMED
from edgecv.formats.onnx.exporter import Onnx
from edgecv.formats.tflite.exporter import TFLite
from edgecv.formats.tflite.tables import TFLiteTables
from edgecv.models.declared_pixels import with_pixel_kernel
from edgecv.models.preprocessing import LAYER, with_preprocessing
from edgecv.models.tf import keras
from edgecv.techniques.layer_selection import chosen

MEAN, VARIANCE = [125.0, 122.0, 90.0], [3800.0, 3700.0, 4400.0]
SCALES, MEANS = [1 / 60, 1 / 61, 1 / 62], [-2.0, -1.0, -1.5]


def behind(*layers_of_pixels: Any, padding: str = "same") -> Any:
    layers = keras.layers
    keras.utils.set_random_seed(3)
    return tiny_models.with_weights(
        keras.Sequential(
            [
                layers.InputLayer(tiny_models.SHAPE),
                *layers_of_pixels,
                layers.Conv2D(8, 3, padding=padding, activation="relu", name="first"),
                layers.Flatten(),
                layers.Dense(tiny_models.CLASSES, activation="softmax"),
            ]
        )
    )


def normalized(padding: str = "same") -> Any:
    layer = keras.layers.Normalization(mean=MEAN, variance=VARIANCE, name="normalize")
    return behind(keras.layers.Rescaling(1.0), layer, padding=padding)


MODELS = {
    "normalization": normalized,
    "rescaling": lambda: behind(keras.layers.Rescaling(SCALES, MEANS, name="normalize")),
    "two": lambda: behind(
        keras.layers.Rescaling(1 / 255), keras.layers.Rescaling([4.0, 5.0, 6.0], MEANS, name="n")
    ),
}


@pytest.mark.parametrize("kind", MODELS)
def test_the_convolution_is_the_same_function(kind: str) -> None:
    model, pixels = MODELS[kind](), tiny_models.images(20).astype(np.float32)
    before = [each.copy() for each in model.get_weights()]
    found = with_pixel_kernel(model)
    kinds = [type(each).__name__ for each in found.layers]
    assert kinds.count("DepthwiseConv2D") == 1
    np.testing.assert_allclose(found(pixels), model(pixels), atol=1e-5)
    for old, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


@pytest.mark.parametrize(
    "model",
    [
        lambda: normalized("valid"),  # Folded into the first convolution.
        lambda: behind(keras.layers.Rescaling(1 / 127.5, -1.0)),
        lambda: behind(keras.layers.Rescaling([1 / 100, 1 / 50, 1 / 25], [-1.0, -2.0, -4.0])),
        lambda: behind(),
    ],
    ids=["valid", "one number", "declared", "none"],
)
def test_what_costs_nothing_in_a_file_stays(model: Any) -> None:
    made = model()
    assert with_pixel_kernel(made) is made


@pytest.mark.parametrize("kind", ["normalization", "two"])
def test_files_of_both_formats_have_it(kind: str, tmp_path: Path, runtimes: Runtimes) -> None:
    import onnx

    model, images = MODELS[kind](), tiny_models.images(200, seed=1)
    expected = model.predict(images.astype(np.float32), verbose=0)
    for exporter in (TFLite, Onnx):
        for precision in ("float32", "int8"):
            path = tmp_path / f"{precision}.{exporter.format}"
            artifact = exporter(precision=precision).export(model, tiny_models.images(50), path)
            answers = runtimes.predict(path).only
            assert np.mean(answers.argmax(axis=1) == expected.argmax(axis=1)) > 0.93
            assert len(artifact.layers) == 3
            if exporter is TFLite:
                tables = TFLiteTables(path.read_bytes(), str(path))
                kinds = {each.kind for each in tables.operators}
                assert not kinds & {"MUL", "ADD", "SUB", "DIV"}
            else:
                kinds = [each.op_type for each in onnx.load(path).graph.node]
                assert not {*kinds} & {"Mul", "Sub", "Div"}
                assert kinds.count("Add") <= 1  # The bias of the dense layer.


@pytest.mark.parametrize("name", ["imagenet", "caffe"])
def test_no_technique_changes_the_convolution_of_a_choice(name: str) -> None:
    """At 80% zeros a channel of the image was gone."""
    model, _ = with_preprocessing(behind(), NAMED[name], "test")
    assert model.get_layer(LAYER).count_params() > 0
    assert list(chosen(model, (), {}, "test")) == ["first", model.layers[-1].name]
