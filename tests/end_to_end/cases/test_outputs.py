"""Handed models of several outputs and of maps: converted, quantized and compared by numbers."""

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import SHARED

import edgecv
from edgecv.core.comparison import OutputDifference
from edgecv.core.data import Images
from edgecv.core.errors import InputError
from edgecv.core.report import Report

CASES = SHARED / "cases"
pytestmark = pytest.mark.skipif(
    not CASES.is_dir(), reason=f"needs {CASES}, which is not part of the project"
)
TWO, UNET = CASES / "two_outputs.keras", CASES / "unet.keras"
IMAGES = np.load(CASES / "digits32.npz")["x_test"] if CASES.is_dir() else np.zeros(0)
NAMES = ["cls", "box"]


PROGRAM = """
import sys, numpy, keras
model = keras.saving.load_model(sys.argv[1], safe_mode=True)
found = model(numpy.load(sys.argv[2]).astype("float32"), training=False)
numpy.savez(sys.argv[3], *map(numpy.asarray, found))
"""


def keras_answers(model: Path, images: Images, folder: Path) -> list[np.ndarray]:
    """What Keras 3 itself says, in a process of its own."""
    source, target = folder / "x.npy", folder / "y.npz"
    np.save(source, images)
    subprocess.run(
        [sys.executable, "-c", PROGRAM, str(model), str(source), str(target)],
        check=True, env={"PATH": "/usr/bin:/bin", "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
    )  # fmt: skip
    with np.load(target) as file:
        return [file[name] for name in file.files]


def litert_answers(path: Path, images: Images) -> dict[str, np.ndarray]:
    """What the interpreter says by its signature, one image at a time."""
    from ai_edge_litert.interpreter import Interpreter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runner = Interpreter(str(path)).get_signature_runner()
    details = runner.get_output_details()
    found: dict[str, list[np.ndarray]] = {name: [] for name in details}
    for image in images:
        codes = (image[None] ^ 0x80).view(np.int8)  # Each byte minus 128.
        for name, values in runner(image=codes).items():
            scale, zero_point = details[name]["quantization"]
            reals = (values.astype(np.float64) - zero_point) * scale if scale else values
            found[name].append(reals[0])
    return {name: np.stack(each) for name, each in found.items()}


def differences(report: Report, path: str) -> dict[str, OutputDifference]:
    found = {each.artifact.path: each for each in report.comparisons}[path]
    return {each.name: each for each in found.output_differences}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    output = tmp_path_factory.mktemp("two")
    report = edgecv.compress(
        TWO, data=CASES / "digits32.npz", output=output, name="two", min_cosine=0.99
    )
    return report, output / "two"


def test_two_outputs_pass_by_name_in_both_formats(two: tuple[Report, Path]) -> None:
    report, _ = two
    assert report.outcome == "passed"
    assert report.recipe["task"]["task"] == "outputs"
    assert "4, 4 numbers an image, which fit no targets" in " ".join(report.notes)
    for path in ("float32.tflite", "int8.tflite", "float32.onnx", "int8.onnx"):
        found = differences(report, path)
        assert list(found) == NAMES
        assert all(each.shape == (4,) for each in found.values())
        assert all(each.cosine > 0.99 for each in found.values())  # type: ignore[operator]
    assert differences(report, "float32.tflite")["box"].largest < 1e-4


def test_the_differences_are_those_of_a_script_by_hand(
    two: tuple[Report, Path], tmp_path: Path
) -> None:
    report, folder = two
    true = dict(zip(NAMES, keras_answers(TWO, IMAGES, tmp_path), strict=True))
    own = litert_answers(folder / "int8.tflite", IMAGES)
    for name, found in differences(report, "int8.tflite").items():
        errors = np.abs(own[name] - true[name])
        assert found.mean == pytest.approx(errors.mean(), rel=1e-3)
        assert found.largest == pytest.approx(errors.max(), rel=1e-3)
        noise = 10 * np.log10((true[name].astype(np.float64) ** 2).sum() / (errors**2).sum())
        assert found.sqnr_db == pytest.approx(noise, abs=0.05)
        assert errors[found.worst[0]].max() == pytest.approx(errors.max(), rel=1e-3)
        assert found.mean_interval[0] < found.mean < found.mean_interval[1]  # type: ignore[index]


def test_a_run_is_judged_again_and_validated_by_its_task(two: tuple[Report, Path]) -> None:
    _, folder = two
    options: dict[str, Any] = {"data": CASES / "digits32.npz", "output": folder.parent}
    report = edgecv.compress(TWO, **options, name="two", min_cosine=0.99, min_sqnr=80)
    assert report.outcome == "failed"
    failed = [gate for gate in report.gates if gate.outcome == "failed"]
    assert {gate.name for gate in failed} == {"min_sqnr_db"}
    assert {gate.reason for gate in failed} <= set(NAMES)
    validated = edgecv.validate(folder, min_sqnr=20)
    assert validated.outcome == "passed"
    assert list(differences(validated, "int8.onnx")) == NAMES


def test_a_file_of_swapped_heads_is_found(two: tuple[Report, Path], tmp_path: Path) -> None:
    """The heads have one shape, and the file has the names of the model."""
    from edgecv.models.tf import load_tensorflow

    tensorflow, _ = load_tensorflow()
    model = tensorflow.keras.models.load_model(two[1] / "baseline.keras")

    def serve(image: Any) -> dict[str, Any]:
        return dict(zip(reversed(NAMES), model(image), strict=True))

    spec = tensorflow.TensorSpec((1, 32, 32, 3), tensorflow.float32, name="image")
    function = tensorflow.function(serve, input_signature=[spec]).get_concrete_function()
    owner = tensorflow.Module()  # Of the weights: the whole model would be saved layer by layer.
    owner.variables_of_model = model.variables
    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions([function], owner)
    swapped = tmp_path / "swapped.tflite"
    swapped.write_bytes(converter.convert())
    report = edgecv.validate(
        swapped, baseline=two[1] / "float32.tflite", data=CASES / "digits32.npz"
    )
    assert report.outcome == "failed"
    assert "min_cosine" in {gate.name for gate in report.gates if gate.outcome == "failed"}


def test_an_onnx_file_of_two_outputs_is_quantized(two: tuple[Report, Path]) -> None:
    _, folder = two
    report = edgecv.compress(
        folder / "float32.onnx", data=CASES / "digits32.npz", preprocess="0..255",
        output=folder.parent, name="from-onnx", min_sqnr=20,
    )  # fmt: skip
    assert report.outcome == "passed"
    assert list(differences(report, "int8.onnx")) == NAMES


def test_a_map_is_compared_pixel_by_pixel_and_proven_by_a_limit(tmp_path: Path) -> None:
    options: dict[str, Any] = {"data": CASES / "digits32.npz", "output": tmp_path, "name": "unet"}
    report = edgecv.compress(UNET, **options)
    assert report.outcome == "inconclusive"
    reasons = [gate.reason for gate in report.gates if gate.outcome == "inconclusive"]
    assert len(reasons) == 2
    assert all("Nothing says how much they may differ" in each for each in reasons)
    (found,) = differences(report, "int8.tflite").values()
    assert found.shape == (32, 32, 1)
    assert edgecv.compress(UNET, **options, min_cosine=0.98).outcome == "passed"


def test_a_technique_needs_targets(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"outputs.*compares numbers without targets"):
        edgecv.compress(TWO, data=CASES / "digits32.npz", output=tmp_path, prune=0.5)
