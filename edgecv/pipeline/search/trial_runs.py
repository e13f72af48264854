"""Runs of trials on validation images: which may begin, and what is kept of each."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from edgecv.core.errors import EdgecvError, StepError
from edgecv.core.events import Event, OnEvent
from edgecv.core.report import Report
from edgecv.models.training.estimate import duration
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.search.checks import check_store_takes_more, kind_of_failure
from edgecv.pipeline.search.engines.contract import (
    Done,
    Engine,
    MayBegin,
    ModelAndData,
    Result,
    Submission,
    run_all,
)
from edgecv.pipeline.search.estimate import seconds_left_of
from edgecv.pipeline.search.halving import needs_control
from edgecv.pipeline.search.options import SearchOptions, judged_on_validation
from edgecv.pipeline.search.proposals import Proposals
from edgecv.pipeline.search.trial import SearchTrial, unmeasured
from edgecv.pipeline.search.trial_lines import line_of, row_of
from edgecv.system.storage import Store

MOST_OF_A_KIND = 3
"""Trials that fail alike before the search stops."""


@dataclass
class Budget:
    """The time of a search."""

    minutes: float | None
    began: float = field(default_factory=time.monotonic)

    @property
    def left_s(self) -> float:
        """Seconds that are left; infinite where there is no limit."""
        return float("inf") if self.minutes is None else 60 * self.minutes - self.passed_s

    @property
    def passed_s(self) -> float:
        """Seconds since the search began."""
        return time.monotonic() - self.began


@dataclass
class TrialRuns:
    """Runs the trials of a search by its engine, and keeps what comes of each."""

    options: SearchOptions
    base: Recipe
    store: Store
    engine: Engine
    proposals: Proposals
    facts: ModelAndData
    budget: Budget
    on_event: OnEvent
    failures: Counter[str] = field(default_factory=Counter)

    def run(
        self, trials: Sequence[SearchTrial], fraction: float, known: dict[int, SearchTrial]
    ) -> list[str]:
        """Run the recipes of trials, on a part of the images or on all.

        What came of each is kept, and replaces it in ``known``. Returns a sentence for each that
        would not have ended in time, and did not begin.
        """
        too_long: list[str] = []
        submissions = [
            Submission(
                self._recipe(each, fraction),
                self._may_begin(each, too_long.append),
                self._control_of(each, fraction),
            )
            for each in trials
        ]
        run_all(self.engine, submissions, self._done(known))
        return too_long

    def judge_again(self, trials: Sequence[SearchTrial]) -> None:
        """Judge finished trials by other limits: only a control may be trained for that."""
        submissions = [
            Submission(self._recipe(each, 1.0), further=self._control_of(each, 1.0))
            for each in trials
        ]
        run_all(self.engine, submissions, self._done({each.number: each for each in trials}))

    def _may_begin(self, trial: SearchTrial, too_long: Callable[[str], None]) -> MayBegin:
        """Return what says whether a trial may begin: its time is looked at once."""
        answers: list[bool] = []

        def may_begin() -> bool:
            if self.budget.left_s <= 0:
                return False
            if not answers:
                sentence = self._too_long(trial)
                answers.append(not sentence)
                if sentence:
                    too_long(sentence)
            return answers[0]

        return may_begin

    def _too_long(self, trial: SearchTrial) -> str:
        """Return a sentence on a trial that would not end in time; "" for one that would."""
        left = self.budget.left_s
        if not trial.trains or left == float("inf"):
            return ""
        needed = seconds_left_of(trial, self.options, self.facts, self.proposals.trials)
        if needed <= left:
            return ""
        return (
            f"trial {trial.number}, {trial.steps}, takes about {duration(needed)}, and"
            f" {duration(left)} are left: it is not begun"
        )

    def _control_of(self, trial: SearchTrial, fraction: float) -> Callable[[Report], Recipe | None]:
        """Return what gives the recipe with a control, for a run that holds its limits without."""

        def control_of(report: Report) -> Recipe | None:
            recipe = trial.parsed
            if fraction < 1 or not needs_control(report, recipe, self.base):
                return None
            return self._recipe(trial, fraction, has_control=True)

        return control_of

    def _done(self, known: dict[int, SearchTrial]) -> Done:
        """Return what keeps the result of each recipe of these trials."""

        def done(recipe: Recipe, result: Result) -> None:
            number = int(recipe.name.removeprefix(f"{self.base.name}-").partition("-")[0])
            trial = known[number]
            error = result if isinstance(result, EdgecvError) else unmeasured(result)
            if error is None and isinstance(result, Report):
                trial = trial.with_report(result, recipe)
            else:
                check_store_takes_more(self.store)
                trial = trial.with_failure(str(error))
            known[trial.number] = trial
            self.proposals.keep(trial)
            self.on_event(Event("search", line_of(trial), row=row_of(trial)))
            self._count_done()
            if error is not None:
                self._count(error)

        return done

    def _count_done(self) -> None:
        """Show how many trials are done."""
        done = sum(each.state != "proposed" for each in self.proposals.trials)
        self.on_event(Event("search", "recipes tried", done, self.options.most_trials))

    def _recipe(self, trial: SearchTrial, fraction: float, *, has_control: bool = False) -> Recipe:
        """Return the recipe of a trial for validation images."""
        kind = "screening" if fraction < 1 else "control" if has_control else "validation"
        name = f"{self.base.name}-{trial.number:03d}-{kind}"
        is_bare = trial.trains and not has_control
        return judged_on_validation(
            self.base, trial.parsed, name, fraction, has_control=not is_bare
        )

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
