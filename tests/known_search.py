"""A search with an engine that knows what comes of each recipe without running it."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from small_report import COMPARISON, REPORT, STATISTICS, TWIN

from edgecv.core.errors import EdgecvError
from edgecv.core.paired_results import NoWorse, PairedAccuracy
from edgecv.core.plugins import Technique
from edgecv.core.report import Gate, Outcome, Report, SplitFacts
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.search.engines.contract import (
    Further,
    MayBegin,
    ModelAndData,
    always,
    no_further,
)
from edgecv.pipeline.search.front import (
    SearchResult,
)
from edgecv.pipeline.search.options import SearchOptions
from edgecv.pipeline.search.recipe_search import RecipeSearch
from edgecv.pipeline.search.search import known_trials
from edgecv.pipeline.search.trial import SearchTrial, TrialFigures
from edgecv.pipeline.search.trial_lines import status_text
from edgecv.system.storage import Store

LOOKED = ModelAndData(
    images={"train": 4000, "calibration": 500, "validation": 1000, "test": 2000},
    sha256={"train": "a", "calibration": "d", "validation": "b", "test": "c"},
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


def finished(number: int, figures: TrialFigures) -> SearchTrial:
    known = {"state": "finished", "figures": figures, "outcome": "passed"}
    return SearchTrial(number, 0, number, "steps", str(number), {}, True, **known)


def screened(number: int, points: float, size: int, us: float, speedup: float) -> SearchTrial:
    figures = TrialFigures(1000, points, 1 - points, size, size, 0, us, speedup)
    return SearchTrial(number, 0, number, "steps", "key", {}, True, screened=figures)
