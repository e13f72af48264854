"""The front of a search on test images, which chose nothing: its runs, and the result."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecv.core.errors import EdgecvError
from edgecv.core.report import Report
from edgecv.core.text import counted
from edgecv.pipeline.recipe.recipe import Recipe, parse_recipe
from edgecv.pipeline.search.engines.contract import Engine, Result, Submission, run_all
from edgecv.pipeline.search.front import (
    FrontPoint,
    SearchResult,
    held_limits,
    limits_note,
    nearest,
)
from edgecv.pipeline.search.options import confirmed_on_test
from edgecv.pipeline.search.significance import significance_notes
from edgecv.pipeline.search.trial import SearchTrial, figures_of
from edgecv.system.storage import Store


@dataclass(frozen=True)
class ProvenFront:
    """The points of a front, and their runs on the test images."""

    points: tuple[FrontPoint, ...]
    reports: tuple[Report, ...]


@dataclass(frozen=True)
class FrontRuns:
    """Runs the recipes of a front on the test images."""

    base: Recipe
    store: Store
    engine: Engine

    def of(
        self,
        front: Sequence[SearchTrial],
        trials: Sequence[SearchTrial],
        say: Callable[[str], None],
    ) -> ProvenFront:
        """Return the points of ``front``, which was found among ``trials``."""
        if front:
            say(f"proving {counted(len(front), 'recipe')} on the test images")
        tried = sum(each.state != "proposed" for each in trials)
        remark = (
            f"found by a search, on validation images, among {counted(tried, 'recipe')}: the test"
            " images chose nothing"
        )
        by_name = {f"{self.base.name}-{each.number:03d}": each for each in front}
        recipes = {
            name: confirmed_on_test(self.base, parse_recipe(each.recipe, name), name, remark)
            for name, each in by_name.items()
        }
        found: dict[str, Report] = {}

        def done(recipe: Recipe, result: Result) -> None:
            if isinstance(result, EdgecvError):
                raise result
            found[recipe.name] = result

        run_all(self.engine, [Submission(each) for each in recipes.values()], done)
        points = tuple(
            FrontPoint(
                each,
                str(self.store.run_folder(name)),
                figures_of(found[name], recipes[name]),
                found[name].outcome,
            )
            for name, each in by_name.items()
        )
        return ProvenFront(points, tuple(found[name] for name in by_name))


def result_of(
    base: Recipe,
    folder: Path,
    trials: Sequence[SearchTrial],
    points: Sequence[FrontPoint],
    notes: Sequence[str],
) -> SearchResult:
    """Return the result of a search, with the trial that came nearest where no front is there."""
    finished = [(each, each.figures) for each in trials if each.figures and each.outcome]
    return SearchResult(
        name=base.name,
        folder=str(folder),
        limits=held_limits(base),
        trials=tuple(trials),
        front=tuple(points),
        nearest=nearest(finished, base.gates) if finished and not points else None,
        notes=(limits_note(base), *notes, *significance_notes(trials, points)),
    )
