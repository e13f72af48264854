"""--kernels: answers of the kernels of a device, never those of other kernels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.analysis.options import ValidateOptions, validate
from edgecv.core.errors import InputError
from edgecv.core.registry import EXPORTERS
from edgecv.pipeline.measure import MeasurementPool
from edgecv.pipeline.prediction_cache import SharedPredictionCache
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.recipe import parse_recipe
from edgecv.system.isolation import ModelClient

SHAPE = (8, 8, 3)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an int8 file whose kernels differ, and images."""
    from edgecv.models.tf import load_tensorflow

    _, keras = load_tensorflow()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    image = keras.Input(SHAPE)
    tensor: Any = layers.Rescaling(1 / 128, -1.0)(image)
    for _ in range(2):
        tensor = layers.Conv2D(16, 3, activation="relu")(tensor)
    model = keras.Model(image, layers.Dense(4, "softmax")(layers.Flatten()(tensor)))
    folder = tmp_path_factory.mktemp("kernels")
    images = np.random.default_rng(0).integers(0, 256, (60, *SHAPE), np.uint8)
    EXPORTERS.get("tflite", "test")(precision="int8").export(model, images, folder / "int8.tflite")
    EXPORTERS.get("onnx", "test")(precision="float32").export(model, images, folder / "a.onnx")
    np.savez(
        folder / "data.npz", x_train=images[:20], y_train=np.arange(20) % 4,
        x_test=images[20:], y_test=np.arange(40) % 4,
    )  # fmt: skip
    return folder


def test_a_report_says_the_kernels_that_answered(files: Path) -> None:
    given = {"paths": (files / "int8.tflite",), "data": str(files / "data.npz")}
    report = validate(ValidateOptions(**given, kernels="builtin"))
    assert report.recipe["kernels"] == "builtin"
    assert any("those of LiteRT's builtin kernels" in note for note in report.notes)
    usual = validate(ValidateOptions(**given))
    assert "kernels" not in usual.recipe
    assert not any("kernels" in note for note in usual.notes)


def test_answers_of_other_kernels_are_not_reused(files: Path, tmp_path: Path) -> None:
    path, runtime = files / "int8.tflite", "litert"
    with np.load(files / "data.npz") as arrays:
        images = arrays["x_test"]
    found = {}
    for kernels in ("xnnpack", "builtin"):
        cache = SharedPredictionCache(tmp_path)
        with MeasurementPool(1, prediction_cache=cache, kernels=kernels) as pool:
            found[kernels] = pool.predict(runtime, path, images).only
        with ModelClient(runtime, 1, options={"kernels": kernels}) as worker:
            assert np.array_equal(found[kernels], worker.predict(path, images).only)
    assert not np.array_equal(found["xnnpack"], found["builtin"])


def test_kernels_of_no_tflite_file_are_refused(files: Path) -> None:
    options = ValidateOptions(
        paths=(files / "a.onnx",), data=str(files / "data.npz"), kernels="builtin"
    )
    with pytest.raises(InputError, match=r"--kernels: is of \.tflite files"):
        validate(options)


def test_unknown_kernels_are_refused(files: Path) -> None:
    options = ValidateOptions(
        paths=(files / "int8.tflite",), data=str(files / "data.npz"), kernels="neon"
    )
    with pytest.raises(InputError, match="--kernels"):
        validate(options)
    with pytest.raises(InputError, match="--kernels"):
        CompressOptions(data="digits", kernels="neon").to_recipe()


def test_a_recipe_keeps_the_kernels() -> None:
    recipe = CompressOptions(data="digits", kernels="builtin").to_recipe()
    assert parse_recipe(recipe.table(), "here").settings.kernels == "builtin"
    assert "kernels" not in CompressOptions(data="digits").to_recipe().table()
