"""RecipeSearch: one search while it goes on, generation by generation."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from edgecv.core.errors import EdgecvError, StepError
from edgecv.core.events import Event, OnEvent
from edgecv.core.report import Report
from edgecv.core.text import counted
from edgecv.pipeline.recipe.recipe import Recipe, parse_recipe
from edgecv.pipeline.recipe.search_space import SearchSpace
from edgecv.pipeline.search.checks import (
    check_identity,
    identity_of,
    judged_by,
    kind_of_failure,
)
from edgecv.pipeline.search.engines.contract import Done, Engine, ModelAndData, Result, run_all
from edgecv.pipeline.search.estimate import too_short
from edgecv.pipeline.search.front import SearchResult, front_of, promising, violations
from edgecv.pipeline.search.front_pages import write_pages
from edgecv.pipeline.search.front_runs import FrontRuns, result_of
from edgecv.pipeline.search.look import look_at
from edgecv.pipeline.search.options import SearchOptions, judged_on_validation
from edgecv.pipeline.search.proposals import Proposals
from edgecv.pipeline.search.space import LADDER
from edgecv.pipeline.search.trial import SearchTrial, unmeasured
from edgecv.pipeline.search.trial_lines import line_of, row_of
from edgecv.system.storage import Store

MOST_OF_A_KIND = 3
"""Trials that fail alike before the search stops."""


@dataclass
class RecipeSearch:
    """One search while it goes on."""

    options: SearchOptions
    base: Recipe
    store: Store
    engine: Engine
    on_event: OnEvent
    notes: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """Reasons by what the model cannot take: a technique, or a value of its options."""
    failures: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)

    def run(self, space: SearchSpace, facts: ModelAndData) -> SearchResult:
        """Run all trials, prove the front, and write its pages."""
        folder = self.store.root / self.store.group
        folder.mkdir(parents=True, exist_ok=True)
        identity = identity_of(self.base, self.options, space, facts)
        has_other_limits = check_identity(folder, identity)
        self.proposals = Proposals(folder, space, self.base, self.options.sampler)
        if has_other_limits:
            self._judge_again()
            judged_by(folder, identity)
        self.proposals.first(LADDER, self.options.training)
        number = 0
        while self._goes_on():
            size = min(self.options.generation, self.options.most_trials - self._before(number))
            batch = self.proposals.generation(number, size, self.options.training)
            if not batch:
                self.notes.append("the whole space was tried")
                break
            if not self._generation(batch):
                break
            number += 1
        if all(each.state == "proposed" for each in self.proposals.trials):
            took = time.monotonic() - self.began
            raise too_short(self.options, self.base, space, facts, took)
        trials = self.proposals.trials
        proven = FrontRuns(self.base, self.store, self.engine).of(
            front_of(trials), trials, self._say
        )
        result = result_of(self.base, folder, trials, proven.points, self.notes)
        write_pages(folder, result, proven.reports)
        return result

    def _judge_again(self) -> None:
        """Judge the finished trials by other limits than before: nothing is run again."""
        finished = [each for each in self.proposals.trials if each.state == "finished"]
        self._say(f"judging {counted(len(finished), 'finished trial')} by other limits")
        run_all(
            self.engine,
            [self._recipe(each, 1.0) for each in finished],
            self._done({each.number: each for each in finished}),
        )
        self.notes.append(
            f"the limits were changed after {counted(len(finished), 'finished trial')}: these were"
            " proposed under others, and judged again"
        )

    def look(self, *, trains_teacher: bool = True) -> tuple[SearchSpace, ModelAndData]:
        """Look at model and data; return the techniques that fit them.

        ``trains_teacher``: a teacher that is a network is trained now, once for all trials.
        """
        found = look_at(
            self.base, self.options, self.engine, self._say, trains_teacher=trains_teacher
        )
        self.left_out |= found.left_out
        return found.space, found.facts

    def _before(self, generation: int) -> int:
        return sum(each.generation < generation for each in self.proposals.trials)

    def _goes_on(self) -> bool:
        done = sum(each.state != "proposed" for each in self.proposals.trials)
        return done < self.options.most_trials and not self._is_over()

    def _is_over(self) -> bool:
        minutes = self.options.minutes
        return minutes is not None and time.monotonic() - self.began > 60 * minutes

    def _generation(self, batch: Sequence[SearchTrial]) -> bool:
        """Run the trials of a generation; False where the time was over before its end."""
        known = {each.number: each for each in batch}
        for each in batch:
            self.on_event(Event("search", "", row=row_of(each)))
        part, best = self.options.screening, list[SearchTrial]()
        if part < 1:
            self._run([each for each in batch if _is_screened(each)], part, known)
            screened = [each for each in known.values() if each.screened is not None]
            if any(_is_screened(each) for each in known.values()):
                return False
            best = promising(screened, self.base.gates)
            for each in screened:
                if each not in best and each.state == "proposed":
                    known[each.number] = replace(each, state="screened", figures=each.screened)
                    self.proposals.keep(known[each.number])
        # The most promising first, after what trains nothing: the time may be over before the last.
        places = {each.number: place for place, each in enumerate(best)}
        left = [each for each in known.values() if each.state == "proposed"]
        self._run(sorted(left, key=lambda each: places.get(each.number, -1)), 1.0, known)
        if any(each.state == "proposed" for each in known.values()):
            return False
        for each in sorted(known.values(), key=lambda each: each.number):
            if not self.proposals.has_values(each):
                figures = each.figures
                over = {} if figures is None else violations(figures, self.base.gates)
                self.proposals.tell(each, over)
        return True

    def _run(
        self, trials: Sequence[SearchTrial], fraction: float, known: dict[int, SearchTrial]
    ) -> None:
        """Run the recipes of trials on validation images, and keep what came of each."""
        recipes = [self._recipe(each, fraction) for each in trials]
        run_all(self.engine, recipes, self._done(known), lambda: not self._is_over())

    def _done(self, known: dict[int, SearchTrial]) -> Done:
        """Return what keeps the result of each recipe of these trials."""

        def done(recipe: Recipe, result: Result) -> None:
            number = int(recipe.name.removeprefix(f"{self.base.name}-").partition("-")[0])
            trial = known[number]
            error = result if isinstance(result, EdgecvError) else unmeasured(result)
            if error is None and isinstance(result, Report):
                trial = trial.with_report(result, recipe)
            else:
                trial = trial.with_failure(str(error))
            known[trial.number] = trial
            self.proposals.keep(trial)
            self.on_event(Event("search", line_of(trial), row=row_of(trial)))
            self._count_done(known)
            if error is not None:
                self._count(error)

        return done

    def _count_done(self, known: dict[int, SearchTrial]) -> None:
        """Show how many trials are done."""
        done = self._before(min(each.generation for each in known.values()))
        done += sum(each.state != "proposed" for each in known.values())
        self.on_event(Event("search", "recipes tried", done, self.options.most_trials))

    def _recipe(self, trial: SearchTrial, fraction: float) -> Recipe:
        """Return the recipe of a trial for validation images."""
        kind = "validation" if fraction == 1 else "screening"
        name = f"{self.base.name}-{trial.number:03d}-{kind}"
        parsed = parse_recipe(trial.recipe, f"trial {trial.number}")
        return judged_on_validation(self.base, parsed, name, fraction)

    def _count(self, error: EdgecvError) -> None:
        """Raise StepError where trials keep failing in the same way."""
        kind = kind_of_failure(error)
        self.failures[kind] += 1
        if self.failures[kind] >= MOST_OF_A_KIND:
            raise StepError(
                self.base.name,
                f"{MOST_OF_A_KIND} trials failed alike: {error}",
                remedy="the same command goes on once the cause is gone",
            ) from error

    def _say(self, message: str) -> None:
        self.on_event(Event("search", message))


def _is_screened(trial: SearchTrial) -> bool:
    """Return True for a trial whose recipe trains, and which was not tried on a part yet."""
    return trial.trains and trial.state == "proposed" and trial.screened is None
