"""A stored run is judged by other limits without training, exporting or measuring again."""

import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from small_report import COMPARISON, REPORT

from edgecv.core.errors import InputError
from edgecv.core.events import Event
from edgecv.core.report import Report
from edgecv.datasets.class_order import in_order_of
from edgecv.datasets.digits import Digits
from edgecv.evaluation.limits import Limits
from edgecv.pipeline.judge_again import _same_images, check_same_model, given_limits
from edgecv.pipeline.load_data import data_facts
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.run import run
from edgecv.reports.json_file import read_report, to_table
from edgecv.system.storage import Store, check_seal, tree_sha256


@pytest.fixture
def store(main_report: Report, output: Path, tmp_path: Path) -> Store:
    """Return a store with a run called main, made with max_drop = 5."""
    shutil.copytree(output / "main", tmp_path / "main")
    return Store(tmp_path)


def again(store: Store, **options: Any) -> tuple[Report, list[Event]]:
    events: list[Event] = []
    given = {"data": "digits", "epochs": 3, "name": "main", **options}
    return run(CompressOptions(**given).to_recipe(), store, on_event=events.append), events


def test_one_more_limit_judges_the_stored_run(main_report: Report, store: Store) -> None:
    before = {path.name: path.read_bytes() for path in (store.root / "main").iterdir()}
    report, events = again(store, max_drop=5.0, max_size="1KB")
    assert {event.stage for event in events} == {"judge", "data", "note"}
    assert report.outcome == "failed"
    assert [gate.outcome for gate in report.gates if gate.name == "max_bytes"] == ["failed"] * 2
    assert report.recipe["gates"] == {"max_drop_points": 5.0, "max_bytes": 1000}
    folder = store.root / "main"
    check_seal(folder)
    assert to_table(read_report(folder)) == to_table(report)
    assert tomllib.loads((folder / "recipe.toml").read_text())["gates"]["max_bytes"] == 1000
    assert (folder / "report.md").read_text().splitlines()[2].startswith("FAILED")
    assert "✗ FAILED" in (folder / "report.html").read_text()
    changed = {"recipe.toml", "report.json", "report.md", "report.html", "manifest.json"}
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name for name in after if after[name] != before.get(name)} == changed
    assert set(after) == set(before)


def test_the_verdict_is_that_of_a_new_run(store: Store, output: Path, tmp_path: Path) -> None:
    options = {"max_drop": 0.5, "drop_on": "bound", "min_agreement": "90%"}
    judged, _ = again(store, **options)
    new = run(
        CompressOptions(data="digits", epochs=3, name="anew", **options).to_recipe(),
        Store(output),
    )
    assert judged.outcome == new.outcome
    assert {(gate.name, gate.artifact): gate for gate in judged.gates} == {
        (gate.name, gate.artifact): gate for gate in new.gates
    }
    statistics = [each.statistics for each in judged.comparisons]
    assert statistics == [each.statistics for each in new.comparisons]


def test_a_limit_is_switched_off_and_given_again(store: Store) -> None:
    report, _ = again(store, max_drop="none", max_class_drop="none")
    assert {gate.name for gate in report.gates} == {"conversion_difference", "proof"}
    report, _ = again(store, max_drop="default")
    assert {gate.limit for gate in report.gates if gate.name == "max_drop_points"} == {2.0}


def test_the_same_limits_or_another_recipe_are_refused_as_before(store: Store) -> None:
    before = (store.root / "main" / "report.json").read_bytes()
    for options in ({}, {"max_drop": 5.0}, {"max_drop": 1.0, "quantize": "none"}):
        with pytest.raises(InputError, match="exists already"):
            again(store, **options)
    assert (store.root / "main" / "report.json").read_bytes() == before


@pytest.mark.quick
def test_a_limit_on_time_stays_that_of_the_device_that_ran() -> None:
    recipe = CompressOptions(data="digits").to_recipe().replace(gates=Limits(max_latency_us=50))
    there = replace(REPORT, comparisons=(replace(COMPARISON, machine="board"),))
    assert given_limits(there, recipe) == {"max_latency_us": 50, "latency_machine": "board"}
    assert given_limits(REPORT, recipe) == {"max_latency_us": 50}


@pytest.mark.quick
def test_data_in_the_order_of_labels_is_what_a_run_was_made_of(tmp_path: Path) -> None:
    """A run with --labels in another order than the data was refused as made of other data."""
    names = tuple(str(number) for number in reversed(range(10)))
    (tmp_path / "labels.txt").write_text("\n".join(names))
    model = tmp_path / "model.keras"
    model.touch()
    options = CompressOptions(
        data="digits", model=str(model), labels=str(tmp_path / "labels.txt"), name="own"
    )
    recipe = options.to_recipe()
    context: Any = SimpleNamespace(emit=lambda *parts: None, seed=0, judged_on="test")
    data = Digits().load(COMPARISON.input.shape[1:], 0, lambda done, total: None)
    made = data_facts(in_order_of(data, 10, names), recipe.task)
    report = replace(REPORT, data=made, recipe=recipe.table())
    assert len(_same_images(report, recipe, context, tmp_path)) == len(data.test)
    other = recipe.replace(baseline=recipe.baseline.model_copy(update={"labels": names[::-1]}))
    with pytest.raises(InputError, match="is not what it was made of any more"):
        _same_images(report, other, context, tmp_path)


def test_a_damaged_run_is_not_judged(store: Store) -> None:
    (store.root / "main" / "int8.onnx").write_bytes(b"another file")
    with pytest.raises(InputError, match="is not the file that the run wrote"):
        again(store, max_size="35KB")


def test_other_data_or_another_model_is_not_judged(
    store: Store, main_report: Report, output: Path, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (40, 32, 32, 3), np.uint8)
    arrays = {"x_test": pixels, "y_test": np.arange(40) % 10}
    np.savez(tmp_path / "own.npz", **arrays)
    model = tmp_path / "own.keras"
    shutil.copyfile(output / "main" / "baseline.keras", model)
    options: dict[str, Any] = {
        "model": str(model), "data": str(tmp_path / "own.npz"), "quantize": "none",
        "formats": ("tflite",), "epochs": None, "name": "own",
    }  # fmt: skip
    again(store, **options)
    content = model.read_bytes()
    model.write_bytes(content + b"\0")
    with pytest.raises(InputError, match=r"own\.keras is not what it was made of any more"):
        again(store, **options, max_size="1MB")
    model.write_bytes(content)
    np.savez(tmp_path / "own.npz", **{**arrays, "x_test": pixels[::-1]})
    with pytest.raises(InputError, match=r"own\.npz is not what it was made of any more"):
        again(store, **options, max_size="1MB")
    np.savez(tmp_path / "own.npz", **arrays)
    assert again(store, **options, max_size="1MB")[0].outcome == "inconclusive"


@pytest.mark.quick
def test_a_run_of_own_code_that_changed_is_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its layers, or the function that trained it; a report from before knows no code."""
    monkeypatch.syspath_prepend(str(tmp_path))
    code = tmp_path / "own_training_code.py"
    code.write_text("def train(): ...\n")
    options = {"data": "digits", "name": "own"}
    plan = CompressOptions(**options).to_recipe()  # type: ignore[arg-type]
    baseline = plan.baseline.model_copy(update={"train": "own_training_code:train"})
    plan = plan.replace(baseline=baseline)
    assert REPORT.baseline is not None
    made_of = baseline.own_code.code_sha256()
    report = replace(REPORT, baseline=replace(REPORT.baseline, code_sha256=made_of))
    check_same_model(report, plan, tmp_path)
    code.write_text("def train(): return\n")
    with pytest.raises(InputError, match="own_training_code:train is not what it was made of"):
        check_same_model(report, plan, tmp_path)
    check_same_model(REPORT, plan, tmp_path)


@pytest.mark.quick
def test_a_run_of_another_teacher_is_not_judged(tmp_path: Path) -> None:
    """A better teacher in the same file was judged by the run of the one before."""
    teacher = tmp_path / "teacher.keras"
    teacher.write_bytes(b"a teacher")
    options: dict[str, Any] = {"data": "digits", "distil": True, "teacher": str(teacher)}
    recipe = CompressOptions(**options, name="own").to_recipe()
    assert REPORT.baseline is not None
    made_of = replace(REPORT.baseline, teacher_sha256=tree_sha256(teacher))
    report = replace(REPORT, baseline=made_of)
    check_same_model(report, recipe, tmp_path)
    teacher.write_bytes(b"a better teacher")
    with pytest.raises(InputError, match=r"teacher\.keras is not what it was made of any more"):
        check_same_model(report, recipe, tmp_path)
    check_same_model(REPORT, recipe, tmp_path)  # As an earlier version has written it.


def test_a_report_without_default_limits_is_read_as_it_was(store: Store) -> None:
    path = store.root / "main" / "report.json"
    table = json.loads(path.read_text())
    table["recipe"]["gates"] = {}
    table["gates"] = [each for each in table["gates"] if each["name"] == "conversion_difference"]
    table["baseline"].pop("sha256")
    path.write_text(json.dumps(table))
    report = read_report(path)
    assert report.outcome == "passed"
    assert [gate.name for gate in report.gates] == ["conversion_difference"] * 2
    with pytest.raises(InputError, match="exists already"):
        again(store, max_size="1MB")
