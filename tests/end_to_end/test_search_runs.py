"""Searches with real runs: found on validation images, proven on test images, resumed, repeated."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import edgecv
from edgecv.core.errors import InputError, StepError
from edgecv.core.events import Event
from edgecv.core.report import Report
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.search.auto import first_recipe, within
from edgecv.pipeline.search.front import SearchResult
from edgecv.pipeline.search.ladder import ladder
from edgecv.pipeline.search.trial import SearchTrial
from edgecv.reports.json_file import read_report
from edgecv.system.storage import check_seal

SHORT = {"epochs": 1, "batch": 128, "learning_rate": 0.0005}


@pytest.fixture(scope="module")
def model(output: Path, main_report: Report) -> Path:
    return output / "main" / "baseline.keras"


def searched(model: Path, folder: Path, **options: Any) -> SearchResult:
    pytest.importorskip("optuna", reason='needs Optuna: pip install "edgecv[search]"')
    given = {"data": "digits", "formats": "tflite", "max_drop": 5, "name": "s", "output": folder}
    return edgecv.search(model, **{**given, **SHORT, **options})


def test_a_search_gives_runs_that_stand_alone(model: Path, tmp_path: Path) -> None:
    result = searched(model, tmp_path, trials=1)
    (point,) = result.front
    assert (result.outcome, point.trial.steps) == ("passed", "int8")
    folder = Path(point.folder)
    check_seal(folder)
    tested = read_report(folder)
    validated = read_report(tmp_path / "s/s-000-validation")
    splits = validated.data.splits
    assert splits["test"] == splits["validation"] == tested.data.splits["validation"]
    assert tested.data.splits["test"] != splits["test"]
    assert point.figures.images == tested.data.splits["test"].images
    assert any(each.startswith("judged on the validation images") for each in validated.notes)
    assert any(each.startswith("found by a search") for each in tested.notes)
    assert Path(f"{folder}.lock").is_file()


@pytest.mark.slow
def test_each_point_of_the_front_is_repeated_alone(model: Path, tmp_path: Path) -> None:
    (point,) = searched(model, tmp_path, trials=1).front
    folder = Path(point.folder)
    gates = edgecv.gate(folder, against=Path(f"{folder}.lock")).gates
    # Files that are timed for a moment may seem slower.
    assert {each.outcome for each in gates if each.name != "accepted_speedup"} == {"passed"}
    (file,) = [each.name for each in folder.glob("int8.*")]
    alone = edgecv.compress(recipe=folder / "recipe.toml", output=tmp_path / "alone")
    assert (tmp_path / "alone" / alone.name / file).read_bytes() == (folder / file).read_bytes()
    validated = read_report(tmp_path / "s/s-000-validation")
    again = edgecv.validate(tmp_path / "s/s-000-validation", threads=1)
    assert again.data.splits["test"].sha256 == validated.data.splits["test"].sha256


def test_auto_stops_at_the_first_recipe_that_holds(model: Path, tmp_path: Path) -> None:
    report = edgecv.compress(
        model, data="digits", formats="tflite", max_drop=5, auto=True, output=tmp_path, name="a"
    )
    assert report.outcome == "passed"
    assert report.recipe["remark"].startswith(
        "chosen by --auto among 1 recipe on 135 validation images: the first that holds"
    )
    assert report.data.splits["test"].images == 450
    assert [each.name for each in (tmp_path / "a-trials").iterdir()] == ["a-000-validation"]
    with pytest.raises(InputError, match=r"max_drop=1: cannot be shown on 135 validation images"):
        edgecv.compress(
            model, data="digits", auto=True, max_drop=1, output=tmp_path, name="b", epochs=1
        )
    assert not (tmp_path / "b-trials").exists()
    with pytest.raises(InputError, match=r"qat=.*: cannot be given beside auto"):
        edgecv.compress(model, data="digits", auto=True, qat=True, output=tmp_path)
    with pytest.raises(InputError, match=r"a: exists already"):
        edgecv.compress(model, data="digits", auto=True, output=tmp_path, name="a")


def test_a_recipe_beside_auto_chooses_no_technique(tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    text = (
        'name = "r"\n[data]\nsource = "digits"\nvalidation = 0.4\n[[export]]\nformat = "tflite"\n'
    )
    recipe.write_text(f'{text}precision = "int8"\n')
    base = first_recipe(CompressOptions(recipe=str(recipe), auto=True))
    assert (base.name, base.data.validation) == ("r-auto", 0.4)
    for more, found in (
        ('precision = "int8"\n[[technique]]\ntechnique = "qat"', r"has \[\[technique\]\]"),
        ('precision = "int8"\n[search]\n', r"has \[search\]"),
        ('precision = "float16"', "has float16"),
    ):
        recipe.write_text(f"{text}{more}\n")
        with pytest.raises(InputError, match=f"{found}, and --auto chooses"):
            first_recipe(CompressOptions(recipe=str(recipe), auto=True))


def test_flags_of_a_training_bound_those_of_auto() -> None:
    model = "tests/none.keras"
    options = CompressOptions(model=model, data="digits", auto=True, epochs=2, formats="tflite")
    base = first_recipe(options)
    epochs = {
        each.epochs
        for r in ladder(base, options.training)
        for t in r.techniques
        for each in t.trainings
    }
    assert epochs == {2}


@pytest.mark.slow
def test_a_limit_that_cannot_be_shown_is_refused_before_anything_is_written(
    model: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"max_drop=1: cannot be shown on 135 validation images"):
        searched(model, tmp_path, max_drop=1)
    assert not (tmp_path / "s").exists()


@pytest.mark.slow
def test_a_finished_search_is_judged_by_other_limits(model: Path, tmp_path: Path) -> None:
    first = searched(model, tmp_path, trials=1)
    validated = tmp_path / "s/s-000-validation"
    before = read_report(validated)
    second = searched(model, tmp_path, trials=1, max_size=3000)
    assert (first.outcome, second.outcome) == ("passed", "failed")
    after = read_report(validated)
    check_seal(validated)
    assert after.comparisons == before.comparisons
    assert after.recipe["gates"]["max_bytes"] == 3000
    third = searched(model, tmp_path, trials=1)
    assert (third.outcome, [each.trial.number for each in third.front]) == ("passed", [0])


def test_a_recipe_ends_at_the_first_event_after_its_time() -> None:
    seen: list[Event] = []
    within(seen.append, time.monotonic() + 60, 1)(Event("epoch", "first"))
    with pytest.raises(StepError, match=r"--minutes 1: were over before it had ended"):
        within(seen.append, time.monotonic() - 1, 1)(Event("epoch", "second"))
    assert [each.message for each in seen] == ["first", "second"]


@pytest.mark.slow
def test_auto_begins_nothing_once_its_time_is_over(model: Path, tmp_path: Path) -> None:
    report = edgecv.compress(
        model, data="digits", formats="tflite", max_drop=5, max_size=3000, auto=True,
        minutes=0.001, output=tmp_path,
    )  # fmt: skip
    assert "chosen by --auto among 1 recipe on 135" in report.recipe["remark"]
    assert report.outcome == "failed"


@pytest.mark.slow
def test_auto_gives_the_nearest_where_nothing_holds(model: Path, tmp_path: Path) -> None:
    report = edgecv.compress(
        model, data="digits", formats="tflite", max_drop=5, max_size=9000, epochs=1, auto=True,
        output=tmp_path,
    )  # fmt: skip
    assert report.outcome == "failed"
    assert "none holds all limits there, and this one came nearest" in report.recipe["remark"]


def essence(trials: tuple[SearchTrial, ...]) -> dict[str, Any]:
    """Return what does not differ from one measurement to the next."""
    found = {}
    for each in trials:
        figures = each.figures and replace(each.figures, median_us=None, speedup=None)
        found[each.steps] = (each.number, each.state, each.outcome, figures)
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_children")
def test_a_killed_search_ends_as_if_it_had_not_been_with_one_or_two_workers(
    model: Path, tmp_path: Path
) -> None:
    whole = searched(model, tmp_path / "whole", trials=8, generation=4, workers=1)
    two = searched(model, tmp_path / "two", trials=8, generation=4, workers=2)
    command = [
        sys.executable, "-m", "edgecv", "search", str(model), "--data", "digits", "--format",
        "tflite", "--max-drop", "5", "--trials", "8", "--generation", "4", "--name", "s",
        "--output", str(tmp_path / "killed"), "--epochs", "1", "--batch", "128", "--lr", "0.0005",
    ]  # fmt: skip
    for seconds in (12, 20, 28):
        with subprocess.Popen(command, start_new_session=True) as running:
            time.sleep(seconds)
            os.killpg(running.pid, signal.SIGKILL)
    killed = searched(model, tmp_path / "killed", trials=8, generation=4)
    assert essence(killed.trials) == essence(whole.trials) == essence(two.trials)
    assert {each.trial.steps for each in killed.front} & {each.trial.steps for each in whole.front}
