"""Pixels of other values than a network was trained on: found, named, never silent."""

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import SHARED
from PIL import Image

import edgecv
from edgecv.core.errors import InputError
from edgecv.models.tf import load_tensorflow

CASE = SHARED / "cases" / "pixels_0_to_1.keras"
CLASSES = ("cat", "dog", "ship", "truck")
TRAIN, TEST = 150, 60
SIDE = 12


@pytest.fixture(scope="module")
def four(cifar_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image tree of four classes of CIFAR-10."""
    folder = tmp_path_factory.mktemp("four")
    with zipfile.ZipFile(cifar_zip) as archive:
        for split, most in (("train", TRAIN), ("test", TEST)):
            for name in CLASSES:
                inside = [each for each in archive.namelist() if f"{split}/{name}/" in each]
                target = folder / split / name
                target.mkdir(parents=True)
                for path in [each for each in inside if each.endswith(".jpg")][:most]:
                    (target / Path(path).name).write_bytes(archive.read(path))
    return folder


def network(*first: Any) -> Any:
    """Return a small untrained network of colours behind some layers."""
    _, keras = load_tensorflow()
    keras.utils.set_random_seed(1)
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((SIDE, SIDE, 3)),
            *first,
            layers.Conv2D(8, 3, strides=2, activation="relu", name="conv"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def colours(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy images in three brightnesses, in the order of their classes."""
    random = np.random.default_rng(count)
    labels = np.repeat(np.arange(3), count // 3)
    base = np.array([60, 128, 196])[labels][:, None, None, None]
    noise = random.normal(0, 40, (len(labels), SIDE, SIDE, 3))
    shift = random.normal(0, 22, (len(labels), 1, 1, 1))
    return np.clip(base + noise + shift, 0, 255).astype(np.uint8), labels


@pytest.fixture(scope="module")
def fractions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder: a network trained on x / 255, its TFLite file, and its images."""
    _, keras = load_tensorflow()
    folder = tmp_path_factory.mktemp("fractions")
    images, labels = colours(900)
    model = network()
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    model.fit(images / 255.0, labels, epochs=25, batch_size=64, verbose=0)
    model.save(folder / "model.h5")
    convert(model, folder / "model.tflite")
    kernel, bias = model.get_layer("conv").get_weights()
    for name, factor in (("folded", 1 / 255), ("wrong", 0.8 / 255)):
        model.get_layer("conv").set_weights([kernel * factor, bias])
        convert(model, folder / f"{name}.tflite")
    test, answers = colours(300)
    np.savez(folder / "data.npz", x_train=images, y_train=labels, x_test=test, y_test=answers)
    (folder / "photos").mkdir()
    for number, image in enumerate(test[::5]):
        Image.fromarray(image).save(folder / "photos" / f"{number}.png")
    return folder


def convert_int8(model: Any, calibration: np.ndarray, path: Path) -> None:
    """Write an int8 file as the plain converter does, calibrated with given numbers."""
    tensorflow, _ = load_tensorflow()
    converter = tensorflow.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([each[None]] for each in calibration)
    converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tensorflow.int8
    path.write_bytes(converter.convert())


def test_a_file_that_was_calibrated_with_other_pixels_is_stopped(
    fractions: Path, tmp_path: Path
) -> None:
    """It passed at 26% as its range says, and at 54% as it was trained: on labelled images both."""
    _, keras = load_tensorflow()
    model = keras.models.load_model(fractions / "model.h5")
    images = np.load(fractions / "data.npz")["x_train"][::9].astype(np.float32)
    honest, wrong = tmp_path / "honest.tflite", tmp_path / "wrong.tflite"
    convert_int8(model, images / 255, honest)
    convert_int8(model, images / 127.5 - 1, wrong)
    data = fractions / "data.npz"
    assert edgecv.validate(honest, data=data).outcome == "passed"
    message = r'an input for pixels as -1\.\.1, and scores better .*; give preprocess="0\.\.1"'
    with pytest.raises(InputError, match=message):
        edgecv.validate(wrong, data=data)
    given = {"baseline": fractions / "model.h5", "preprocess": "0..1"}
    report = edgecv.validate(wrong, data=data, **given)
    assert any("which is not the --preprocess that was given" in note for note in report.notes)
    report = edgecv.validate(honest, data=data, **given)
    assert not any("which is not the --preprocess" in note for note in report.notes)


def convert(model: Any, path: Path) -> None:
    tensorflow, _ = load_tensorflow()
    path.write_bytes(tensorflow.lite.TFLiteConverter.from_keras_model(model).convert())


def test_the_handed_case_is_stopped_and_the_right_choice_named(four: Path, tmp_path: Path) -> None:
    if not CASE.exists():
        pytest.skip(f"needs {CASE}, which is not part of the project")
    with pytest.raises(InputError, match=r'6\d\.\d% as 0\.\.1,.*; give preprocess="0\.\.1"$'):
        edgecv.compress(CASE, data=four, formats="tflite", output=tmp_path)


def test_honest_files_pass_and_a_wrong_rescaling_is_named(fractions: Path) -> None:
    """The plain converter's file wants fractions, the folded one pixels: both are honest."""
    files = [fractions / f"{name}.tflite" for name in ("model", "folded", "wrong")]
    options: dict[str, Any] = {"baseline": fractions / "model.h5", "preprocess": "0..1"}
    report = edgecv.validate(files, data=fractions / "data.npz", **options)
    honest, folded, wrong = (gate for gate in report.gates if gate.name == "weights")
    assert (honest.outcome, folded.outcome, wrong.outcome) == ("passed", "passed", "failed")
    assert "its rescaling multiplies pixels by 0.8 times what the twin does" in wrong.reason
    assert [each.agreement for each in report.comparisons][:2] == [1.0, 1.0]
    assert any("--preprocess is part of it" in note for note in report.notes)


@pytest.mark.parametrize("with_baseline", [False, True])
def test_validate_and_doctor_stop_at_wrong_pixels(fractions: Path, with_baseline: bool) -> None:
    given = {"baseline": fractions / "model.h5"} if with_baseline else {}
    message = r'other pixels than 0\.\.255: .*; give preprocess="0\.\.1"$'
    file, data = fractions / "model.tflite", fractions / "data.npz"
    with pytest.raises(InputError, match=message):
        edgecv.validate(file, data=data, **given)
    with pytest.raises(InputError, match=message):
        edgecv.doctor(file, data=data, **given)


@pytest.mark.parametrize(
    "function", [edgecv.compress, edgecv.search, edgecv.validate, edgecv.doctor]
)
def test_a_model_in_memory_is_tried_as_its_file_is(
    function: Any, fractions: Path, tmp_path: Path
) -> None:
    """Its file in the store was taken for one of a run, and a file of wrong pixels passed."""
    _, keras = load_tensorflow()
    model = keras.models.load_model(fractions / "model.h5")
    options: dict[str, Any] = {"data": fractions / "data.npz"}
    if function in (edgecv.validate, edgecv.doctor):
        given, name = fractions / "model.tflite", "baseline"
        options["baseline"] = model
    else:
        given, name = model, "model"
        options |= {"formats": "tflite", "output": tmp_path}
    if function is edgecv.search:
        options |= {"trials": 1, "max_drop": 50}
    message = rf'^{name}: scores better on other pixels .*; give preprocess="0\.\.1"$'
    with pytest.raises(InputError, match=message):
        function(given, **options)


def test_models_in_memory_to_learn_from_are_tried_too(fractions: Path, tmp_path: Path) -> None:
    _, keras = load_tensorflow()
    wrong = keras.models.load_model(fractions / "model.h5")
    right = keras.Sequential([keras.layers.Input((SIDE, SIDE, 3)), keras.layers.Rescaling(1 / 255)])
    for layer in wrong.layers:
        right.add(layer)
    options: dict[str, Any] = {"data": fractions / "data.npz", "epochs": 1, "output": tmp_path}
    with pytest.raises(InputError, match=r"^teacher: scores better on other pixels"):
        edgecv.compress(
            right, teacher=wrong, distil=True, quantize="none", formats="tflite", **options
        )
    with pytest.raises(InputError, match=r"^from_model: rescales no pixels"):
        edgecv.train(from_model=wrong, **options)


def test_a_deployed_file_of_another_maker_is_no_file_of_a_run(
    fractions: Path, tmp_path: Path
) -> None:
    """The folder of a deployment has a manifest too, and the file in it takes what it took."""
    data, bundle = fractions / "data.npz", tmp_path / "bundle"
    edgecv.deploy(fractions / "model.tflite", to="bundle", data=data, preprocess="0..1", out=bundle)
    (file,) = bundle.glob("*.tflite")
    with pytest.raises(InputError, match=r"scores better on other pixels"):
        edgecv.validate(file, data=data)
    assert edgecv.validate(file, data=data, preprocess="0..1").outcome == "passed"


def test_doctor_compares_layers_with_the_baseline_as_it_is_read(fractions: Path) -> None:
    found = edgecv.doctor(
        fractions / "folded.tflite",
        data=fractions / "data.npz",
        baseline=fractions / "model.h5",
        preprocess="0..1",
    )
    assert found.layers
    assert min(each.sqnr_db for each in found.layers) == pytest.approx(40.0)


def test_without_labels_or_evidence_the_flag_is_asked_for(fractions: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"data": fractions / "photos", "output": tmp_path}
    message = r"rescales no pixels.*accepted: .*0\.\.1.*; give the one that it was trained with"
    with pytest.raises(InputError, match=message):
        edgecv.compress(fractions / "model.h5", formats="tflite", **options)
    with pytest.raises(InputError, match=message):
        edgecv.validate(fractions / "model.tflite", data=fractions / "photos")


@pytest.mark.slow
def test_files_of_a_run_need_no_flag(fractions: Path, tmp_path: Path) -> None:
    """The adapted model of a run takes pixels, whatever its own file took."""
    edgecv.compress(
        fractions / "model.h5",
        data=fractions / "photos",
        preprocess="0..1",
        quantize="none",
        output=tmp_path,
        name="run",
    )
    again = edgecv.compress(
        tmp_path / "run" / "baseline.keras",
        data=fractions / "photos",
        quantize="none",
        formats="tflite",
        output=tmp_path,
        name="again",
    )
    assert again.outcome == "passed"
    moved = tmp_path / "moved.onnx"
    shutil.copy(tmp_path / "run" / "float32.onnx", moved)
    report = edgecv.validate(moved, data=fractions / "photos")
    assert report.comparisons[0].artifact.path == str(moved)
