"""The loop of a search, with an engine that knows what comes of each recipe without running it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from known_search import (
    KnowingEngine,
    Searched,
    searched,
    steps,
)

from edgecv.core.errors import EdgecvError, InputError, StepError
from edgecv.pipeline.recipe.recipe import Recipe, parse_recipe

pytest.importorskip("optuna", reason='needs Optuna: pip install "edgecv[search]"')
pytestmark = pytest.mark.quick


def test_no_recipe_is_tried_twice_and_the_front_holds_its_limits(small: Searched) -> None:
    result, engine = small.result, small.engine
    assert len(set(steps(result))) == len(result.trials) == 16
    assert len(set(engine.names)) == len(engine.names)
    assert result.outcome == "passed"
    for point in result.front:
        assert point.figures.bytes <= 60_000
        assert point.trial.figures is not None
        assert point.trial.figures.lost_points <= 3
        assert point.outcome == "passed"
    sizes = [each.figures.bytes for each in result.front]
    assert sizes == sorted(sizes)


def test_the_first_trial_is_the_cheapest_and_the_rest_learn(small: Searched) -> None:
    result = small.result
    assert steps(result)[0] == "int8"
    late = [each for each in result.trials[8:] if each.figures]
    early = [each for each in result.trials[:8] if each.figures]
    fits = [
        sum(each.figures.bytes <= 60_000 for each in part) / len(part) for part in (early, late)
    ]  # type: ignore[union-attr]
    assert fits[1] > fits[0]


@pytest.mark.parametrize("sampler", ["tpe", pytest.param("nsga2", marks=pytest.mark.slow)])
def test_the_same_seed_gives_the_same_search_also_after_a_stop(
    sampler: str, tmp_path: Path
) -> None:
    first = searched(tmp_path / "a", sampler=sampler)
    engine = KnowingEngine(stop_after=15)
    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path / "b", engine, sampler=sampler)
    rest = KnowingEngine()
    again = searched(tmp_path / "b", rest, sampler=sampler)
    assert replace(again, folder=first.folder).trials == first.trials
    assert [each.trial for each in again.front] == [each.trial for each in first.front]
    assert not set(engine.names) & set(rest.names)
    other = searched(tmp_path / "c", sampler=sampler, seed=1)
    assert steps(other) != steps(first)


def test_a_trial_that_fails_is_kept_with_its_reason(tmp_path: Path) -> None:
    def fails(recipe: Recipe) -> EdgecvError | None:
        has_qat = any(each.name == "qat" for each in recipe.techniques)
        number = len(recipe.name)
        return StepError("qat", f"came to NaN in step {number}") if has_qat else None

    engine = KnowingEngine(fails)
    with pytest.raises(StepError, match=r"s: 3 trials failed alike: qat: came to NaN in step"):
        searched(tmp_path, engine)
    failed = [each for each in searched(tmp_path).trials if each.state == "failed"]
    assert len(failed) == 3
    assert failed[0].reason.startswith("qat: came to NaN in step")


def test_a_full_disk_is_no_fault_of_a_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials failed for want of space, and stayed failed when there was some again."""
    usage = shutil.disk_usage(tmp_path)

    def fails(recipe: Recipe) -> EdgecvError:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
        return StepError("model.keras", "cannot be written: No space left on device")

    with pytest.raises(StepError, match=r"has 0 MB of free space; free some space: the same comm"):
        searched(tmp_path, KnowingEngine(fails), trials=2)
    monkeypatch.undo()
    again = searched(tmp_path, trials=2)
    assert [each.state for each in again.trials] == ["finished"] * 2


def test_another_search_does_not_go_on_in_the_same_folder(tmp_path: Path) -> None:
    searched(tmp_path, trials=8)
    with pytest.raises(InputError, match=r"s: holds a search of another recipe; use another"):
        searched(tmp_path, trials=8, seed=1)
    path = tmp_path / "s/search.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "data": {}}))
    with pytest.raises(InputError, match=r"holds a search of another data; use another --name"):
        searched(tmp_path, trials=8)
    (tmp_path / "other/s").mkdir(parents=True)
    (tmp_path / "other/s/photo.png").touch()
    with pytest.raises(InputError, match="exists already, and is no search"):
        searched(tmp_path / "other", trials=8)


def test_only_recipes_that_learn_from_a_teacher_have_one(tmp_path: Path) -> None:
    (tmp_path / "teacher.keras").touch()
    (tmp_path / "more").mkdir()
    engine = KnowingEngine()
    searched(
        tmp_path, engine, teacher=tmp_path / "teacher.keras", unlabelled=tmp_path / "more", trials=8
    )
    kinds = set()
    for recipe in engine.recipes:
        learns = any(each.distillation is not None for each in recipe.techniques)
        assert (recipe.baseline.teacher is not None) == learns
        assert (recipe.settings.unlabelled is not None) == any(
            t.imitates for t in recipe.techniques
        )
        parse_recipe(recipe.table(), "again")
        kinds.add(learns)
    assert kinds == {False, True}
    with pytest.raises(InputError, match=r"--teacher none\.keras: does not exist"):
        searched(tmp_path / "other", teacher="none.keras")


def test_a_search_goes_on_with_other_limits(tmp_path: Path) -> None:
    before = searched(tmp_path, trials=8, max_size=60_000)
    engine = KnowingEngine()
    after = searched(tmp_path, engine, trials=8, max_size=30_000)
    assert steps(after) == steps(before)
    finished = [each for each in before.trials if each.state == "finished"]
    asked = [name for name in engine.names if name.endswith("-validation")]
    assert len(asked) == len(finished)  # Their runs are judged, and no other recipe is run.
    for one, other in zip(before.trials, after.trials, strict=True):
        assert one.figures == other.figures
        if other.figures is not None and other.state == "finished":
            assert (other.outcome == "passed") == (other.figures.bytes <= 30_000)
    assert [each.outcome for each in after.trials] != [each.outcome for each in before.trials]
    assert any(note.startswith("the limits were changed after") for note in after.notes)
    # The front was proven by the limits under which its recipes had been proposed.
    proven = [each.gates.max_bytes for each in engine.recipes if each.settings.judged_on == "test"]
    assert set(proven) == {30_000}
    again = KnowingEngine()
    searched(tmp_path, again, trials=8, max_size=30_000)
    assert not [name for name in again.names if name.endswith("-validation")]


def test_another_model_in_the_same_file_is_another_search(tmp_path: Path) -> None:
    """Trials of both were compared with each other."""
    model = tmp_path / "m.keras"
    model.write_bytes(b"a model")
    options = {"model": str(model), "trials": 1}
    searched(tmp_path / "out", **options)
    searched(tmp_path / "out", **options)
    identity = tmp_path / "out/s/search.json"
    former = {k: v for k, v in json.loads(identity.read_text()).items() if k != "model"}
    model.write_bytes(b"another model")
    with pytest.raises(InputError, match="holds a search of another model; use another --name"):
        searched(tmp_path / "out", **options)
    identity.write_text(json.dumps(former))  # As an earlier version has written it.
    searched(tmp_path / "out", **options)


def test_other_calibration_images_are_another_search(tmp_path: Path) -> None:
    searched(tmp_path, trials=1)
    identity = tmp_path / "s/search.json"
    before = json.loads(identity.read_text())
    other = {**before["data"], "calibration": "replaced"}
    identity.write_text(json.dumps({**before, "data": other}))
    with pytest.raises(InputError, match="holds a search of another data; use another --name"):
        searched(tmp_path, trials=1)
    del other["calibration"]  # As an earlier version has written it.
    identity.write_text(json.dumps({**before, "data": other}))
    searched(tmp_path, trials=1)


def test_other_code_of_layers_is_another_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials of repaired layers were those of before."""
    monkeypatch.chdir(tmp_path)
    code = tmp_path / "layers_of_a_search.py"
    code.write_text("class Own: pass\n")
    (tmp_path / "m.keras").write_bytes(b"a model")
    options = {"model": "m.keras", "custom_objects": ("layers_of_a_search:Own",), "trials": 1}
    searched(tmp_path / "out", **options)
    searched(tmp_path / "out", **options)
    identity = tmp_path / "out/s/search.json"
    former = {k: v for k, v in json.loads(identity.read_text()).items() if k != "code"}
    code.write_text("class Own:\n    repaired = True\n")
    with pytest.raises(InputError, match="holds a search of another code; use another --name"):
        searched(tmp_path / "out", **options)
    identity.write_text(json.dumps(former))  # As an earlier version has written it.
    searched(tmp_path / "out", **options)


def test_a_space_that_is_tried_out_ends_the_search(tmp_path: Path) -> None:
    engine = KnowingEngine()
    engine.unfit = ["student", "shrink", "distil", "equalize", "bias_correction", "adaround"]
    result = searched(tmp_path, engine)
    assert steps(result) == ["int8", "qat, int8"]
    assert "the whole space was tried" in result.notes


def test_a_sampler_that_proposes_one_recipe_again_and_again_does_not_end_the_search(
    tmp_path: Path,
) -> None:
    """51 times the same one of hundreds: "the whole space was tried", after 11 recipes."""
    result = searched(tmp_path, max_size=60_000, trials=24)
    assert len(result.trials) == 24
    assert "the whole space was tried" not in result.notes
