"""The gate for tasks whose scores are not 0 or 1: keypoints, numbers, maps."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from marks import SIDE, marks
from small_report import REPORT

from edgecv.acceptance.gate import MeasuredRun, accept, judgement_of
from edgecv.acceptance.lock import head_key
from edgecv.acceptance.lock_file import read_lock
from edgecv.acceptance.make_lock import accepted_head
from edgecv.acceptance.markdown import to_markdown
from edgecv.acceptance.records import Judgement
from edgecv.acceptance.text import cells, headings, verdict_line
from edgecv.analysis.validation_arrays import ValidationArrays
from edgecv.core.artifact import Artifact, SessionFacts, TensorFacts
from edgecv.core.comparison import Measurement
from edgecv.core.data import Dataset, Outputs
from edgecv.core.plugins import Task
from edgecv.core.registry import TASKS as REGISTERED
from edgecv.core.report import Baseline, SplitFacts
from edgecv.core.targets import together
from edgecv.evaluation.comparison import compare
from edgecv.evaluation.gates import failed_file
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.tasks.detection import Detection
from edgecv.evaluation.tasks.regression import Regression
from edgecv.evaluation.tasks.regression.values import wanted_of
from edgecv.evaluation.tasks.segmentation import Segmentation
from edgecv.system.environment import environment

pytestmark = pytest.mark.quick
SPLIT = marks(300, (SIDE, SIDE, 1), 0)
MARKS = Dataset("marks", ("wide", "high", "dark"), SPLIT, SPLIT, SPLIT, SPLIT)
MASKS = np.zeros((300, SIDE, SIDE), np.uint8)
MASKS[:, 4:12, 3:9] = 1 + np.arange(300)[:, None, None] % 2
MAPS = replace(MARKS, **dict.fromkeys(("train", "calibration", "validation", "test"),
               replace(SPLIT, labels=MASKS)))  # fmt: skip
TASKS: dict[str, Task] = {
    "keypoints": Regression(kind="keypoints", within=0.05),
    "numbers": Regression(),
    "maps": Segmentation(),
}


def outputs(kind: str, noise: float) -> Outputs:
    """Return answers that are off by ``noise``, of the range of the targets."""
    random = np.random.default_rng(1)
    if kind == "maps":
        likely = np.eye(3, dtype=np.float32)[MASKS] + 0.01
        wrong = random.random(MASKS.shape) < noise
        likely[wrong] = likely[wrong][:, [1, 2, 0]]
        return Outputs.one(likely / likely.sum(axis=-1, keepdims=True))
    wanted = wanted_of(TASKS[kind].of_task(MARKS).test.labels)
    off = random.normal(0, 1, wanted.values.shape) * noise * wanted.ranges
    return Outputs.one((wanted.values + off).astype("f4"))


def measured(kind: str, noise: float, folder: Path) -> MeasuredRun:
    """Return a run of one file beside a baseline that is off by 2% of the range."""
    task = TASKS[kind]
    data = MAPS if kind == "maps" else task.of_task(MARKS)
    file = f"{round(noise * 1000):064d}"
    return run_of(task, data, outputs(kind, noise), outputs(kind, 0.02), folder, file)


def run_of(
    task: Task, data: Dataset, found: Outputs, before: Outputs, folder: Path, sha256: str
) -> MeasuredRun:
    """Return a run of one file with the answers ``found`` beside a baseline."""
    tensor = TensorFacts("image", (1, SIDE, SIDE, 1), "uint8")
    shapes = tuple(each.shape[1:] for each in found.arrays.values())
    facts = SessionFacts(tensor, (tensor,) * len(shapes), shapes, (SIDE, SIDE, 1))
    file = Artifact("int8.tflite", "tflite", "int8", 100, 90, sha256)
    compared = compare(
        Measurement(file, "litert", found, facts), None, before, data.test.labels, task, 1
    )
    (folder / "baseline.keras").write_bytes(b"the original")
    report = replace(
        REPORT,
        recipe={**REPORT.recipe, "task": REGISTERED.table(task)},
        environment=environment(),
        outcome="passed",
        data=replace(REPORT.data, splits={"test": SplitFacts(300, "0" * 64)}),
        baseline=Baseline(
            str(folder / "baseline.keras"), 9, compared.metric, compared.baseline_value
        ),
        comparisons=(compared,),
        gates=(),
    )
    split = replace(data.test, sha256="0" * 64)
    arrays = ValidationArrays(replace(data, test=split), task, before, {"int8.tflite": found})
    return MeasuredRun("run", report, arrays)


def judged(kind: str, noise: float, folder: Path) -> Judgement:
    """Judge a run against the lock of one that is off by 2% of the range."""
    path = folder / "edgecv.lock"
    accept(measured(kind, 0.02, folder), None, Limits(), path)
    return judgement_of(measured(kind, noise, folder), read_lock(path), path)


def drop_of(found: Judgement) -> Any:
    return next(each for each in found.gates if each.name == "accepted_drop_points_bound")


@pytest.mark.parametrize("kind", TASKS)
def test_the_same_answers_and_better_ones_pass(kind: str, tmp_path: Path) -> None:
    same = judged(kind, 0.02, tmp_path)
    assert (drop_of(same).outcome, drop_of(same).observed) == ("passed", 0.0)
    mended = judged(kind, 0.005, tmp_path)
    assert drop_of(mended).outcome == "passed"
    assert drop_of(mended).observed <= 0


@pytest.mark.parametrize("kind", TASKS)
def test_a_worse_file_fails_and_the_metric_is_named(kind: str, tmp_path: Path) -> None:
    found = judged(kind, 0.08, tmp_path)
    gate = drop_of(found)
    assert (gate.outcome, found.exit_code) == ("failed", 1)
    name = TASKS[kind].headline.name
    assert f"{name} " in gate.reason
    assert "became worse, " in gate.reason
    assert f"{name} " in verdict_line(found)
    (change,) = found.artifacts
    row = dict(zip(headings(found), cells(change, found), strict=True))
    assert int(row["became worse"]) > int(row["became better"])
    assert "became worse" in to_markdown(found)


def test_boxes_that_nobody_is_shown_are_no_equal_answers(tmp_path: Path) -> None:
    """The mAP counts all boxes: one that lost those below the score passes no limit on it."""
    task = Detection()
    pixels = np.full((300, 2, 5), -1, np.float32)
    pixels[:, 0], pixels[:, 1] = (0, 1, 1, 7, 7), (1, 8, 8, 14, 14)
    split = replace(SPLIT, labels=together({"boxes": pixels}))
    splits = dict.fromkeys(("train", "calibration", "validation", "test"), split)
    data = task.of_task(replace(MARKS, **splits))
    whole, lost = (
        Outputs(
            {
                "boxes": data.test.labels[..., [2, 1, 4, 3]],
                "classes": data.test.labels[..., 0],
                "scores": np.tile(np.float32([0.9, hidden]), (300, 1)),
                "count": np.full((300, 1), 2, np.float32),
            }
        )
        for hidden in (0.2, 0.0)
    )
    path = tmp_path / "edgecv.lock"
    accept(run_of(task, data, whole, whole, tmp_path, "a" * 64), None, Limits(), path)
    found = judgement_of(run_of(task, data, lost, whole, tmp_path, "b" * 64), read_lock(path), path)
    (change,) = found.artifacts
    assert change.same_answers
    gate = drop_of(found)
    assert gate.outcome == "inconclusive", gate
    assert gate.observed == pytest.approx(50, abs=1)
    assert "AP fell, and the scores of the images do not show it" in gate.reason
    on_point = path.read_text().replace('drop_on = "bound"', 'drop_on = "point"')
    path.write_text(on_point)
    found = judgement_of(run_of(task, data, lost, whole, tmp_path, "b" * 64), read_lock(path), path)
    (gate,) = (each for each in found.gates if each.name == "accepted_drop_points")
    assert gate.outcome == "failed"


def test_an_error_with_a_unit_is_no_fraction(tmp_path: Path) -> None:
    """The MAE of numbers of some hundreds: more by a part of a unit is not more by points."""
    found = judged("numbers", 0.0202, tmp_path)
    gate, (change,) = drop_of(found), found.artifacts
    assert change.accepted is not None
    assert change.found is not None
    assert change.accepted.value is not None
    assert change.found.value is not None
    assert change.found.value > change.accepted.value + 0.005, "half a point, were it a fraction"
    assert gate.outcome == "passed", gate
    path = tmp_path / "edgecv.lock"
    path.write_text(path.read_text().replace('drop_on = "bound"', 'drop_on = "point"'))
    found = judgement_of(measured("numbers", 0.0202, tmp_path), read_lock(path), path)
    (gate,) = (each for each in found.gates if each.name == "accepted_drop_points")
    assert gate.outcome == "passed", gate
    assert 0 < gate.observed < 0.1


@pytest.mark.parametrize("second", ["b", "b" * 300])
def test_a_file_of_two_heads_that_cannot_be_measured_is_not_missing(
    tmp_path: Path, second: str
) -> None:
    """The report of a head has no gate on the file: it was called missing from the run."""
    path, run = tmp_path / "edgecv.lock", measured("numbers", 0.02, tmp_path)
    accept(run, None, Limits(), path)
    lock = read_lock(path)
    lock = lock.model_copy(update={"heads": {head_key(second): accepted_head(lock)}})
    tables = [{"output": name, "task": "regression"} for name in ("a", second)]
    report = replace(
        run.report,
        recipe={**run.report.recipe, "task": tables},
        comparisons=(),
        gates=(failed_file("int8.tflite", "died of signal 11"),),
    )
    task = REGISTERED.parse(tables, "task")
    arrays = replace(run.arrays, task=task, baseline=None, outputs={})
    found = judgement_of(MeasuredRun("run", report, arrays), lock, path)
    assert [each.status for each in found.artifacts] == ["not measured", "not measured"]
    assert [gate.name for gate in found.gates if gate.outcome == "failed"] == ["runs"]


def test_few_images_cannot_tell(tmp_path: Path) -> None:
    """A small loss is inconclusive: the paired interval reaches over the limit."""
    found = judged("keypoints", 0.0205, tmp_path)
    assert drop_of(found).outcome == "inconclusive", drop_of(found)


def test_the_lock_is_small(tmp_path: Path) -> None:
    judged("numbers", 0.02, tmp_path)
    lock = read_lock(tmp_path / "edgecv.lock")
    scores = lock.artifacts["int8.tflite"].scores
    assert scores is not None
    assert len(scores.codes) == 800, "8 letters for 3 images"
    assert lock.artifacts["int8.tflite"].value == pytest.approx(13, abs=13), "an MAE, no fraction"
