"""Answers of one file for image files."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from paths import SHARED
from PIL import Image

from edgecv.analysis.options import PredictOptions
from edgecv.analysis.predict import Prediction, predict
from edgecv.core.errors import InputError
from edgecv.core.report import Report
from edgecv.datasets.resolve import resolve
from edgecv.pipeline.context import open_analysis
from edgecv.pipeline.recipe.run_settings import RunSettings

DETECTION = SHARED / "cases/detection_four_outputs.tflite"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return an image of each digit, twice as large as the network takes it."""
    folder = tmp_path_factory.mktemp("photos")
    test = resolve("digits").load((32, 32, 3), 0, lambda done, total: None).test
    paths = []
    for label in range(10):
        image = Image.fromarray(test.images[np.flatnonzero(test.labels == label)[0]])
        paths.append(folder / f"{label}.png")
        image.resize((64, 64), Image.Resampling.NEAREST).save(paths[-1])
    return paths


def answers(file: Path, images: list[Path], **options: object) -> list[Prediction | Exception]:
    asked = PredictOptions(file=file, images=tuple(images), **options)  # type: ignore[arg-type]
    with open_analysis(RunSettings(name="predict")) as context:
        found = predict(asked, context)
    assert [path for path, _ in found] == list(map(str, images))
    return [each for _, each in found]


@pytest.mark.parametrize("name", ["int8.tflite", "float32.onnx"])
def test_a_file_of_a_run_knows_its_names(
    output: Path, main_report: Report, photos: list[Path], name: str
) -> None:
    found = answers(output / "main" / name, photos)
    right = 0
    for label, each in enumerate(found):
        assert isinstance(each, Prediction)
        (values,) = each.outputs.values()
        assert each.answer.startswith(f"{np.argmax(values)} ")  # type: ignore[arg-type]
        assert each.answer.count("%") == 5
        right += each.answer.startswith(f"{label} ")
    assert right >= 8


def test_a_file_of_a_run_takes_photographs_as_the_images_of_the_run(
    output: Path, main_report: Report, photos: list[Path], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(output / "main", run)
    report = json.loads((run / "report.json").read_text("utf-8"))
    report["recipe"]["data"]["resize"] = "crop"
    (run / "report.json").write_text(json.dumps(report))
    wide = tmp_path / "wide.png"
    Image.open(photos[0]).resize((192, 64)).save(wide)
    kept, cropped, stretched = (
        answers(run / "int8.onnx", [wide], **each)
        for each in ({}, {"resize": "crop"}, {"resize": "stretch"})
    )
    assert kept == cropped != stretched
    with pytest.raises(InputError, match="records how its own are read"):
        answers(run / "int8.onnx", [wide], preprocess="0..1")


def test_a_lone_file_takes_names_and_shows_what_it_lacks(
    output: Path, main_report: Report, photos: list[Path], tmp_path: Path
) -> None:
    file = tmp_path / "lone.tflite"
    file.write_bytes((output / "main" / "int8.tflite").read_bytes())
    (tmp_path / "report.json").write_text('{"of": "another program"}')
    labels = tmp_path / "names.txt"
    labels.write_text("".join(f"digit {number}\n" for number in range(10)))
    (found,) = answers(file, photos[:1], labels=labels)
    assert isinstance(found, Prediction)
    assert found.answer.startswith("digit ")
    (tmp_path / "labels.txt").write_text("a\nb\n")
    with pytest.raises(InputError, match="has 2 names, the file gives 10 numbers"):
        answers(file, photos[:1])


def test_numbers_that_are_no_classes_are_shown_as_numbers(
    output: Path, main_report: Report, photos: list[Path], tmp_path: Path
) -> None:
    file = tmp_path / "lone.tflite"
    file.write_bytes((output / "main" / "int8.tflite").read_bytes())
    (found,) = answers(file, photos[:1], task="outputs")
    assert isinstance(found, Prediction)
    assert "[10]: 0 to " in found.answer


def test_a_bad_image_hinders_no_other(
    output: Path, main_report: Report, photos: list[Path], tmp_path: Path
) -> None:
    bad, missing = tmp_path / "bad.png", tmp_path / "none.png"
    bad.write_bytes(b"not an image")
    file = output / "main" / "int8.tflite"
    first, second, third = answers(file, [bad, photos[0], missing])
    assert "not a PNG" in str(first)
    assert isinstance(second, Prediction)
    assert "No such file" in str(third)


def test_on_the_command_line(output: Path, main_report: Report, photos: list[Path]) -> None:
    arguments = ["predict", str(output / "main" / "int8.tflite"), str(photos[3]), "none.png"]
    done = subprocess.run(
        [sys.executable, "-m", "edgecv", *arguments, "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    good, bad = json.loads(done.stdout)
    assert good["path"] == str(photos[3])
    assert len(next(iter(good["outputs"].values()))) == 10
    assert bad["error"] in done.stderr


@pytest.mark.skipif(not DETECTION.is_file(), reason=f"needs {DETECTION}, not of the project")
def test_names_of_what_boxes_hold_are_not_counted_against_an_output(
    photos: list[Path], tmp_path: Path
) -> None:
    """80 names beside a detector were refused: "the file gives 4 numbers"."""
    labels = tmp_path / "names.txt"
    labels.write_text("".join(f"object {number}\n" for number in range(80)))
    (found,) = answers(DETECTION, photos[:1], labels=labels, task="detection")
    assert isinstance(found, Prediction)
    assert found.answer.startswith("object ")
