"""Spectrograms and windows of sensors: from arrays of numbers to judged files of both formats."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgecv
from edgecv.analysis.doctor.text import to_text
from edgecv.analysis.options import DoctorOptions, doctor
from edgecv.core.errors import InputError
from edgecv.models.tf import keras, tensorflow

SHAPES = {"spectrograms": (49, 10, 1), "windows": (64, 9)}
CLASSES = 3


def samples(shape: tuple[int, ...], count: int, seed: int) -> tuple[Any, Any]:
    """Return noise in which one of three columns is larger, and which."""
    random = np.random.default_rng(seed)
    classes = np.arange(count) % CLASSES
    numbers = random.normal(0, 1, (count, *shape)).astype(np.float32)
    rows = numbers if len(shape) == 2 else numbers[..., 0]
    rows[np.arange(count), :, 3 * classes] += 1.5
    return numbers, classes


@pytest.fixture(
    scope="module", params=["windows", pytest.param("spectrograms", marks=pytest.mark.slow)]
)
def folder(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the arrays, a network that tells the column, and its run."""
    shape, home = SHAPES[request.param], tmp_path_factory.mktemp(request.param)
    (x_train, y_train), (x_test, y_test) = (samples(shape, n, n) for n in (240, 120))
    np.savez(home / "x.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    layers = keras.layers
    given = keras.Input(shape)
    rows = given if len(shape) == 2 else layers.Reshape(shape[:2])(given)
    mixed = layers.Conv1D(CLASSES, 1, activation="relu", name="columns")(rows)
    output = layers.Softmax()(layers.Dense(CLASSES)(layers.GlobalAveragePooling1D()(mixed)))
    model = keras.Model(given, output)
    kernel = np.zeros((1, shape[1], CLASSES))
    kernel[0, [0, 3, 6], [0, 1, 2]] = 1
    model.get_layer("columns").set_weights([kernel, np.zeros(CLASSES)])
    model.layers[-2].set_weights([4 * np.eye(CLASSES), np.zeros(CLASSES)])
    model.save(home / "model.keras")
    converter = tensorflow.lite.TFLiteConverter.from_keras_model(model)
    (home / "float.tflite").write_bytes(converter.convert())
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([each[None]] for each in x_train[:50])
    converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tensorflow.int8
    (home / "int8.tflite").write_bytes(converter.convert())
    edgecv.compress(
        home / "model.keras", data=home / "x.npz", quantize="int8", name="run", output=home,
        max_drop=5.0,
    )  # fmt: skip
    return home


def test_both_formats_are_compressed_and_judged_again(folder: Path) -> None:
    accepted = edgecv.gate(folder / "run", against=folder / "a.lock", update=True)
    report = accepted.report
    assert accepted.update == "written"
    assert report.outcome == "passed", report.gates
    assert {each.artifact.path for each in report.comparisons} >= {"int8.tflite", "int8.onnx"}
    assert min(each.value or 0 for each in report.comparisons) > 0.95
    text = (folder / "run" / "report.md").read_text()
    assert "every model gets 256 levels of them" in text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["float.tflite", "int8.tflite", "run/float32.tflite"])
def test_files_of_other_tools_get_the_numbers(folder: Path, name: str) -> None:
    path = folder / f"copy of {name.replace('/', ' ')}"
    path.write_bytes((folder / name).read_bytes())
    alone = edgecv.validate(path, data=folder / "x.npz")
    assert (alone.comparisons[0].value or 0) > 0.95
    beside = edgecv.validate(path, data=folder / "x.npz", baseline=folder / "model.keras")
    assert (beside.comparisons[0].agreement or 0) > 0.98
    found = doctor(
        DoctorOptions(path=path, data=str(folder / "x.npz"), baseline=folder / "model.keras")
    )
    assert not [each for each in found.findings if each.severity == "error"], to_text(found)
    assert found.layers


def test_they_are_timed_and_take_no_preprocessing(folder: Path) -> None:
    timed = edgecv.bench([folder / "int8.tflite", folder / "float.tflite"], budget=1.0)
    assert len(timed.timings) == 2
    alone = edgecv.validate(folder / "int8.tflite", data=folder / "x.npz")
    assert (alone.comparisons[0].value or 0) > 0.95
    with pytest.raises(InputError, match=r"x\.npz holds the numbers that the model takes"):
        edgecv.validate(folder / "float.tflite", data=folder / "x.npz", preprocess="0..1")
