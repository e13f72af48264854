"""The cost of a search before it begins: its space, about how long, about how much disk."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.text import counted
from edgecv.models.training.estimate import FORWARDS_A_STEP, duration
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.recipe.search_space import SearchSpace
from edgecv.pipeline.search.engines.contract import ModelAndData
from edgecv.pipeline.search.options import PROMOTED, SearchOptions
from edgecv.pipeline.search.space import LADDER, drawn_recipe, techniques_of
from edgecv.pipeline.search.trial import steps_of

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
    chance, images = random.Random(0), facts.images["train"]
    recipes = [
        drawn_recipe(space, base, lambda _, values: chance.choice(list(values)), options.training)
        for _ in range(DRAWN)
    ]
    trials = min(options.most_trials, 10_000)
    mean = sum(_seconds(each, options, facts.seconds_a_step, images) for each in recipes) / DRAWN
    seconds = trials * mean / workers
    if options.minutes is not None and seconds > 60 * options.minutes:
        trials = math.ceil(trials * 60 * options.minutes / seconds)
        seconds = 60 * options.minutes
    weights = facts.parameters * BYTES_A_WEIGHT * COPIES_A_TRIAL
    return SearchCost(seconds, int(trials * weights))


def too_short(
    options: SearchOptions, base: Recipe, space: SearchSpace, facts: ModelAndData, took: float
) -> InputError:
    """Return the error for a time that was over, after ``took`` seconds, before the first trial."""
    one = options.model_copy(update={"trials": 1, "minutes": None})
    needed = cost_of(one, base, space, facts, workers=1).seconds
    return InputError(
        f"--minutes {options.minutes:g}",
        f"was over after {took:.0f} s, before a recipe was tried",
        accepted=f"{math.ceil(needed / 60)} or more: a recipe takes about {duration(needed)}",
        remedy="the same command with more goes on",
    )


def _seconds(recipe: Recipe, options: SearchOptions, seconds_a_step: float, images: int) -> float:
    """Return the time of a trial, its screening and its share of trainings in full."""
    schedules = [schedule for each in recipe.techniques for schedule in each.trainings]
    steps = [each.total_epochs(images) * each.steps_per_epoch(images) for each in schedules]
    whole = sum(steps) * seconds_a_step * FORWARDS_A_STEP
    in_full = whole * (2 if recipe.settings.control == "on" else 1) + SECONDS_A_RUN
    if not schedules or options.screening == 1:
        return in_full
    return whole * options.screening + SECONDS_A_RUN + PROMOTED * in_full


def plan_text(
    options: SearchOptions,
    base: Recipe,
    space: SearchSpace,
    facts: ModelAndData,
    workers: int,
    left_out: Mapping[str, str],
) -> str:
    """Return the plan of a search: its space, its first recipes, its cost.

    ``left_out``: reasons by what the model cannot take.
    """
    cost = cost_of(options, base, space, facts, workers)
    most = f"{counted(options.most_trials, 'recipe')} at most"
    if options.trials is None and options.minutes is not None:
        most = f"As many recipes as begin within {options.minutes:g} minutes"
    images = ", ".join(f"{name} {count:,}" for name, count in facts.images.items())
    lines = [
        f"# {base.name}",
        "",
        f"{base.data.name}: {images}. Precision: {', '.join(space.quantize)}.",
        "",
        "A recipe has, or has not, in this order:",
        "",
        *(_line(space, name) for name in space.classes()),
        *(f"- not {name}: {reason}" for name, reason in left_out.items()),
        "",
        f"First: {'; '.join(_first(base, space))}.",
        "",
        f"{most}, {counted(workers, 'worker')}: about"
        f" {duration(cost.seconds)}, and about {cost.bytes / 1e6:,.0f} MB in {options.output}."
        " A baseline that is not stored is trained first.",
    ]
    return "\n".join(lines) + "\n"


def _line(space: SearchSpace, name: str) -> str:
    parts = []
    for key, values in space.values(name).items():
        numbers = [each for each in values if isinstance(each, int | float)]
        few = len(values) <= len(LADDER) or len(numbers) < len(values)
        shown = ", ".join(map(_value, values)) if few else f"{values[0]} to {values[-1]}"
        parts.append(f"{key} {shown}")
    return f"- {name}{': ' if parts else ''}{'; '.join(parts)}"


def _value(value: Any) -> str:
    """Return a value of an option; of a table, such as that of a network, its own values."""
    if not isinstance(value, Mapping):
        return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    first, *others = value.items()
    named = ", ".join(f"{key} {_value(each)}" for key, each in others)
    return _value(first[1]) + (f" ({named})" if named else "")


def _first(base: Recipe, space: SearchSpace) -> Sequence[str]:
    return [
        steps_of(base.replace(techniques=techniques_of(steps, {})))
        for steps in LADDER
        if set(steps) <= set(space.technique)
    ]
