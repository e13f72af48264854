"""Proposals: the recipes of the next generation, and the memory of all trials on disk.

Optuna proposes them (ask and tell). Its journal is the memory: each trial with its choices, its
record and its values, so that a search that was stopped goes on as if it had not been.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecv.core.errors import InputError
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.recipe.search_space import SearchSpace
from edgecv.pipeline.search.journal import (
    JOURNAL,
    OBJECTIVES,
    damage_named,
    drop_cut_line,
    opened_study,
    optuna,
    trials_in,
)
from edgecv.pipeline.search.space import FirstRecipe, drawn_recipe
from edgecv.pipeline.search.trial import SearchTrial
from edgecv.system.storage import content_key

LEFT_OUT_IN_A_ROW = 10
"""Proposals that were tried before, or refused, after which the next ones are drawn at random:
the samplers may come to propose one recipe again and again."""
SPACE_TRIED = 100
"""Those after which the space counts as tried out."""
FIRST_AT_RANDOM = 10
REFUSED = "refused"
"""The constraint of proposals that were not tried."""


def stored_trials(folder: Path, name: str) -> list[SearchTrial]:
    """Return the trials of a search, also while it runs.

    Raises InputError where there is none, or its journal is damaged.
    """
    if not (folder / JOURNAL).is_file():
        raise InputError(str(folder), "holds no search", remedy="give its --name and --output")

    def load(storage: Any) -> Any:
        return optuna().load_study(study_name=name, storage=storage)

    return trials_in(opened_study(folder, load))


@dataclass(frozen=True)
class OptunaDraw:
    """Draws the parts of a recipe as Optuna suggests them."""

    suggesting: Any

    def __call__(self, name: str, values: Sequence[Any]) -> Any:
        """Return the value at the suggested place; numbers keep their order."""
        if len(values) == 1:
            return values[0]
        if all(type(each) in (int, float) for each in values):
            return values[self.suggesting.suggest_int(name, 0, len(values) - 1)]
        return values[self.suggesting.suggest_categorical(name, [*range(len(values))])]


class Proposals:
    """The study of one search, in its folder."""

    def __init__(
        self, folder: Path, space: SearchSpace, base: Recipe, sampler: str, population: int
    ) -> None:
        library = optuna()
        self._library, self._folder = library, folder
        self._space, self._base = space, base
        self._sampler, self._population = sampler, population
        drop_cut_line(folder)
        self._study = opened_study(folder, self._opened)

    def _opened(self, storage: Any) -> Any:
        """Return the study, a new one where there is none."""
        return self._library.create_study(
            storage=storage,
            study_name=self._base.name,
            directions=["minimize"] * len(OBJECTIVES),
            load_if_exists=True,
        )

    def first(self, recipes: Sequence[FirstRecipe]) -> None:
        """Propose some recipes before all others."""
        recorded = {each.proposal for each in self.trials}
        for each in self._study.get_trials(deepcopy=False):
            if each.state == self._library.trial.TrialState.RUNNING and each.number not in recorded:
                # A kill came between the proposal and its record: it is proposed again.
                self._study.tell(each.number, state=self._library.trial.TrialState.FAIL)
                if fixed := each.system_attrs.get("fixed_params"):
                    self._study.enqueue_trial(fixed)
        if not recorded:
            self.next(recipes)

    def next(self, recipes: Sequence[FirstRecipe]) -> None:
        """Propose some recipes before those that the sampler proposes, unless they wait already."""
        state = self._library.trial.TrialState.WAITING
        waiting = [
            each.system_attrs.get("fixed_params")
            for each in self._study.get_trials(deepcopy=False, states=(state,))
        ]
        for each in recipes:
            if each.places not in waiting:
                self._study.enqueue_trial(dict(each.places))

    @property
    def trials(self) -> list[SearchTrial]:
        """All trials, in the order of their proposal."""
        return trials_in(self._study)

    def generation(
        self,
        number: int,
        size: int,
        training: Mapping[str, Any],
        refused: Callable[[Recipe], SearchTrial | None],
    ) -> list[SearchTrial]:
        """Return the trials of a generation: those that were proposed before, then new ones.

        Fewer than ``size`` where the space has no more that are not refused: ``refused`` returns
        the trial that shows that a recipe cannot hold the limits.
        """
        samplers = self._samplers_of(number)
        before = self.trials
        known = {each.key for each in before}
        found = [each for each in before if each.generation == number]
        left_out = 0
        while len(found) < size and left_out < SPACE_TRIED:
            self._study.sampler = samplers[left_out >= LEFT_OUT_IN_A_ROW]
            with damage_named(self._folder):
                asked = self._study.ask()
                recipe = drawn_recipe(self._space, self._base, OptunaDraw(asked), training)
            trial = SearchTrial.proposed(
                recipe, len(known), generation=number, proposal=asked.number
            )
            if trial.key in known:
                left_out += 1
                self._study.tell(asked, state=self._library.trial.TrialState.FAIL)
                continue
            if (shown := refused(recipe)) and shown.figures:
                left_out += 1  # The sampler is to know why, or it proposes no others.
                asked.set_constraint(REFUSED, 1.0)
                self._study.tell(asked, shown.figures.objectives)
                continue
            left_out = 0
            known.add(trial.key)
            found.append(trial)
            self.keep(trial)
        return found

    def keep(self, trial: SearchTrial) -> None:
        """Keep what is known of a trial."""
        self._study.set_user_attr(f"trial-{trial.number}", trial.record())

    def tell(self, trial: SearchTrial, violations: Mapping[str, float]) -> None:
        """Tell what came of a trial. ``violations``: above 0 where a limit does not hold."""
        if trial.figures is None:
            self._study.tell(trial.proposal, state=self._library.trial.TrialState.FAIL)
            return
        asked = self._study.get_trials(deepcopy=False)[trial.proposal]
        open_trial = self._library.trial.Trial(self._study, asked._trial_id)
        for limit, value in violations.items():
            open_trial.set_constraint(limit, value)
        self._study.tell(trial.proposal, trial.figures.objectives)

    def has_values(self, trial: SearchTrial) -> bool:
        """Return True if the study knows what came of a trial."""
        found = self._study.get_trials(deepcopy=False)[trial.proposal]
        return bool(found.state.is_finished())

    def _samplers_of(self, generation: int) -> tuple[Any, Any]:
        """Return the sampler that was asked for, and one that draws at random.

        Their state is the study and the number of the generation alone.
        """
        key = content_key(self._base.settings.seed, generation)
        seed, samplers = int(key[:8], 16), self._library.samplers
        at_random = samplers.RandomSampler(seed=seed)
        if self._sampler == "nsga2":
            return samplers.NSGAIISampler(seed=seed, population_size=self._population), at_random
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", self._library.exceptions.ExperimentalWarning)
            learning = samplers.TPESampler(
                seed=seed, n_startup_trials=FIRST_AT_RANDOM, multivariate=True, group=True
            )
        return learning, at_random
