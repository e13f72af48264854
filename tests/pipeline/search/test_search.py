"""The loop of a search, with an engine that knows what comes of each recipe without running it."""

import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from small_report import COMPARISON, REPORT, STATISTICS, TWIN

from edgecv.core.errors import EdgecvError, InputError, StepError
from edgecv.core.paired_results import NoWorse, PairedAccuracy
from edgecv.core.plugins import Technique
from edgecv.core.registry import TASKS
from edgecv.core.report import Report, SplitFacts
from edgecv.evaluation.limits import Limits
from edgecv.pipeline.recipe.recipe import Recipe, parse_recipe
from edgecv.pipeline.search.engines.contract import ModelAndData
from edgecv.pipeline.search.estimate import cost_of, plan_text
from edgecv.pipeline.search.front import (
    SearchResult,
    dominates,
    front_of,
    held_limits,
    limits_note,
    promising,
    to_markdown,
    violations,
)
from edgecv.pipeline.search.journal import drop_cut_line
from edgecv.pipeline.search.limit_checks import check_reachable
from edgecv.pipeline.search.options import SearchOptions
from edgecv.pipeline.search.recipe_search import RecipeSearch
from edgecv.pipeline.search.search import status
from edgecv.pipeline.search.space import space_of
from edgecv.pipeline.search.trial import SearchTrial, TrialFigures
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
    return replace(
        REPORT,
        data=replace(REPORT.data, splits={"test": SplitFacts(1000, "0")}),
        comparisons=(replace(TWIN, artifact=replace(TWIN.artifact, precision="float32")), file),
        outcome="passed" if holds else "failed",
    )


class KnowingEngine:
    """Gives the report of a recipe at once, and counts what it was asked for."""

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
        self, recipe: Recipe, may_begin: Callable[[], bool] = lambda: True
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
            else:
                future.set_result(report_of(recipe))
        return future

    def close(self) -> None:
        pass


def searched(folder: Path, engine: KnowingEngine | None = None, **options: Any) -> SearchResult:
    given = {"data": "digits", "formats": "tflite", "max_drop": 3, "trials": 16, "name": "s"}
    asked = SearchOptions(output=folder, **{**given, **options})
    base, store = asked.to_recipe(), Store(folder, "s")
    search = RecipeSearch(asked, base, store, engine or KnowingEngine(), lambda event: None)
    return search.run(*search.look())


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


def test_the_nearest_is_said_where_nothing_holds(tmp_path: Path) -> None:
    result = searched(tmp_path, max_size=3000, trials=4)
    assert (result.front, result.outcome) == ((), "failed")
    assert result.nearest is not None
    page = to_markdown(result)
    assert "No recipe holds all limits. The nearest, trial" in page
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


def test_what_is_known_is_shown_while_a_search_runs(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path, KnowingEngine(stop_after=9))
    asked = SearchOptions(data="digits", max_drop=3, name="s", output=tmp_path)
    text = status(asked)
    assert text.startswith("s: ")
    assert "of 8 recipes that were proposed are done" in text
    assert "| 0 | int8 | " in text
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
    text = plan_text(asked, base, space, LOOKED, 2, {"qat": "no layer"})
    assert "- shrink: keep 0.15 to 0.9" in text
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
    text = plan_text(asked, base, space, LOOKED, 1, {})
    assert "As many recipes as begin within 60 minutes, 1 worker: about 1.0 hours" in text
    assert "plain_cnn (filters 8 8 16 16 16 32)" in text
    assert "{" not in text


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
    assert [each.number for each in promising(trials, limits)] == [1]
    assert [each.number for each in promising(trials, Limits(max_latency_us=10))] == [3, 1]
    assert [each.number for each in promising([slow, large], limits)] == [0]  # The nearest.
    assert len(promising(trials, Limits())) == 2
