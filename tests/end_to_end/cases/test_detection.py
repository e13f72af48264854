"""Detectors from file to verdict: one of ours as it is trained, and one that somebody handed in."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import SHARED
from PIL import Image

import edgecv
from edgecv.core.errors import InputError
from edgecv.core.report import Report
from edgecv.datasets.scenes import Scenes
from edgecv.pipeline.recipe.recipe import parse_recipe
from edgecv.pipeline.run import run
from edgecv.reports.json_file import read_report
from edgecv.system.storage import Store

CASE = SHARED / "cases" / "detection_four_outputs.tflite"
SIDE = 64
TRAINING = {"epochs": 16, "batch": 32, "minimum_steps": 0, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def annotations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a COCO file of the test scenes and their boxes."""
    folder = tmp_path_factory.mktemp("coco")
    data = Scenes(scenes=500, most_digits=1).load((SIDE, SIDE, 3), 0, lambda *_: None)
    images, found = [], []
    for number, pixels in enumerate(data.test.images):
        Image.fromarray(pixels).save(folder / f"{number:04}.png")
        images.append(
            {"id": number, "file_name": f"{number:04}.png", "width": SIDE, "height": SIDE}
        )
        for kind, left, top, right, bottom in data.test.labels["boxes"][number].tolist():
            if kind >= 0:
                box = [left, top, right - left, bottom - top]
                found.append(
                    {"id": len(found), "image_id": number, "category_id": kind, "bbox": box}
                )
    classes = [{"id": number, "name": str(number)} for number in range(10)]
    file = folder / "test.json"
    file.write_text(json.dumps({"images": images, "annotations": found, "categories": classes}))
    return file


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of a small detector that had a short training."""
    store = Store(tmp_path_factory.mktemp("runs"))
    table: dict[str, Any] = {
        "name": "boxes",
        "control": "off",
        "data": {"source": "scenes", "scenes": 500, "most_digits": 1},
        "task": {"task": "detection", "judged_by": "AP50"},
        "baseline": {
            "architecture": "detector_small",
            "width": 8,
            "input_shape": [SIDE, SIDE, 3],
            "training": TRAINING,
        },
        "technique": [
            {"technique": "shrink", "keep": 0.8, "multiple": 4, "fine_tune": False},
            {"technique": "distil", "training": {**TRAINING, "epochs": 4}},
        ],
        "export": [{"format": each, "precision": "int8"} for each in ("tflite", "onnx")],
        "gates": {"max_drop_points": 40.0},
    }
    run(parse_recipe(table, "r.toml"), store)
    return store.run_folder("boxes")


def outcomes(report: Report, name: str) -> set[str]:
    return {gate.outcome for gate in report.gates if gate.name == name}


def test_a_detector_of_ours_is_trained_shrunk_taught_and_judged(trained: Path) -> None:
    report = read_report(trained)
    assert report.baseline is not None
    assert report.baseline.metric == "AP50"
    assert report.baseline.value is not None
    assert report.baseline.value > 0.1
    assert outcomes(report, "proof") == outcomes(report, "conversion_difference") == {"passed"}
    for each in report.comparisons:
        assert [value.name for value in each.further_metrics] == ["AP", "F1"]
        assert each.statistics is not None
        assert each.statistics.scores is not None
        assert {"boxes", "classes"} == {
            each.output.name, *(other.name for other in each.further_outputs)
        }  # fmt: skip
    assert (trained / "flips-int8.tflite.png").exists()


def test_its_files_have_the_same_figures_by_annotations(trained: Path, annotations: Path) -> None:
    """Scenes from a COCO file, int8 files of both formats, nothing said of a decoder."""
    files = [trained / f"int8.{kind}" for kind in ("tflite", "onnx")]
    report = edgecv.validate(files, data=annotations, task="detection")
    told = {each.artifact.path: each for each in read_report(trained).comparisons}
    assert len(report.comparisons) == len(files)
    for each in report.comparisons:
        known = told[Path(each.artifact.path).name].further_metrics[0]
        assert (each.metric, known.name) == ("AP", "AP")
        assert each.value == pytest.approx(known.value, abs=1e-6)


def test_a_decoder_that_does_not_fit_is_refused(
    trained: Path, annotations: Path, tmp_path: Path
) -> None:
    (tmp_path / "wrong.toml").write_text(
        '[task]\ntask = "detection"\ndecoder = { kind = "postprocessed" }\n'
    )
    with pytest.raises(InputError, match=r"classes \[8, 8, 10\]") as caught:
        edgecv.validate(trained / "int8.onnx", data=annotations, task=str(tmp_path / "wrong.toml"))
    assert "[task.decoder]" in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.skipif(not CASE.exists(), reason="needs the handed cases")
def test_random_weights_prove_nothing(annotations: Path) -> None:
    report = edgecv.validate(CASE, data=annotations, task="detection")
    (found,) = report.comparisons
    assert found.value is not None
    assert found.value < 0.02
    assert outcomes(report, "proof") == {"inconclusive"}
    assert np.isfinite([value.value for value in found.further_metrics]).all()
