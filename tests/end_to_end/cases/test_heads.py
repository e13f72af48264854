"""A handed model of two outputs, each by its own task: classes, and numbers that mean nothing."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from paths import SHARED
from PIL import Image

import edgecv
from edgecv.analysis.deploy.difference import changes
from edgecv.analysis.described_files import report_in
from edgecv.core.errors import InputError
from edgecv.core.report import Report

CASES = SHARED / "cases"
pytestmark = pytest.mark.skipif(
    not CASES.is_dir(), reason=f"needs {CASES}, which is not part of the project"
)
TWO, PICTURES = CASES / "two_outputs.keras", SHARED / "data" / "cifar10-images.zip"
OTHERS = ("bundle", "qemu", "tflm")
CLASSES = ("cat", "dog", "ship", "truck")


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return images of four classes of CIFAR-10 with their class, as arrays in a file."""
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(PICTURES) as archive:
        for split, most in (("train", 60), ("test", 30)):
            found = [
                [each for each in archive.namelist() if each.startswith(f"{split}/{name}/")]
                for name in CLASSES
            ]
            chosen = [path for paths in found for path in paths[-most:]]
            opened = [Image.open(archive.open(each)).convert("RGB") for each in chosen]
            arrays[f"x_{split}"] = np.stack([np.asarray(each) for each in opened])
            arrays[f"y_{split}"] = np.repeat(np.arange(4), most)
    arrays["class_names"] = np.array(CLASSES)
    path = tmp_path_factory.mktemp("four") / "four.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


@pytest.fixture(scope="module")
def run(four: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("told")
    edgecv.compress(TWO, data=four, output=output, name="two", min_cosine=0.99)
    return output / "two"


@pytest.fixture(scope="module")
def told(run: Path) -> Report:
    report = report_in(run)
    assert report is not None
    return report


def test_each_output_is_compared_by_its_own_task(told: Report) -> None:
    assert told.recipe["task"] == [
        {"output": "cls", "task": "classification"},
        {"output": "box", "task": "outputs", "tolerance": 0.3},
    ]
    assert "cls: classification, its output box: outputs" in " ".join(told.notes)
    found = {(each.artifact.path, each.head): each for each in told.comparisons}
    paths = ("float32.tflite", "int8.tflite", "float32.onnx", "int8.onnx")
    assert list(found) == [(path, head) for path in paths for head in ("cls", "box")]
    for path in paths:
        classes, numbers = found[path, "cls"], found[path, "box"]
        assert classes.metric == "accuracy"
        assert classes.value is not None
        assert classes.statistics is not None
        assert classes.statistics.accuracy is not None
        assert not classes.output_differences
        assert numbers.value is None
        assert [each.name for each in numbers.output_differences] == ["box"]
        assert {each.name for each in (classes.output, *classes.further_outputs)} == {"cls", "box"}


def test_the_names_of_a_head_go_with_its_run(run: Path) -> None:
    """An empty labels.txt was all that a device got of the classes of a head."""
    assert (run / "labels-0-cls.txt").read_text().splitlines() == list(CLASSES)


def test_there_is_a_verdict_for_each_head(told: Report) -> None:
    gates = {(gate.name, gate.artifact, gate.head): gate.outcome for gate in told.gates}
    assert gates["max_drop_points", "int8.onnx", "cls"] == "passed"
    assert gates["min_cosine", "int8.onnx", "box"] == "passed"
    assert ("min_cosine", "int8.onnx", "cls") not in gates, "a class has no cosine"
    assert gates["proof", "baseline.keras", "box"] == "passed"
    assert gates["proof", "baseline.keras", "cls"] == "inconclusive", "it was never trained"
    assert told.outcome == "inconclusive"


@pytest.mark.parametrize(
    ("task", "found"),
    [
        ("clss=classification", 'has no output "clss"; accepted: cls, box'),
        ("box=regression", "has no numbers for the task regression"),
        ("box=multilabel,box=classification", 'names the output "box" twice'),
        ("classification,regression", "names no output of the model"),
        ("cls=clasification", 'unknown task "clasification"'),
        ("cls=segmentation", "cls: gives 4 numbers for an image; accepted: one map an image"),
    ],
)
def test_wrong_heads_are_refused(four: Path, tmp_path: Path, task: str, found: str) -> None:
    with pytest.raises(InputError) as error:
        edgecv.compress(TWO, data=four, output=tmp_path, task=task)
    assert found in str(error.value)
    assert not list(tmp_path.glob("*/report.json"))


def test_an_output_without_a_task_is_not_trained(four: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the output box: has no task"):
        edgecv.compress(TWO, data=four, output=tmp_path, task="cls=classification", prune=0.5)


@pytest.mark.parametrize(
    "target", ["c", *(pytest.param(each, marks=pytest.mark.slow) for each in OTHERS)]
)
def test_each_head_is_compared_on_the_device(run: Path, target: str, tmp_path: Path) -> None:
    report = edgecv.deploy(run, to=target, out=tmp_path / "device", images=40)
    rows = [each for each in report.comparisons if each.artifact.path == f"int8.tflite on {target}"]
    assert [(each.head, each.metric) for each in rows] == [("cls", "accuracy"), ("box", "outputs")]
    assert report.deployment is not None
    assert report.deployment.same_answers > 35
    if target != "tflm":  # The answers of LiteRT, and of its built-in kernels where C has theirs.
        assert report.deployment.equal_outputs == 40
    gates = {(gate.name, gate.artifact, gate.head) for gate in report.gates}
    assert ("min_cosine", f"int8.tflite on {target}", "box") in gates


@pytest.mark.slow
def test_bundles_of_several_heads_are_compared(run: Path, tmp_path: Path) -> None:
    for name in ("int8", "float32"):
        edgecv.deploy(run, to="bundle", out=tmp_path / name, artifact=f"{name}.tflite", images=40)
    assert changes(tmp_path / "int8", tmp_path / "int8") == []
    command = [sys.executable, "predict.py", "golden/00.png"]
    done = subprocess.run(
        command, cwd=tmp_path / "int8", capture_output=True, text=True, check=True
    )
    assert re.search(rf"cls \[4\]: ({'|'.join(CLASSES)}) \d+\.\d%; box ", done.stdout)
    page = (tmp_path / "int8" / "README.md").read_text()
    assert "names: 4 of cls" in page
    found = dict(changes(tmp_path / "int8", tmp_path / "float32"))
    assert "outputs[1] type" in found
