"""The cost of a search before it begins: its space, about how long, about how much disk."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgecv.core.errors import InputError
from edgecv.core.plugins import Technique
from edgecv.models.training.estimate import FORWARDS_A_STEP, duration
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.recipe.search_space import SearchSpace
from edgecv.pipeline.search.engines.contract import ModelAndData
from edgecv.pipeline.search.options import PROMOTED, SearchOptions
from edgecv.pipeline.search.space import drawn_recipe
from edgecv.pipeline.search.trial import SearchTrial

DRAWN = 64
"""Recipes that are drawn from the space for the mean."""
SECONDS_A_RUN = 15.0
"""Opening, exports and measurements of a small network."""
COPIES_A_TRIAL = 8
"""Copies of the weights that a trial leaves: its runs, and its finished steps."""
BYTES_A_WEIGHT = 4


@dataclass(frozen=True)
class SearchCost:
    """The cost of a search, estimated."""

    seconds: float
    bytes: int


def cost_of(
    options: SearchOptions, base: Recipe, space: SearchSpace, facts: ModelAndData, workers: int
) -> SearchCost:
    """Return the cost of the trials of a search, from the time of one step of the model.

    A student is counted as if it were as large as the model.
    """
    trials = min(options.most_trials, 10_000)
    seconds = trials * mean_seconds(options, base, space, facts) / workers
    if options.minutes is not None and seconds > 60 * options.minutes:
        trials = math.ceil(trials * 60 * options.minutes / seconds)
        seconds = 60 * options.minutes
    weights = facts.parameters * BYTES_A_WEIGHT * COPIES_A_TRIAL
    return SearchCost(seconds, int(trials * weights))


def mean_seconds(
    options: SearchOptions,
    base: Recipe,
    space: SearchSpace,
    facts: ModelAndData,
    is_tried: Callable[[Recipe], bool] = lambda recipe: True,
) -> float:
    """Return the mean time of recipes of a space, of those that would be tried; 0 without any."""
    chance = random.Random(0)
    recipes = [
        drawn_recipe(space, base, lambda _, values: chance.choice(list(values)), options.training)
        for _ in range(DRAWN)
    ]
    tried = [_seconds(each, options, facts) for each in recipes if is_tried(each)]
    return sum(tried) / max(1, len(tried))


def too_short(
    options: SearchOptions, base: Recipe, space: SearchSpace, facts: ModelAndData, took: float
) -> InputError:
    """Return the error for a time that was over, after ``took`` seconds, before the first trial."""
    one = options.model_copy(update={"trials": 1, "minutes": None})
    needed = cost_of(one, base, space, facts, workers=1).seconds
    return InputError(
        f"--minutes {options.minutes:g}",
        f"was over after {took:.0f} s, before a recipe was tried",
        accepted=f"{math.ceil((took + needed) / 60)} or more: a recipe takes about"
        f" {duration(needed)}, and model and data are opened before it",
        remedy="the same command with more goes on",
    )


def seconds_left_of(
    trial: SearchTrial, options: SearchOptions, facts: ModelAndData, others: Sequence[SearchTrial]
) -> float:
    """Return the time that a trial still takes: its screening, and its training in full.

    That of its screening tells how long the other takes, whatever it trains; before it, trainings
    and screenings of ``others`` with the same techniques. What finished ones have trained is
    stored. The control is left out: it is trained for what holds its limits, which is worth the
    time.
    """
    recipe = trial.parsed
    finished = (each.parsed for each in others if each.state == "finished")
    if any(_trained_part(each) == _trained_part(recipe) for each in finished):
        return SECONDS_A_RUN
    if trial.screened_s is not None:
        return trial.screened_s / options.screening + SECONDS_A_RUN
    whole = _training_seconds(recipe, facts.seconds_a_step, facts.images["train"])
    whole *= _pace(recipe, options, facts, others)
    in_full = whole + SECONDS_A_RUN
    return (
        in_full if options.screening == 1 else in_full + whole * options.screening + SECONDS_A_RUN
    )


def _pace(
    recipe: Recipe, options: SearchOptions, facts: ModelAndData, others: Sequence[SearchTrial]
) -> float:
    """Return the time of a training over that of as many steps of the model, at the longest.

    It is found by trainings and screenings of the same techniques; 1 where there are none.
    """
    names = [each.name for each in recipe.techniques]
    found = [
        took / _training_seconds(each.parsed, facts.seconds_a_step, facts.images["train"])
        for each in others
        if (took := each.seconds_in_full(options.screening))
        and [one.name for one in each.parsed.techniques] == names
    ]
    return max(found, default=1.0)


def _trained_part(recipe: Recipe) -> tuple[Technique, ...]:
    """Return the techniques of a recipe up to the last one that trains."""
    last = max((at for at, each in enumerate(recipe.techniques) if each.trainings), default=-1)
    return recipe.techniques[: last + 1]


def _training_seconds(recipe: Recipe, seconds_a_step: float, images: int) -> float:
    """Return the time of the trainings of a recipe, and of its control."""
    schedules = [schedule for each in recipe.techniques for schedule in each.trainings]
    steps = [each.total_epochs(images) * each.steps_per_epoch(images) for each in schedules]
    return sum(steps) * seconds_a_step * FORWARDS_A_STEP


def _seconds(recipe: Recipe, options: SearchOptions, facts: ModelAndData) -> float:
    """Return the time of a trial, its screening and its share of trainings in full."""
    whole = _training_seconds(recipe, facts.seconds_a_step, facts.images["train"])
    in_full = whole * (2 if recipe.settings.control == "on" else 1) + SECONDS_A_RUN
    if not whole or options.screening == 1:
        return in_full
    return whole * options.screening + SECONDS_A_RUN + PROMOTED * in_full
