"""Which recipes are trained in full, which are left out, which have a control."""

from pathlib import Path

import pytest
from known_search import KnowingEngine, screened, searched, steps

from edgecv.evaluation.limits import Limits
from edgecv.pipeline.search.halving import promising

pytest.importorskip("optuna", reason='needs Optuna: pip install "edgecv[search]"')
pytestmark = pytest.mark.quick


def test_half_of_what_trains_is_trained_in_full(tmp_path: Path) -> None:
    engine = KnowingEngine()
    result = searched(tmp_path, engine, generation=8, trials=8)
    on_a_part = [each for each in engine.names if each.endswith("-screening")]
    states = [each.state for each in result.trials]
    assert len(on_a_part) == sum(each.trains for each in result.trials)
    assert states.count("screened") == len(on_a_part) // 2
    assert all(each.screened is None for each in result.trials if not each.trains)
    whole = KnowingEngine()
    searched(tmp_path / "whole", whole, generation=8, trials=8, screening=1.0)
    assert not [each for each in whole.names if each.endswith("-screening")]


def test_what_trains_nothing_is_tried_before_anything_is_trained(tmp_path: Path) -> None:
    """Recipes were screened for half an hour before the plain file was looked at."""
    engine = KnowingEngine()
    result = searched(tmp_path, engine)
    first = [each for each in result.trials if each.generation == 0]
    assert [each.trains for each in first] == [False] * 3
    assert engine.names[:3] == [f"s-{number:03d}-validation" for number in range(3)]


def test_recipes_as_wide_as_a_file_that_is_far_too_large_are_not_tried(tmp_path: Path) -> None:
    """An hour had six minutes of qat, whose file has the bytes and the time of the plain one."""
    result = searched(tmp_path, max_size=60_000)
    assert steps(result)[:4] == [
        "int8", "equalize, bias_correction, int8", "adaround, int8",
        "student plain_cnn, int8",
    ]  # fmt: skip
    for each in steps(result)[3:]:
        assert "shrink" in each or "student" in each
    assert any(note.startswith("the file of trial 0 is clearly larger") for note in result.notes)
    # A little too large is no reason: trainings move a file's bytes a little.
    assert "qat, int8" in steps(searched(tmp_path / "near", max_size=80_000))
    slow = searched(tmp_path / "slow", min_speedup=3)  # The plain file is twice as fast.
    assert "qat, int8" not in steps(slow)
    # Limits that no longer exclude them bring them back.
    relaxed = searched(tmp_path, max_size=120_000, trials=20)
    assert "qat, int8" in steps(relaxed)[16:]


def test_a_control_is_trained_for_what_holds_its_limits_without_one(tmp_path: Path) -> None:
    """Each trial trained its control, for as long as its recipe, also where its file had failed."""
    engine = KnowingEngine()
    result = searched(tmp_path, engine)
    held = [
        f"s-{each.number:03d}-control"
        for each in result.trials
        if each.trains and each.outcome == "passed"
    ]
    assert sorted(name for name in engine.names if name.endswith("-control")) == held != []
    for recipe in engine.recipes:
        has_trained = any(each.trainings for each in recipe.techniques)
        is_proof = recipe.settings.judged_on == "test"
        assert (recipe.settings.control == "off") == (has_trained and not is_proof)
    without = KnowingEngine()
    searched(tmp_path / "off", without, control="off")
    assert not [name for name in without.names if name.endswith("-control")]


def test_what_former_limits_have_excluded_is_taken_up_again(tmp_path: Path) -> None:
    before = searched(tmp_path, trials=8, max_size=35_000)
    excluded = {
        each.number
        for each in before.trials
        if each.state == "screened" and each.screened and each.screened.bytes > 35_000
    }
    assert excluded
    after = searched(tmp_path, trials=8, max_size=60_000)
    assert {each.number for each in after.trials if each.state == "finished"} & excluded


def test_the_most_promising_recipe_is_trained_in_full_first(tmp_path: Path) -> None:
    engine = KnowingEngine()
    result = searched(tmp_path, engine, generation=16, trials=16)
    numbers = [int(each.split("-")[1]) for each in engine.names if each.endswith("-validation")]
    screened = [each for each in result.trials if each.screened is not None]
    best = [each.number for each in promising(screened, Limits(max_drop_points=3))]
    assert numbers[-len(best) :] == best != sorted(best)


def test_what_training_cannot_bring_within_limits_is_not_trained_in_full() -> None:
    """An hour went into recipes whose files were too slow by half, whatever their accuracy."""
    slow, near, fast, large = (
        screened(0, -0.2, 100, 20.0, 2.9),
        screened(1, -4.0, 90, 12.0, 4.25),
        screened(2, -5.0, 80, 9.0, 6.0),
        screened(3, 0.0, 200, 9.0, 6.0),
    )
    trials = [slow, near, fast, large]
    limits = Limits(max_drop_points=1, min_speedup=5, max_bytes=150)
    assert [each.number for each in promising(trials, limits)] == [2]
    assert [each.number for each in promising(trials, Limits(max_latency_us=10))] == [3, 2]
    assert [each.number for each in promising([slow, large], limits)] == [0]  # The nearest.
    assert len(promising(trials, Limits())) == 2
