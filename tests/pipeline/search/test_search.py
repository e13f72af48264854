"""The loop of a search, with an engine that knows what comes of each recipe without running it."""

import json
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from small_report import COMPARISON, REPORT, STATISTICS, TWIN

from edgecv import cli
from edgecv.core.errors import EdgecvError, InputError, StepError
from edgecv.core.paired_results import NoWorse, PairedAccuracy
from edgecv.core.plugins import Technique
from edgecv.core.registry import TASKS
from edgecv.core.report import Gate, Outcome, Report, SplitFacts, TrainingCurve
from edgecv.evaluation.limits import Limits
from edgecv.pipeline.recipe.parts import TeacherNetwork
from edgecv.pipeline.recipe.recipe import Recipe, parse_recipe
from edgecv.pipeline.search.checks import other_environment
from edgecv.pipeline.search.engines.contract import (
    Further,
    MayBegin,
    ModelAndData,
    always,
    no_further,
)
from edgecv.pipeline.search.estimate import cost_of, seconds_left_of, too_short
from edgecv.pipeline.search.front import (
    FrontPoint,
    SearchResult,
    dominates,
    front_of,
    held_limits,
    limits_note,
    nearest,
    to_markdown,
    violations,
)
from edgecv.pipeline.search.halving import promising
from edgecv.pipeline.search.journal import drop_cut_line
from edgecv.pipeline.search.limit_checks import check_reachable
from edgecv.pipeline.search.options import SearchOptions, judged_on_validation
from edgecv.pipeline.search.plan import SearchPlan
from edgecv.pipeline.search.recipe_search import RecipeSearch
from edgecv.pipeline.search.search import known_trials
from edgecv.pipeline.search.space import first_recipes, space_of
from edgecv.pipeline.search.trial import SearchTrial, TrialFigures
from edgecv.pipeline.search.trial_lines import status_table, status_text
from edgecv.reports.files import write_reports
from edgecv.system.environment import environment
from edgecv.system.storage import Store

pytest.importorskip("optuna", reason='needs Optuna: pip install "edgecv[search]"')
pytestmark = pytest.mark.quick

LOOKED = ModelAndData(
    images={"train": 4000, "calibration": 500, "validation": 1000, "test": 2000},
    sha256={"train": "a", "validation": "b", "test": "c"},
    has_labels=True,
    unfit=[],
    least_parameters=[],
    parameters=100_000,
    seconds_a_step=0.01,
)
Fails = Callable[[Recipe], EdgecvError | None]


def report_of(recipe: Recipe) -> Report:
    """Return what a run would give: smaller networks have lost more."""
    names = [each.name for each in recipe.techniques]
    keep = next(
        (each.model_dump()["keep"] for each in recipe.techniques if each.name == "shrink"), 1
    )
    points = -4 * (1 - keep) ** 2 - 0.4 + 0.3 * ("qat" in names) + 0.2 * ("adaround" in names)
    points += 0.2 * ("distil" in names) - 1.5 * ("student" in names)
    points -= recipe.settings.train_fraction < 1
    difference = PairedAccuracy(
        1000, 900, 10, 20, 70, 0.1, points, (points - 0.5, points + 0.5), NoWorse(1, "yes")
    )
    size = int(100_000 * keep * (0.4 if "student" in names else 1))
    lost = 0.5 - points if recipe.gates.drop_on == "bound" else -points
    most, limit = recipe.gates.max_bytes or size, recipe.gates.max_drop_points
    file = replace(
        COMPARISON,
        statistics=replace(STATISTICS, accuracy=difference, scores=None),
        artifact=replace(COMPARISON.artifact, bytes=size),
        latency=replace(COMPARISON.latency, median_us=50 * keep),
        speedup=2 / keep,
    )
    holds = size <= most and (not isinstance(limit, int | float) or lost <= limit)
    outcome: Outcome = "passed" if holds else "failed"
    return replace(
        REPORT,
        data=replace(REPORT.data, splits={"test": SplitFacts(1000, "0")}),
        comparisons=(replace(TWIN, artifact=replace(TWIN.artifact, precision="float32")), file),
        gates=(Gate("max_drop_points", file.artifact.path, 3.0, lost, outcome),),
        outcome=outcome,
    )


class KnowingEngine:
    """Gives the report of a recipe at once, and counts what it was asked for."""

    workers = 1

    def __init__(self, fails: Fails = lambda recipe: None, stop_after: int = 10**9) -> None:
        self.names: list[str] = []
        self.recipes: list[Recipe] = []
        self.unfit: list[str] = []
        self.least = {"shrink": 2250, "student": 0}
        self.fails, self.stop_after = fails, stop_after

    def look(self, recipe: Recipe, candidates: Sequence[Technique]) -> ModelAndData:
        unfit = ["no" if each.name in self.unfit else "" for each in candidates]
        least = [self.least.get(each.name, LOOKED.parameters) for each in candidates]
        return replace(LOOKED, unfit=unfit, least_parameters=least)

    def submit(
        self, recipe: Recipe, may_begin: MayBegin = always, further: Further = no_further
    ) -> Future[Report | None]:
        future: Future[Report | None] = Future()
        if len(self.names) == self.stop_after:
            future.set_exception(KeyboardInterrupt())
        elif not may_begin():
            future.set_result(None)
        else:
            self.names.append(recipe.name)
            self.recipes.append(recipe)
            if error := self.fails(recipe):
                future.set_exception(error)
            elif after := further(report := report_of(recipe)):
                self.names.append(after.name)
                future.set_result(report_of(after))
            else:
                future.set_result(report)
        return future

    def close(self) -> None:
        pass


def searched(folder: Path, engine: KnowingEngine | None = None, **options: Any) -> SearchResult:
    given = {"data": "digits", "formats": "tflite", "max_drop": 3, "trials": 16, "name": "s"}
    asked = SearchOptions(output=folder, **{**given, **options})
    base, store = asked.to_recipe(), Store(folder, "s")
    search = RecipeSearch(asked, base, store, engine or KnowingEngine(), lambda event: None)
    return search.run(*search.look())


def status(asked: SearchOptions) -> str:
    return status_text(*known_trials(asked))


def steps(result: SearchResult) -> list[str]:
    return [each.steps for each in result.trials]


@dataclass(frozen=True)
class Searched:
    folder: Path
    engine: KnowingEngine
    result: SearchResult


@pytest.fixture(scope="module")
def small(
    tmp_path_factory: pytest.TempPathFactory, blank_pictures: Callable[[Any], bytes]
) -> Searched:
    folder, engine = tmp_path_factory.mktemp("search"), KnowingEngine()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgecv.reports.png.drawn", blank_pictures)
        return Searched(folder, engine, searched(folder, engine, max_size=60_000))


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


def test_the_pages_of_a_search_say_what_choosing_costs(small: Searched) -> None:
    for name in ("front.md", "front.json", "front.png", "front.html"):
        assert (small.folder / "s" / name).stat().st_size > 100
    page = (small.folder / "s/front.md").read_text()
    assert "16 recipes tried on validation images" in page
    assert "the best of many looks better there than it is" in page
    table = json.loads((small.folder / "s/front.json").read_text())
    assert table["outcome"] == "passed"
    assert [each["trial"]["number"] for each in table["front"]] == [
        each.trial.number for each in small.result.front
    ]


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


def test_half_of_what_trains_is_trained_in_full(tmp_path: Path) -> None:
    engine = KnowingEngine()
    result = searched(tmp_path, engine, generation=8, trials=8)
    screened = [each for each in engine.names if each.endswith("-screening")]
    states = [each.state for each in result.trials]
    assert len(screened) == sum(each.trains for each in result.trials)
    assert states.count("screened") == len(screened) // 2
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


def test_the_nearest_is_said_where_nothing_holds(tmp_path: Path) -> None:
    result = searched(tmp_path, max_size=3000, trials=4)
    assert (result.front, result.outcome) == ((), "failed")
    assert result.nearest is not None
    page = to_markdown(result)
    assert "No recipe holds all limits. The nearest, trial" in page
    assert re.search(r"on 1,000 validation images: \w+.* \d.*, limit 3", page)
    assert "bytes" in page


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
    again = KnowingEngine()
    searched(tmp_path, again, trials=8, max_size=30_000)
    assert not [name for name in again.names if name.endswith("-validation")]


def test_a_size_below_the_weights_of_every_recipe_is_refused(tmp_path: Path) -> None:
    engine = KnowingEngine()
    engine.unfit = ["student"]
    with pytest.raises(InputError, match=r"--max-size 1,000 bytes: is reached by no recipe of the"):
        searched(tmp_path, engine, max_size=1000)
    assert not engine.names
    with pytest.raises(InputError, match=r"the space: shrink keep 0\.15 has 2,250 parameters or"):
        searched(tmp_path, engine, max_size=1000)
    searched(tmp_path / "a student of unknown size", max_size=1000, trials=1)
    engine.unfit, engine.least["student"] = [], 2000
    with pytest.raises(InputError, match=r"student network .* has 2,000 parameters or more"):
        searched(tmp_path, engine, max_size=1000)
    engine.unfit = ["student", "shrink"]
    with pytest.raises(InputError, match=r"or more, which in int8 take about 100,000 bytes"):
        searched(tmp_path, engine, max_size=99_999)


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


def test_a_drop_that_no_file_could_be_shown_to_hold_is_refused() -> None:
    base = SearchOptions(data="digits").to_recipe()
    strict = base.replace(gates=Limits(max_drop_points=1.0))
    few = {"train": 1010, "calibration": 202, "validation": 135}
    many = {"train": 10, "calibration": 2, "validation": 1000}
    expected = (
        r"--max-drop 1: cannot be shown on 135 validation images.* may still lose 2\.77 points.*"
        r"accepted: 2\.77 or more here, or 381 validation images; give a larger --max-drop, or a"
        r" recipe with \[data\] validation = 0\.29$"
    )
    with pytest.raises(InputError, match=expected):
        check_reachable(strict, few, has_labels=True)
    check_reachable(strict, many, has_labels=True)
    check_reachable(strict, {**few, "validation": 381}, has_labels=True)
    check_reachable(base, few, has_labels=True)
    check_reachable(base.replace(gates=Limits(max_drop_points=2.77)), few, has_labels=True)
    with pytest.raises(InputError, match=r"has no labels, and trials are compared by their"):
        check_reachable(base, few, has_labels=False)
    # No fraction is enough, or the fraction is not what has chosen them.
    with pytest.raises(InputError, match=r"more images: no fraction below 0\.5 of these 600"):
        check_reachable(
            strict, {"train": 480, "calibration": 60, "validation": 60}, has_labels=True
        )
    with pytest.raises(InputError, match=r"give a larger --max-drop, or more validation images$"):
        check_reachable(strict, {**few, "validation": 300}, has_labels=True)


def test_the_default_limit_is_held_and_said(tmp_path: Path) -> None:
    figures = TrialFigures(1000, -2.5, 3.5, 100, 90, 0, None, None)
    assert violations(figures, Limits())["max_drop_points"] == pytest.approx(0.005)
    assert "max_drop_points" not in violations(figures, Limits(max_drop_points="none"))
    result = searched(tmp_path, max_drop=None, max_size=60_000, trials=1)
    assert result.limits == {"max_class_drop_points": 20.0, "max_bytes": 60_000}
    base = SearchOptions(data="digits", max_size=60_000).to_recipe()
    assert held_limits(base)["max_drop_points"] == 2.0
    expected = "limits of all trials and of the front: points lost 2 (default), points lost by the"
    assert limits_note(base).startswith(expected)
    assert limits_note(base).endswith("20 (default), bytes 60,000")
    for task, held in (("segmentation", 20.0), ("regression", None)):
        other = base.replace(task=TASKS.parse({"task": task}, "test"))
        assert held_limits(other).get("max_class_drop_points") == held


def test_a_point_of_the_front_is_beaten_by_none() -> None:
    one = TrialFigures(1000, 0.0, 0.5, 100, 90, 0, 10.0, 2.0)
    assert dominates(one, replace(one, bytes=101))
    assert dominates(one, replace(one, median_us=10.4))
    assert not dominates(one, replace(one, bytes=101, median_us=9.0))
    # A slower one within the noise of a time loses by its bytes alone.
    assert dominates(replace(one, median_us=10.2), replace(one, bytes=101))
    assert not dominates(one, one)
    assert front_of([]) == []


def finished(number: int, figures: TrialFigures) -> SearchTrial:
    known = {"state": "finished", "figures": figures, "outcome": "passed"}
    return SearchTrial(number, 0, number, "steps", str(number), {}, True, **known)


def test_files_that_are_equal_are_one_point_of_the_front() -> None:
    """Three recipes of the same figures were three points, each run on the test images."""
    one = TrialFigures(1000, 0.0, 0.5, 100, 90, 0, 10.0, 2.0)
    equal = [finished(number, replace(one, median_us=10 + number / 10)) for number in range(3)]
    assert [each.number for each in front_of(equal[::-1])] == [0]
    faster = finished(3, replace(one, median_us=9.0))
    assert [each.number for each in front_of([*equal, faster])] == [3]


def test_what_no_point_of_the_front_beats_is_on_it() -> None:
    """0 beats 1 and 1 beats 2, each within the noise of a time: 2 is faster than 0 by more."""
    one = TrialFigures(1000, 0.0, 0.5, 100, 90, 0, 10.0, 2.0)
    chain = [
        finished(number, replace(one, bytes=100 + number, median_us=10 / 1.025**number))
        for number in range(3)
    ]
    assert [each.number for each in front_of(chain)] == [0, 2]


def test_tables_say_gains_and_losses_by_their_sign() -> None:
    """A recipe that gains 4.14 points at least stood there as "may lose -4.14"."""
    gains = TrialFigures(1000, 5.2, -4.14, 100, 90, 0, 10.0, 2.0)
    loses = replace(gains, points=-0.3, lost_points=0.8)
    trials = [finished(0, gains), finished(1, loses), finished(2, replace(gains, lost_points=0.0))]
    table = status_text("s", trials)
    assert "| points | at worst |" in table
    rows = [line.split(" | ")[3:5] for line in table.splitlines()[-3:]]
    assert rows == [["+5.20", "+4.14"], ["-0.30", "-0.80"], ["+5.20", "+0.00"]]
    points = tuple(FrontPoint(each, "s-000", each.figures, "passed") for each in trials[:2])
    page = to_markdown(SearchResult("s", "s", {}, tuple(trials), points, None, ()))
    assert "| points | at worst |" in page
    assert "| +5.20 | +4.14 |" in page
    assert "| -0.30 | -0.80 |" in page


def test_the_nearest_counts_a_limit_on_the_latency() -> None:
    one = TrialFigures(1000, 0.0, 0.5, 100, 90, 0, 40.0, 2.0)
    found = [("slow", one), ("near", replace(one, bytes=120, median_us=11.0))]
    assert nearest(found, Limits(max_latency_us=10, max_bytes=110)) == "near"


def test_a_front_of_former_limits_leaves_no_page(tmp_path: Path) -> None:
    searched(tmp_path, trials=2)
    assert (tmp_path / "s/front.html").is_file()
    searched(tmp_path, trials=2, max_size=5000)
    assert not (tmp_path / "s/front.html").exists()


def test_what_is_known_is_shown_while_a_search_runs(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path, KnowingEngine(stop_after=9))
    asked = SearchOptions(data="digits", max_drop=3, name="s", output=tmp_path)
    text = status(asked)
    assert text.startswith("s: ")
    assert "of 11 recipes that were proposed are done" in text
    assert "| 0 | int8 | " in text
    table = json.loads(json.dumps(status_table(*known_trials(asked))))
    assert (table["name"], table["trials"][0]["steps"]) == ("s", "int8")
    with pytest.raises(InputError, match=r"t: holds no search; give its --name and --output"):
        status(asked.model_copy(update={"name": "t"}))


def edited(line: bytes, **values: Any) -> bytes:
    return json.dumps({**json.loads(line), **values}).encode() + b"\n"


DAMAGES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "no-text": lambda lines: [*lines, b"\xff\n"],
    "no-json": lambda lines: [lines[0], b"{\n", *lines[1:]],
    "nested": lambda lines: [*lines, b"[" * 5000 + b"\n"],
    "no-operation": lambda lines: [edited(lines[0], op_code=99), *lines[1:]],
    "no-proposal": lambda lines: [each for each in lines if b"trial-" in each or each is lines[0]],
    "other-objectives": lambda lines: [edited(lines[0], directions=[1, 1]), *lines[1:]],
    "no-number": lambda lines: [each.replace(b'"number":0', b'"number":"0"') for each in lines],
    "infinite": lambda lines: [each.replace(b'"bytes":', b'"bytes":1e999, "x":') for each in lines],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_journal_is_refused_by_name(
    small: Searched, tmp_path: Path, damage: Callable[[list[bytes]], list[bytes]]
) -> None:
    shutil.copytree(small.folder, tmp_path / "copy")
    (journal,) = (tmp_path / "copy").rglob("journal.log")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(damage(lines)))
    asked = SearchOptions(data="digits", max_drop=3, name="s", output=tmp_path / "copy")
    with pytest.raises(InputError, match=r"journal\.log: is damaged; .*use another --name"):
        status(asked)
    with pytest.raises(InputError, match=r"journal\.log: is damaged"):
        searched(tmp_path / "copy", max_size=60_000)


def test_the_status_is_printed_as_json_too(
    small: Searched, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """--json stood beside --status and --dry-run, and text was printed."""
    command = ["edgecv", "search", "--data", "digits", "--max-drop", "3", "--name", "s", "--status"]
    monkeypatch.setattr(sys, "argv", [*command, "--output", str(small.folder), "--json"])
    assert cli.run() == 0
    table = json.loads(capfd.readouterr().out)
    assert [each["steps"] for each in table["trials"]] == steps(small.result)


def test_trials_of_other_versions_are_said(small: Searched, tmp_path: Path) -> None:
    """A search went on with another TensorFlow, or on another machine, without a word."""
    first = small.result.trials[:1]
    folder = tmp_path / "s-000-validation"
    folder.mkdir()
    for own, expected in (({}, []), ({"numpy": "1.0"}, ["numpy 1.0 where it is"])):
        report = replace(REPORT, environment={**environment(), **own})
        write_reports(report, folder)
        found = other_environment(first, tmp_path, "s")
        assert [each.partition("with ")[2][:21] for each in found] == expected
    assert other_environment(first, tmp_path / "moved away", "s") == []


def test_a_line_that_is_on_its_way_is_no_damage(small: Searched, tmp_path: Path) -> None:
    shutil.copytree(small.folder, tmp_path / "copy")
    (journal,) = (tmp_path / "copy").rglob("journal.log")
    journal.write_bytes(journal.read_bytes() + b'{"op_code"')
    asked = SearchOptions(data="digits", max_drop=3, name="s", output=tmp_path / "copy")
    assert "are done" in status(asked)


def test_a_search_goes_on_behind_a_line_that_a_kill_has_cut(
    small: Searched, tmp_path: Path
) -> None:
    shutil.copytree(small.folder, tmp_path / "copy")
    (journal,) = (tmp_path / "copy").rglob("journal.log")
    before = journal.read_bytes()
    journal.write_bytes(before + b'{"op_code"')
    drop_cut_line(journal.parent)
    assert journal.read_bytes() == before
    drop_cut_line(journal.parent)
    assert journal.read_bytes() == before
    drop_cut_line(tmp_path)


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


def screened(number: int, points: float, size: int, us: float, speedup: float) -> SearchTrial:
    figures = TrialFigures(1000, points, 1 - points, size, size, 0, us, speedup)
    return SearchTrial(number, 0, number, "steps", "key", {}, True, screened=figures)


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
