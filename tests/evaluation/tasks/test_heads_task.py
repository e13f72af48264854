"""Several tasks in one model: trained, compressed and judged, with a verdict for each head."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from paths import REPOSITORY

import edgecv
from edgecv.acceptance.lock_file import read_lock, write_lock
from edgecv.acceptance.testing.fixture import EdgecvCompare
from edgecv.acceptance.testing.session import CompareSession
from edgecv.acceptance.text import cells, headings, outcome_of
from edgecv.analysis.options import ValidateOptions
from edgecv.analysis.validate import validate
from edgecv.core.errors import InputError
from edgecv.core.options import parse_options
from edgecv.core.registry import TASKS
from edgecv.core.report import Report
from edgecv.datasets.scenes import Scenes
from edgecv.evaluation.task_of import per_head, task_of
from edgecv.models.tf import keras
from edgecv.pipeline.context import open_analysis
from edgecv.pipeline.prediction_cache import NO_CACHE
from edgecv.pipeline.recipe.recipe import load_recipe
from edgecv.reports.html import report_html
from edgecv.reports.json_file import read_report
from edgecv.reports.verdict import verdict_line

RECIPE = """
name = "two-heads"
control = "off"
[data]
source = "npz"
path = "DATA"
[[task]]
output = "digit"
task = "classification"
[[task]]
output = "place"
task = "regression"
weight = 2.0
limits = {max_drop_points = 5.0}
[baseline]
architecture = "regressor"
width = 8
depth = 1
input_shape = [16, 16, 1]
[baseline.training]
epochs = 20
minimum_steps = 0
batch = 32
shift = 0
mirror = false
learning_rate = 0.005
[[technique]]
technique = "shrink"
keep = 0.7
multiple = 2
ranking = "taylor"
fine_tune = false
[[technique]]
technique = "distil"
[technique.training]
epochs = 8
minimum_steps = 0
batch = 32
shift = 0
mirror = false
[[export]]
format = "tflite"
precision = "int8"
[[export]]
format = "onnx"
precision = "int8"
[gates]
max_drop_points = 8.0
max_class_drop_points = 40.0
min_agreement = 0.2
max_bytes = 200000
"""
CLASS, PLACE = (
    {"output": "digit", "task": "classification"},
    {"output": "place", "task": "regression"},
)


def placed_digits() -> dict[str, np.ndarray]:
    """Return real handwritten digits anywhere on larger images: the class, and row and column."""
    from sklearn.datasets import load_digits

    found = load_digits()
    random = np.random.default_rng(0)
    order = random.permutation(len(found.images))
    images = np.zeros((len(order), 16, 16, 1), np.uint8)
    corners = random.integers(0, 9, (len(order), 2))
    for image, digit, (row, column) in zip(images, found.images[order], corners, strict=True):
        image[row : row + 8, column : column + 8, 0] = digit * 15
    splits = {"train": slice(None, 1400), "test": slice(1400, None)}
    arrays: dict[str, np.ndarray] = {}
    for name, part in splits.items():
        arrays[f"x_{name}"] = images[part]
        arrays[f"y_{name}_class"] = found.target[order][part]
        arrays[f"y_{name}_numbers"] = corners[part].astype(np.float32)
    return arrays


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("heads")
    np.savez(home / "digits.npz", **placed_digits())  # type: ignore[arg-type]
    recipe = home / "recipe.toml"
    recipe.write_text(RECIPE.replace("DATA", str(home / "digits.npz")))
    edgecv.compress(recipe=recipe, output=home)
    return home / "two-heads"


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    return read_report(folder)


def test_both_heads_are_trained_compressed_and_judged(report: Report) -> None:
    assert report.outcome == "passed", verdict_line(report)
    assert [each.name for each in task_of(report).heads()] == ["digit", "place"]
    assert report.baseline is not None
    assert report.baseline.head_values.keys() == {"digit", "place"}
    assert report.data.head_classes["digit"] == tuple("0123456789")
    limits = {gate.head: gate.limit for gate in report.gates if gate.name == "max_drop_points"}
    assert limits == {"digit": 8.0, "place": 5.0}
    sizes = [gate for gate in report.gates if gate.name == "max_bytes"]
    assert sorted((gate.artifact, gate.head) for gate in sizes) == [
        ("int8.onnx", ""),
        ("int8.tflite", ""),
    ]
    names = {each.name for each in (report.files[0].output, *report.files[0].further_outputs)}
    assert names == {"digit", "place"}


def test_a_report_shows_each_head_and_size_and_speed_once(report: Report, folder: Path) -> None:
    text = (folder / "report.md").read_text()
    for part in ("### digit", "### place", "MAE", "accuracy", "int8.onnx (digit): ", "R2"):
        assert part in text
    assert text.count("median us") == 1
    assert report_html(report).count("<table>") == 2
    heads = per_head(report)
    assert [each.baseline.metric for each in heads.values() if each.baseline] == ["accuracy", "MAE"]
    assert (folder / "flips-int8.onnx-place.png").exists() or not any(
        each.flips_picture for each in heads["place"].comparisons
    )


def test_validate_judges_a_run_by_its_heads_again(folder: Path) -> None:
    again = edgecv.validate(folder)
    assert again.outcome == "passed", verdict_line(again)
    assert {each.head for each in again.comparisons} == {"digit", "place"}


def test_an_assertion_of_a_test_names_the_head(folder: Path) -> None:
    session = CompareSession(
        folder.parent, NO_CACHE, False, lambda: folder.parent / "test_digits.py"
    )
    pair = EdgecvCompare(session)(
        "two-heads/int8.onnx",
        baseline="two-heads/baseline.keras",
        data="digits.npz",
        task=["digit=classification", "place=regression"],
    )
    pair.assert_no_worse_than(points=30)
    pair.assert_size(at_most_bytes=200_000)
    with pytest.raises(AssertionError, match=r"int8.onnx \(digit\): fraction of images"):
        pair.assert_agreement(at_least=1.0)
    with pytest.raises(AssertionError, match="nothing was accepted so far") as nothing:
        pair.assert_as_accepted(name="digits")
    assert re.findall(r"\n  head +(.*)", str(nothing.value)) == ["digit", "place"]


def test_the_gate_holds_each_head_against_the_accepted_one(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "edgecv.lock"
    assert edgecv.gate(folder, against=path, update=True).update == "written"
    lock = read_lock(path)
    assert list(lock.heads) == ["place"]
    assert lock.baseline.metric == "accuracy"
    # Two files that are timed for a moment may seem slower.
    slack = lock.limits.model_copy(update={"max_slowdown_percent": 99.9})
    lock = lock.model_copy(update={"limits": slack})
    write_lock(lock, path)
    same = edgecv.gate(folder, against=path)
    assert same.outcome == "passed", [gate for gate in same.gates if gate.outcome != "passed"]
    assert {change.label for change in same.artifacts} >= {
        "int8.onnx (digit)", "int8.onnx (place)"
    }  # fmt: skip
    assert headings(same)[3] == "metric"
    shown = {change.label: cells(change, same)[3].split()[0] for change in same.artifacts}
    assert (shown["int8.onnx (digit)"], shown["int8.onnx (place)"]) == ("accuracy", "MAE")
    other = path.read_text().replace("[heads.place]", "[heads.other]")
    (tmp_path / "other.lock").write_text(other.replace("[heads.place.", "[heads.other."))
    with pytest.raises(InputError, match="was accepted with the heads other"):
        edgecv.gate(folder, against=tmp_path / "other.lock")
    artifacts = dict(lock.heads["place"].artifacts)
    better = artifacts["int8.onnx"].model_copy(update={"agreement": 1.0, "flips": 0})
    artifacts["int8.onnx"] = better
    head = lock.heads["place"].model_copy(update={"artifacts": artifacts})
    write_lock(lock.model_copy(update={"heads": {"place": head}}), path)
    worse = edgecv.gate(folder, against=path)
    failed = {gate.label for gate in worse.gates if gate.outcome == "failed"}
    assert failed == {"int8.onnx (place)"}
    rows = {change.label: outcome_of(change, worse.gates) for change in worse.artifacts}
    assert rows["int8.onnx (place)"] == "failed"
    assert rows["int8.onnx (digit)"] == "passed"


SCENES = REPOSITORY / "recipes" / "scenes-heads-int8.toml"


def test_scenes_have_the_targets_of_the_recipe_with_two_heads() -> None:
    recipe = load_recipe(SCENES)
    assert isinstance(recipe.data, Scenes)
    few = recipe.data.model_copy(update={"scenes": 200})
    data = recipe.task.of_task(few.load((48, 48, 3), 0, lambda *_: None))
    assert data.target_names["digit"] == tuple("0123456789")
    assert data.test.labels["box"].shape == (40, 1, 5)


@pytest.mark.slow
def test_two_heads_learn_scenes_by_a_recipe(tmp_path: Path) -> None:
    """edgecv compress --recipe recipes/scenes-heads-int8.toml"""
    report = edgecv.compress(recipe=SCENES, output=tmp_path)
    assert report.outcome == "passed", verdict_line(report)
    values = {(each.artifact.path, each.head): each for each in report.comparisons}
    for path in ("int8.tflite", "int8.onnx"):
        assert (values[path, "digit"].value or 0) > 0.96
        assert (values[path, "box"].value or 9) < 1.5
        assert (values[path, "digit"].size_ratio or 0) > 4


def test_other_limits_judge_the_stored_run(folder: Path) -> None:
    strict = edgecv.compress(
        recipe=folder.parent / "recipe.toml", output=folder.parent, min_agreement=1.0
    )
    assert strict.outcome == "failed"
    failed = {gate.head for gate in strict.gates if gate.name == "min_agreement"}
    assert failed == {"digit", "place"}


def test_classes_swapped_in_one_head_fail_that_head_alone(folder: Path, tmp_path: Path) -> None:
    model = keras.models.load_model(folder / "baseline.keras")
    logits = model.get_layer("digit_logits")
    logits.set_weights([each[..., [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]] for each in logits.get_weights()])
    model.save(tmp_path / "swapped.keras")
    recipe = load_recipe(folder.parent / "recipe.toml")
    given = {"paths": tmp_path / "swapped.keras", "baseline": folder / "baseline.keras"}
    asked = parse_options(ValidateOptions, {**given, "data": "digits"}, "test").request()
    request = replace(asked, source=recipe.data, task=recipe.task, timed=False, unproven=())
    with open_analysis(request.settings) as context:
        report, _ = validate(request, context)
    outcomes = {(gate.head, gate.name): gate.outcome for gate in report.gates}
    assert report.outcome == "failed"
    assert outcomes["digit", "max_drop_points"] == "failed"
    assert outcomes["place", "max_drop_points"] == "passed"
    assert {gate.head for gate in report.gates if gate.outcome == "failed"} == {"digit"}
    assert "swapped.keras (digit): points lost" in verdict_line(report)


@pytest.mark.parametrize(
    ("tables", "found"),
    [
        ([CLASS, {**PLACE, "weight": 0}], 'task[2]: "weight" is 0; accepted: greater than 0'),
        ([CLASS, {**PLACE, "output": "digit"}], 'names the output "digit" twice'),
        ([CLASS, {"task": "regression"}], "task[2]: names no output of the model"),
        ([CLASS, "regression"], "task[2]: 'regression' is not a table"),
        ([CLASS, {**PLACE, "limits": {"max_drop": 1}}], 'unknown key "max_drop"'),
        ([{**CLASS, "limits": {"max_bytes": 1}}], "max_bytes is of the file"),
        ([{**CLASS, "task": "heads"}], "task[1]"),
    ],
)
def test_wrong_tables_are_refused(tables: list[object], found: str) -> None:
    with pytest.raises(InputError) as error:
        TASKS.parse(tables, "task")
    assert found in str(error.value)


def test_the_tables_of_heads_are_read_back() -> None:
    tables = [CLASS, {**PLACE, "weight": 2.0, "limits": {"max_drop_points": 1.0}}]
    task = TASKS.parse(tables, "task")
    assert TASKS.parse(TASKS.table(task), "task") == task
    assert [each["output"] for each in TASKS.table(task)] == ["digit", "place"]
    both = TASKS.parse([{"output": ["boxes", "classes"], "task": "outputs"}], "task")
    assert both.heads()[0].name == "boxes+classes"
    assert TASKS.table(both)[0]["output"] == ["boxes", "classes"]
