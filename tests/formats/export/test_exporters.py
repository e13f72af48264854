"""What holds for every format and precision."""

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from exported_runs import Export, Runtimes

import edgecv
from edgecv.core.errors import InputError, StepError
from edgecv.core.options import parse_options
from edgecv.core.registry import EXPORTERS
from edgecv.system.storage import file_sha256

Network = Callable[[str], Any]
EVERY = [(name, each) for name, cls in EXPORTERS.classes.items() for each in cls.precisions]
CALIBRATED = [("tflite", "int8"), ("tflite", "int16x8"), ("onnx", "int8")]


@pytest.mark.parametrize(("file_format", "precision"), EVERY)
@pytest.mark.parametrize("name", tiny_models.MODELS)
def test_a_file_answers_like_the_model(
    name: str,
    file_format: str,
    precision: str,
    export: Export,
    network: Network,
    runtimes: Runtimes,
) -> None:
    path, artifact = export(name, file_format, precision)
    expected = network(name).predict(tiny_models.images(200, seed=1).astype(np.float32), verbose=0)
    found = runtimes.predict(path).only
    alike = np.mean(found.argmax(axis=1) == expected.argmax(axis=1))
    assert len(np.unique(expected.argmax(axis=1))) > 1, "the test would prove nothing"
    if precision == "float32":
        np.testing.assert_allclose(found, expected, atol=1e-4)
    else:
        # Random features differ less between images than trained ones, so rounding weighs more.
        assert alike >= 0.88
        assert np.abs(found - expected).mean() < 0.05
    assert artifact.path == path.name
    assert artifact.bytes == path.stat().st_size
    assert artifact.sha256 == file_sha256(path)
    assert (artifact.format, artifact.precision) == (file_format, precision)


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    here, before = tmp_path / "here", tmp_path / "before"
    here.mkdir()
    before.mkdir()
    # Something else first, so that the counters of the libraries stand elsewhere than in a new
    # process.
    for file_format in EXPORTERS.classes:
        _export(file_format, "float32", tiny_models.plain(), before)
    expected = tiny_models.hashes(here)
    done = subprocess.run(
        [sys.executable, tiny_models.__file__, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(edgecv.__file__).parents[1])},
    )
    assert dict(line.split() for line in done.stdout.splitlines()) == expected


@pytest.mark.parametrize(("file_format", "precision"), EVERY)
def test_weights_that_are_no_numbers_are_refused(
    file_format: str, precision: str, tmp_path: Path
) -> None:
    model = tiny_models.plain()
    kernel, bias = model.get_layer("conv_2").get_weights()
    kernel[0, 0, 0, :2] = np.nan, np.inf
    model.get_layer("conv_2").set_weights([kernel, bias])
    with pytest.raises(StepError, match=r'layer "conv_2": 2 of 1,152 numbers .* are NaN'):
        _export(file_format, precision, model, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("file_format", "precision"), CALIBRATED)
def test_calibration_without_images_is_refused(
    file_format: str, precision: str, network: Network, tmp_path: Path
) -> None:
    exporter = EXPORTERS.get(file_format, "test")(precision=precision)
    path = tmp_path / f"model.{file_format}"
    with pytest.raises(StepError, match="no images to find the ranges"):
        exporter.export(network("plain"), tiny_models.images(0), path)
    with pytest.raises(StepError, match=r"calibration images are uint8 \[5, 8, 8, 3\]"):
        exporter.export(network("plain"), tiny_models.images(5, shape=(8, 8, 3)), path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("file_format", "precision"), CALIBRATED)
def test_a_byte_is_a_pixel_however_dark_the_calibration_images(
    file_format: str, precision: str, network: Network, runtimes: Runtimes, tmp_path: Path
) -> None:
    path = tmp_path / f"model.{file_format}"
    dim = (tiny_models.images(20) // 4 + 30).astype(np.uint8)
    EXPORTERS.get(file_format, "test")(precision=precision).export(network("plain"), dim, path)
    facts = runtimes.open(path).input
    if precision == "int16x8":
        assert (facts.type, facts.zero_point) == ("int16", 0)
        assert facts.scale == pytest.approx(255 / 32767)
    else:
        usual = ("int8", 1.0, -128) if file_format == "tflite" else ("uint8", 1.0, 0)
        assert (facts.type, facts.scale, facts.zero_point) == usual


@pytest.mark.parametrize("file_format", EXPORTERS.classes)
def test_the_model_of_the_caller_is_left_alone(file_format: str, tmp_path: Path) -> None:
    model = tiny_models.plain()
    before, configuration = model.get_weights(), model.to_json()
    _export(file_format, "int8", model, tmp_path)
    for weight, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, other)
    assert model.to_json() == configuration


@pytest.mark.parametrize(("file_format", "precision"), EVERY)
def test_nothing_is_printed_or_warned_of(
    file_format: str,
    precision: str,
    network: Network,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _export(file_format, precision, network("modern"), tmp_path)
    assert capsys.readouterr() == ("", "")
    assert not caplog.records


@pytest.mark.parametrize("file_format", EXPORTERS.classes)
def test_a_model_that_is_not_one_image_in_is_refused(file_format: str, tmp_path: Path) -> None:
    from edgecv.models.tf import load_tensorflow

    _, keras = load_tensorflow()
    layers = keras.layers
    left, right = layers.Input((8, 8, 3)), layers.Input((8, 8, 3))
    both = layers.Flatten()(layers.Add()([left, right]))
    with pytest.raises(StepError, match="the model has 2 inputs"):
        _export(file_format, "float32", keras.Model([left, right], both), tmp_path)
    open_ended = layers.Input((None, None, 3))
    pooled = layers.GlobalAveragePooling2D()(open_ended)
    with pytest.raises(StepError, match="fixed height, width and channels"):
        _export(file_format, "float32", keras.Model(open_ended, pooled), tmp_path)


def test_an_unknown_precision_is_refused_with_who_can_what() -> None:
    with pytest.raises(InputError) as caught:
        parse_options(EXPORTERS.get("onnx", "test"), {"precision": "float16"}, "export[1]")
    assert str(caught.value) == (
        "export[1]: \"precision\" is 'float16'; accepted: onnx files can be float32, int8, mixed;"
        " tflite files can be float32, float16, dynamic, int8, int16x8, mixed"
    )
    with pytest.raises(InputError, match="tflite files can be float32, float16"):
        parse_options(EXPORTERS.get("tflite", "test"), {"precision": "int4"}, "export[1]")


@pytest.fixture(scope="module")
def trained_with_quantization() -> Any:
    from edgecv.models.tf import load_tensorflow

    _, keras = load_tensorflow()
    from tensorflow_model_optimization.quantization.keras import (
        quantize_annotate_layer,
        quantize_apply,
        quantize_scope,
    )

    def annotate(layer: Any) -> Any:
        return layer if layer.name == "rescale" else quantize_annotate_layer(layer)

    source = tiny_models.plain()
    annotated = keras.models.clone_model(source, clone_function=annotate)
    annotated.set_weights(source.get_weights())
    with quantize_scope():
        model = quantize_apply(annotated)
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    pixels = tiny_models.images(256).astype(np.float32)
    model.fit(pixels, np.zeros(256), epochs=3, batch_size=8, verbose=0)
    return model


@pytest.mark.parametrize("file_format", EXPORTERS.classes)
def test_a_model_trained_with_quantization_is_an_int8_file_and_no_other(
    file_format: str, trained_with_quantization: Any, runtimes: Runtimes, tmp_path: Path
) -> None:
    model = trained_with_quantization
    path = _export(file_format, "int8", model, tmp_path)
    expected = model.predict(tiny_models.images(200, seed=1).astype(np.float32), verbose=0)
    alike = np.mean(runtimes.predict(path).only.argmax(axis=1) == expected.argmax(axis=1))
    assert alike >= 0.9
    with pytest.raises(StepError, match=r"it quantizes in .*exported as int8"):
        _export(file_format, "float32", model, tmp_path)


def _export(file_format: str, precision: str, model: Any, folder: Path) -> Path:
    path = folder / f"{precision}.{file_format}"
    exporter = EXPORTERS.get(file_format, "test")(precision=precision)
    exporter.export(model, tiny_models.images(30), path)
    return path
