"""The time that trials take: what fits into a budget, what a plan says before."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from known_search import (
    LOOKED,
    KnowingEngine,
    report_of,
    searched,
)

from edgecv.core.errors import InputError
from edgecv.core.report import TrainingCurve
from edgecv.pipeline.recipe.parts import TeacherNetwork
from edgecv.pipeline.search.estimate import cost_of, seconds_left_of, too_short
from edgecv.pipeline.search.options import SearchOptions, judged_on_validation
from edgecv.pipeline.search.plan import SearchPlan
from edgecv.pipeline.search.space import first_recipes, space_of
from edgecv.pipeline.search.trial import SearchTrial

pytest.importorskip("optuna", reason='needs Optuna: pip install "edgecv[search]"')
pytestmark = pytest.mark.quick


def test_a_trial_that_would_not_end_in_time_is_said_and_not_begun(tmp_path: Path) -> None:
    engine = KnowingEngine()
    result = searched(tmp_path, engine, minutes=0.1, trials=8)
    assert [name for name in engine.names if name.count("-") > 1] == [
        f"s-{number:03d}-validation" for number in range(3)
    ]
    expected = (
        r"2 trials would not .*: trial 3, qat, int8, takes about \d+ seconds, and 5 seconds are"
    )
    assert any(re.match(expected, note) for note in result.notes)
    again = searched(tmp_path, minutes=60, trials=8)
    assert [each.state for each in again.trials].count("proposed") == 0


def test_the_time_of_a_training_follows_from_its_screening() -> None:
    asked = SearchOptions(data="digits", formats="tflite", trials=10)
    base = asked.to_recipe()
    qat = next(each for each in first_recipes(space_of(base), base, {}) if each.trains).recipe
    new = SearchTrial.proposed(qat, 0, generation=0, proposal=0)
    epochs = ({"epoch": 1, "seconds": 20.0}, {"epoch": 2, "seconds": 30.0})
    curves = [TrainingCurve(name, epochs) for name in ("baseline", "teacher", "qat")]
    part = judged_on_validation(base, qat, "s-000-screening", 0.25, has_control=False)
    report = replace(report_of(part), trainings=tuple(curves))
    trial = new.with_report(report, part)
    assert trial.screened_s == 50
    before, after = (seconds_left_of(each, asked, LOOKED, []) for each in (new, trial))
    steps = sum(t.total_epochs(4000) * (4000 // t.batch) for t in qat.techniques[0].trainings)
    assert before == pytest.approx(1.25 * steps * 0.01 * 3.5 + 30)
    assert after == 4 * 50 + 15
    assert seconds_left_of(trial, asked, LOOKED, [replace(trial, state="finished")]) == 15
    # Where nothing is screened, a training in full tells how long others take.
    whole = judged_on_validation(base, qat, "s-000-validation", has_control=False)
    done = new.with_report(replace(report_of(whole), trainings=tuple(curves)), whole)
    in_full = asked.model_copy(update={"screening": 1.0})
    training = {"epochs": 2 * qat.techniques[0].trainings[0].total_epochs(4000)}
    longer = next(each for each in first_recipes(space_of(base), base, training) if each.trains)
    twice = SearchTrial.proposed(longer.recipe, 1, generation=0, proposal=1)
    assert done.training_s == 50
    assert seconds_left_of(twice, in_full, LOOKED, [done]) == pytest.approx(2 * 50 + 15)
    narrow = next(
        each for each in first_recipes(space_of(base), base, {}) if each.places.get("shrink")
    )
    other = SearchTrial.proposed(narrow.recipe, 1, generation=0, proposal=1)
    assert seconds_left_of(new, asked, LOOKED, [trial]) == pytest.approx(1.25 * 4 * 50 + 30)
    alone = seconds_left_of(other, asked, LOOKED, [])
    assert seconds_left_of(other, asked, LOOKED, [trial]) == alone


def test_a_generation_is_as_large_as_the_time_that_is_left(tmp_path: Path) -> None:
    """An hour went by while eight recipes were tried on a part of the images."""
    whole, short = (
        searched(tmp_path / f"{minutes}", minutes=minutes, trials=16) for minutes in (600, 4)
    )
    assert sum(each.generation == 1 for each in whole.trials) == 8
    assert 2 <= sum(each.generation == 1 for each in short.trials) < 8


def test_a_time_that_is_too_short_counts_the_opening_of_model_and_data() -> None:
    """0.001 minutes were over after 70 s, and 1 was said to be enough."""
    asked = SearchOptions(data="digits", formats="tflite", minutes=0.001)
    base = asked.to_recipe()
    error = too_short(asked, base, space_of(base), LOOKED, 600.0)
    assert int(str(error.accepted).partition(" ")[0]) >= 11


def test_time_that_is_over_begins_no_trial(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--minutes 1e-09: was over after 0 s, before a recipe"):
        searched(tmp_path, minutes=1e-9, trials=None)
    assert searched(tmp_path, minutes=0.05, trials=8).trials != ()


def test_the_plan_grows_with_the_budget() -> None:
    asked = SearchOptions(data="digits", formats="tflite", trials=10)
    base = asked.to_recipe()
    space = space_of(base)
    few, many = (
        cost_of(asked.model_copy(update={"trials": each}), base, space, LOOKED, 1)
        for each in (10, 100)
    )
    assert many.seconds == pytest.approx(10 * few.seconds)
    assert many.bytes == 10 * few.bytes
    assert cost_of(asked, base, space, LOOKED, 2).seconds == pytest.approx(few.seconds / 2)
    whole = cost_of(asked.model_copy(update={"screening": 1.0}), base, space, LOOKED, 1)
    assert whole.seconds > few.seconds
    text = SearchPlan(asked, base, space, LOOKED, 2, {"qat": "no layer"}).text
    assert "- shrink: keep 0.15 to 0.9" in text
    table = SearchPlan(asked, base, space, LOOKED, 2, {"qat": "no layer"}).table
    assert json.loads(json.dumps(table))["first"][0] == "int8"
    assert table["left_out"] == {"qat": "no layer"}
    assert "- not qat: no layer" in text
    assert "10 recipes at most, 2 workers: about" in text
    assert "float32" not in text
    half = asked.model_copy(update={"model": "a.keras", "mixed_precision": "bfloat16"})
    said = SearchPlan(half, base, space, LOOKED, 2, {}).text
    assert "the time of steps in float32: in bfloat16 they may take several times as long" in said


def test_a_plan_by_minutes_counts_the_trials_that_fit() -> None:
    """An hour was said to take 39 GB: as if all recipes that may begin were tried."""
    asked = SearchOptions(data="digits", formats="tflite", minutes=60)
    base = asked.to_recipe()
    space = space_of(base)
    hour, two = (
        cost_of(asked.model_copy(update={"minutes": each}), base, space, LOOKED, 1)
        for each in (60, 120)
    )
    assert (hour.seconds, two.seconds) == (3600, 7200)
    assert two.bytes == pytest.approx(2 * hour.bytes, rel=0.1)
    one = cost_of(asked.model_copy(update={"minutes": None, "trials": 1}), base, space, LOOKED, 1)
    assert hour.bytes <= (3600 / one.seconds + 1) * one.bytes
    text = SearchPlan(asked, base, space, LOOKED, 1, {}).text
    assert "As many recipes as end within 60 minutes, 1 worker: about 1.0 hours" in text
    assert "plain_cnn (filters 8 8 16 16 16 32)" in text
    assert "{" not in text


def test_a_plan_names_what_is_trained_before_the_first_trial() -> None:
    """A model that is there was said to be trained first."""
    asked = SearchOptions(data="digits", formats="tflite", trials=1)
    base = asked.to_recipe()
    taught = base.baseline.model_copy(
        update={"teacher": TeacherNetwork.model_validate({"network": {"architecture": "ds_cnn"}})}
    )
    brought = base.baseline.model_copy(update={"model": "m.keras"})
    for baseline, sentence in (
        (base.baseline, " What is not stored is trained first: the baseline.\n"),
        (taught, " What is not stored is trained first: the baseline and the teacher.\n"),
        (brought, f" MB in {asked.output}.\n"),
    ):
        plan = SearchPlan(asked, base.replace(baseline=baseline), space_of(base), LOOKED, 1, {})
        assert plan.text.endswith(sentence)
