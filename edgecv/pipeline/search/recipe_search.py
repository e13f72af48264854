"""RecipeSearch: one search while it goes on, generation by generation."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from edgecv.core.events import Event, OnEvent
from edgecv.core.text import counted
from edgecv.evaluation.limits import Limits
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.recipe.search_space import SearchSpace
from edgecv.pipeline.search.checks import (
    former_limits,
    identity_of,
    judged_by,
    other_environment,
)
from edgecv.pipeline.search.engines.contract import Engine, ModelAndData
from edgecv.pipeline.search.estimate import mean_seconds, too_short
from edgecv.pipeline.search.front import SearchResult, front_of, violations
from edgecv.pipeline.search.front_pages import write_pages
from edgecv.pipeline.search.front_runs import FrontRuns, result_of
from edgecv.pipeline.search.halving import cannot_hold, promising, wider_than_allowed
from edgecv.pipeline.search.look import look_at
from edgecv.pipeline.search.options import SearchOptions
from edgecv.pipeline.search.proposals import Proposals
from edgecv.pipeline.search.space import FirstRecipe, first_recipes
from edgecv.pipeline.search.trial import SearchTrial
from edgecv.pipeline.search.trial_lines import row_of
from edgecv.pipeline.search.trial_runs import Budget, TrialRuns
from edgecv.system.storage import Store

LEAST_OF_A_GENERATION = 2
"""Least number of trials that have a better half."""


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
    _has_refused: bool = False

    def __post_init__(self) -> None:
        self.budget = Budget(self.options.minutes)

    def run(self, space: SearchSpace, facts: ModelAndData) -> SearchResult:
        """Run all trials, prove the front, and write its pages."""
        folder = self.store.root / self.store.group
        folder.mkdir(parents=True, exist_ok=True)
        identity = identity_of(self.base, self.options, space, facts)
        before = former_limits(folder, identity)
        options = self.options
        self.proposals = Proposals(
            folder, space, self.base, options.sampler, population=options.generation
        )
        self.runs = TrialRuns(
            options,
            self.base,
            self.store,
            self.engine,
            self.proposals,
            facts,
            self.budget,
            self.on_event,
        )
        for note in other_environment(self.proposals.trials, folder, self.base.name):
            self._say(note)
            self.notes.append(note)
        first = first_recipes(space, self.base, options.training)
        if before is not None:
            self._judge_again(before, first)
            judged_by(folder, identity)
        self.proposals.first(first)
        self._run_generations(first, space, facts)
        trials = self.proposals.trials
        if all(each.state == "proposed" for each in trials):
            raise too_short(options, self.base, space, facts, self.budget.passed_s)
        proven = FrontRuns(self.base, self.store, self.engine).of(
            front_of(trials), trials, self._say
        )
        result = result_of(self.base, folder, trials, proven.points, self.notes)
        write_pages(folder, result, proven.reports)
        return result

    def _run_generations(
        self, first: Sequence[FirstRecipe], space: SearchSpace, facts: ModelAndData
    ) -> None:
        """Run generations until the budget or the space is used up.

        The first one trains nothing: what it shows of the network as it is, the others know.
        """
        number = 0
        while self._goes_on():
            size = self._size(space, facts) if number else sum(not each.trains for each in first)
            size = min(size, self.options.generation)
            size = min(size, self.options.most_trials - self._before(number))
            batch = self.proposals.generation(number, size, self.options.training, self._refused)
            if not batch:
                self.notes.append("the whole space was tried")
                return
            if not self._generation(batch):
                return
            number += 1

    def _size(self, space: SearchSpace, facts: ModelAndData) -> int:
        """Return the number of trials whose screening and trainings fit into the time left."""
        if self.budget.minutes is None:
            return self.options.generation
        trials, limits = self.proposals.trials, self.base.gates
        mean = mean_seconds(
            self.options,
            self.base,
            space,
            facts,
            lambda recipe: wider_than_allowed(recipe, trials, limits) is None,
        )
        fit = self.budget.left_s * self.engine.workers / max(1.0, mean)
        return max(LEAST_OF_A_GENERATION, int(fit))

    def _refused(self, recipe: Recipe) -> SearchTrial | None:
        """Return the trial that shows that a recipe could not hold the limits, however trained."""
        found = wider_than_allowed(recipe, self.proposals.trials, self.base.gates)
        if found is not None and not self._has_refused:
            self._has_refused = True
            self.notes.append(
                f"the file of trial {found.number} is clearly larger or slower than the limits"
                " allow: recipes that leave the network as wide were left out"
            )
            self._say(self.notes[-1])
        return found

    def _judge_again(self, before: Limits, first: Sequence[FirstRecipe]) -> None:
        """Judge the finished trials by other limits than ``before``.

        What those have excluded and these do not is taken up again.
        """
        finished = [each for each in self.proposals.trials if each.state == "finished"]
        self._say(f"judging {counted(len(finished), 'finished trial')} by other limits")
        self.runs.judge_again(finished)
        for each in self.proposals.trials:
            own = each.screened if each.state == "screened" else None
            if own and cannot_hold(own, before) and not cannot_hold(own, self.base.gates):
                self.proposals.keep(replace(each, state="proposed", figures=None))
        self.proposals.next(first)
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
        return done < self.options.most_trials and self.budget.left_s > 0

    def _generation(self, batch: Sequence[SearchTrial]) -> bool:
        """Run the trials of a generation; False where the time was over before its end."""
        known = {each.number: each for each in batch}
        for each in batch:
            self.on_event(Event("search", "", row=row_of(each)))
        # Cheap ones first: the time may be over before the others.
        self._run([each for each in batch if not each.trains], 1.0, known)
        best = [each for each in batch if each.trains]
        if self.options.screening < 1:
            self._run([each for each in batch if _is_screened(each)], self.options.screening, known)
            if any(_is_screened(each) for each in known.values()):
                return False
            screened = [each for each in known.values() if each.screened is not None]
            best = promising(screened, self.base.gates)
            for each in screened:
                if each not in best and each.state == "proposed":
                    known[each.number] = replace(each, state="screened", figures=each.screened)
                    self.proposals.keep(known[each.number])
        # The most promising first.
        self._run(best, 1.0, known)
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
        """Run those of these trials that are not done, and say which would not end in time."""
        left = [each for each in trials if each.state == "proposed"]
        sentences = self.runs.run(left, fraction, known)
        for sentence in sentences:
            self._say(sentence)
        if sentences:
            were = f"{counted(len(sentences), 'trial')} would not have ended in time"
            self.notes.append(f"{were}: {sentences[0]}")

    def _say(self, message: str) -> None:
        self.on_event(Event("search", message))


def _is_screened(trial: SearchTrial) -> bool:
    """Return True for a trial whose recipe trains, and which was not tried on a part yet."""
    return trial.trains and trial.state == "proposed" and trial.screened is None
