"""The space of a search: which techniques a recipe may have, with which options."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from edgecv.core.errors import InputError
from edgecv.core.plugins import Technique
from edgecv.core.registry import TECHNIQUES
from edgecv.pipeline.recipe.checks import HELD
from edgecv.pipeline.recipe.flag_values import with_precision
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.recipe.search_space import SearchSpace, values_of
from edgecv.pipeline.recipe.technique_options import (
    can_be_written,
    technique_flags,
    trains,
)
from edgecv.pipeline.search.options import without_unused

Steps = Mapping[str, Mapping[str, Any]]
"""Techniques in their order, each with its options."""


class Draw(Protocol):
    """Chooses the parts of one recipe."""

    def __call__(self, name: str, values: Sequence[Any]) -> Any:
        """Return one of the values of a parameter."""


def drawn_recipe(
    space: SearchSpace, base: Recipe, draw: Draw, training: Mapping[str, Any]
) -> Recipe:
    """Return the recipe that ``draw`` chooses; what would undo earlier work is not offered.

    ``training``: options of each training, which its technique does not set.
    """
    precision = draw("quantize", space.quantize)
    export = with_precision(base.exports[0], precision)
    steps: dict[str, dict[str, Any]] = {}
    earlier: list[type[Technique]] = []
    for name, cls in space.classes().items():
        first = {key: values[0] for key, values in space.values(name).items()}
        fits = can_be_written(cls, first, export)
        if fits and all(map(cls.may_follow, earlier)) and draw(name, (False, True)):
            earlier.append(cls)
            options = space.values(name).items()
            steps[name] = {key: draw(f"{name}.{key}", values) for key, values in options}
    techniques = techniques_of(steps, training)
    return without_unused(base.replace(search=None, techniques=techniques, exports=(export,)))


def techniques_of(steps: Steps, training: Mapping[str, Any]) -> tuple[Technique, ...]:
    """Return the techniques, each with the options that it takes beside the others.

    Where weights are held to a rule, a training computes in float32 whatever ``training`` says.
    """
    flags, found, is_held = technique_flags(), [], False
    for name, options in steps.items():
        beside = flags[name].beside if name in flags else {}
        table: dict[str, Any] = {"technique": name}
        for other in steps:
            table |= beside.get(other, {})
        cls = TECHNIQUES.get(name, "[search.technique]")
        is_held = is_held or bool(cls.makes & HELD)
        left_out = {"mixed_precision"} if is_held else set()
        if training and trains(cls, {**table, **options}):
            table["training"] = {k: each for k, each in training.items() if k not in left_out}
        found.append(TECHNIQUES.parse({**table, **options}, f"[search.technique.{name}]"))
    return tuple(found)


@dataclass(frozen=True)
class OptionValue:
    """One value of one option of the space, in a technique that a model may be too small for."""

    name: str
    """Name of the technique."""
    key: str
    """The option; empty where the technique has none."""
    value: Any
    technique: Technique


def candidates_of(space: SearchSpace, training: Mapping[str, Any]) -> list[OptionValue]:
    """Return each value of each option, beside the first values of the others, and the last."""
    ends = [
        {
            name: {key: values[place] for key, values in space.values(name).items()}
            for name in space.classes()
        }
        for place in (0, -1)
    ]
    found: list[OptionValue] = []
    for name, end in ((name, end) for name in space.classes() for end in ends):
        for key, values in (space.values(name) or {"": ("",)}).items():
            for value in values:
                own = {**end[name], **({key: value} if key else {})}
                with suppress(InputError):  # The options do not go together.
                    made = techniques_of({**end, name: own}, training)
                    technique = next(each for each in made if each.name == name)
                    candidate = OptionValue(name, key, value, technique)
                    found += [] if candidate in found else [candidate]
    return found


def reachable(
    space: SearchSpace, candidates: Sequence[OptionValue], unfit: Sequence[str]
) -> tuple[SearchSpace, dict[str, str]]:
    """Return the space without what does not fit, and the reasons by what is left out.

    ``unfit``: the reason of each candidate; "" where it fits.
    """
    tables, reasons = {}, dict[str, str]()
    for name in space.technique:
        kept, own = dict[str, list[Any]](), dict[str, str]()
        for key, values in (space.values(name) or {"": ("",)}).items():
            for value in values:
                found = [
                    reason
                    for each, reason in zip(candidates, unfit, strict=True)
                    if (each.name, each.key, each.value) == (name, key, value)
                ]
                if found and all(found):
                    own[f"{name} {key} {value}".rstrip()] = found[0]
                else:
                    kept.setdefault(key, []).append(value)
        whole = space.technique[name]
        if len(kept) < max(1, len(whole)):
            reasons[name] = [*own.values()][-1]
        else:
            reasons |= own
            tables[name] = {
                key: each
                if len(values_of(each, name)) == len(kept[key])
                else {"choices": kept[key]}
                for key, each in whole.items()
            }
    return space.model_copy(update={"technique": tables}), reasons


PLAIN: dict[str, Any] = {"architecture": "plain_cnn"}
SEPARABLE: dict[str, Any] = {
    **PLAIN,
    "filters": [16, 16, 32, 64, 64, 64],
    "kernels": [3, 3, 3, 3, 3, 3],
    "separable": [4, 5, 6],
}
"""A sixth fewer bytes than ``PLAIN``, and a sixth slower."""
STUDENTS: tuple[dict[str, Any], ...] = (
    PLAIN,
    {**PLAIN, "filters": [8, 8, 16, 16, 16, 32]},
    {**PLAIN, "filters": [16, 16, 32, 32, 64, 96]},
    SEPARABLE,
    {"architecture": "ds_cnn"},
)
"""Networks that a student may have, where the task takes one answer an image."""
FIRST_TRAINED: Steps = {"qat": {}}
LADDER: tuple[Steps, ...] = (
    {},
    {"equalize": {}, "bias_correction": {}},
    {"adaround": {}},
    FIRST_TRAINED,
    {"student": {"network": PLAIN}},
    {"student": {"network": SEPARABLE}},
    {"shrink": {"keep": 0.5}, "distil": {}, "qat": {}},
    {"shrink": {"keep": 0.3}, "distil": {}, "qat": {}},
)
"""Recipes that are tried first, the cheapest first: what trains once before what trains twice."""


def space_of(base: Recipe) -> SearchSpace:
    """Return the space that a recipe asks for, or what fits its task and its limits."""
    asked = base.search or SearchSpace()
    if "technique" in asked.model_fields_set:
        return asked
    options: dict[str, dict[str, Any]] = {
        "shrink": {"keep": {"low": 0.15, "high": 0.9, "step": 0.05}},
        "distil": {},
        "equalize": {},
        "bias_correction": {},
        "adaround": {},
        "qat": {},
    }
    if base.task.features != "map":
        options["student"] = {"network": {"choices": STUDENTS}}
    if (
        base.gates.max_gzip_bytes is not None
    ):  # Zeros and shared weights make a file smaller only there.
        options["prune"] = {"sparsity": {"choices": (0.5, 0.7, 0.8)}}
        options["cluster"] = {"clusters": {"choices": (16, 32)}}
    return SearchSpace(quantize=asked.quantize, technique=options)


class FixedDraw:
    """Draws the given techniques, and notes what it has chosen: name -> place of the value."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.places: dict[str, int] = {}

    def __call__(self, name: str, values: Sequence[Any]) -> Any:
        """Return the given value, or the first. Raises InputError where it is none of them."""
        technique, _, option = name.partition(".")
        wanted: Any = values[0]
        if option:
            wanted = self.steps[technique].get(option, values[0])
        elif name != "quantize":
            wanted = technique in self.steps
        if wanted not in values:
            raise InputError(name, f"{wanted!r} is not in the space")
        self.places[name] = list(values).index(wanted)
        return wanted


@dataclass(frozen=True)
class FirstRecipe:
    """A recipe that is tried before others, and the choices that lead to it."""

    recipe: Recipe
    places: Mapping[str, int]

    @property
    def trains(self) -> bool:
        """True if one of its techniques trains."""
        return self.recipe.trains


def first_recipes(
    space: SearchSpace, base: Recipe, training: Mapping[str, Any]
) -> list[FirstRecipe]:
    """Return the recipes of ``LADDER`` that are in a space."""
    found = []
    for steps in LADDER:
        if not set(steps) <= set(space.technique):
            continue  # Without one of its techniques it would be another one of them.
        draw = FixedDraw(steps)
        with suppress(InputError):  # It is not in the space.
            recipe = drawn_recipe(space, base, draw, training)
            if len(recipe.techniques) == len(steps):  # All are of this precision.
                found.append(FirstRecipe(recipe, draw.places))
    return found
