"""The space of a search: which techniques a recipe may have, with which options."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

from pydantic import Field, model_validator

from edgecv.core.errors import InputError
from edgecv.core.options import Options
from edgecv.core.plugins import Exporter, Technique
from edgecv.core.registry import TECHNIQUES
from edgecv.evaluation.limits import Limits
from edgecv.pipeline.recipe.flag_values import exports_of
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.recipe.technique_options import technique_flags, trains

Steps = Mapping[str, Mapping[str, Any]]
"""Techniques in their order, each with its options."""


class Span(Options):
    """An option that is a number between two."""

    low: float
    high: float
    step: float = Field(gt=0)

    @model_validator(mode="after")
    def _has_steps(self) -> Self:
        if self.high <= self.low:
            raise ValueError("a high end above the low one")
        return self

    @property
    def values(self) -> tuple[float, ...]:
        """The numbers, from the low end on."""
        count = int((self.high - self.low) / self.step + 1e-9) + 1
        return tuple(round(self.low + self.step * number, 9) for number in range(count))


class Choices(Options):
    """An option that is one of several values."""

    choices: tuple[Any, ...] = Field(min_length=1, strict=False)

    @property
    def values(self) -> tuple[Any, ...]:
        """The values."""
        return self.choices


class Draw(Protocol):
    """Chooses the parts of one recipe."""

    def __call__(self, name: str, values: Sequence[Any]) -> Any:
        """Return one of the values of a parameter."""


class SearchSpace(Options):
    """The recipes that a search may try."""

    quantize: tuple[str, ...] = Field(default=("int8",), min_length=1, strict=False)
    """Precisions, as ``edgecv compress --quantize`` takes them."""
    technique: dict[str, dict[str, Any]] = Field(default={})
    """Techniques that a recipe has or has not, with options: a value, a table {choices = [...]} or
    {low = ..., high = ..., step = ...}; what is not given is the technique's default."""

    def classes(self) -> dict[str, type[Technique]]:
        """Return the techniques in their order of application."""
        flags = technique_flags()
        names = sorted(self.technique, key=lambda name: flags[name].place if name in flags else 99)
        return {name: TECHNIQUES.get(name, "[search.technique]") for name in names}

    def without(self, names: Sequence[str]) -> Self:
        """Return the space without some techniques."""
        kept = {name: each for name, each in self.technique.items() if name not in names}
        return self.model_copy(update={"technique": kept})

    def recipe(self, base: Recipe, draw: Draw, training: Mapping[str, Any]) -> Recipe:
        """Return the recipe that ``draw`` chooses; what would undo earlier work is not offered.

        ``training``: options of each training, which its technique does not set.
        """
        precision = draw("quantize", self.quantize)
        exports = exports_of((precision,), [base.exports[0].name], None, None)
        steps: dict[str, dict[str, Any]] = {}
        earlier: list[type[Technique]] = []
        for name, cls in self.classes().items():
            fits = cls.precisions is None or exports[0].precision in cls.precisions
            if fits and all(map(cls.may_follow, earlier)) and draw(name, (False, True)):
                earlier.append(cls)
                options = self.technique[name].items()
                steps[name] = {key: draw(f"{name}.{key}", _values(each)) for key, each in options}
        return base.replace(techniques=techniques_of(steps, training), exports=_like(base, exports))


def techniques_of(steps: Steps, training: Mapping[str, Any]) -> tuple[Technique, ...]:
    """Return the techniques, each with the options that it takes beside the others."""
    flags, found = technique_flags(), []
    for name, options in steps.items():
        beside = flags[name].beside if name in flags else {}
        table: dict[str, Any] = {"technique": name}
        for other in steps:
            table |= beside.get(other, {})
        if training and trains(TECHNIQUES.get(name, "[search.technique]"), {**table, **options}):
            table["training"] = dict(training)
        found.append(TECHNIQUES.parse({**table, **options}, f"[search.technique.{name}]"))
    return tuple(found)


def _like(base: Recipe, exports: Sequence[Exporter]) -> tuple[Exporter, ...]:
    """Return exporters with the options of the first of the recipe, where it has them."""
    first = base.exports[0]
    if exports[0].precision == first.precision:
        return (first,)
    return tuple(exports)


def _values(option: Any) -> Sequence[Any]:
    if isinstance(option, Mapping) and "choices" in option:
        return Choices.model_validate(dict(option)).values
    if isinstance(option, Mapping) and "low" in option:
        return Span.model_validate(dict(option)).values
    return (option,)


STUDENTS: tuple[dict[str, Any], ...] = (
    {"architecture": "plain_cnn"},
    {"architecture": "plain_cnn", "filters": [8, 8, 16, 16, 16, 32]},
    {"architecture": "plain_cnn", "filters": [16, 16, 32, 32, 64, 96]},
    {"architecture": "ds_cnn"},
)
"""Networks that a student may have, where the task takes one answer an image."""
LADDER: tuple[Steps, ...] = (
    {},
    {"equalize": {}, "bias_correction": {}},
    {"adaround": {}},
    {"qat": {}},
    {"shrink": {"keep": 0.5}, "distil": {}, "qat": {}},
    {"shrink": {"keep": 0.3}, "distil": {}, "qat": {}},
    {"student": {"network": STUDENTS[0]}},
)
"""Recipes that are tried first, the cheapest first."""


def default_space(base: Recipe) -> SearchSpace:
    """Return the techniques that fit the task and the limits of a recipe."""
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
    if gzip_counts(base.gates):  # Zeros and shared weights make a file smaller only there.
        options["prune"] = {"sparsity": {"choices": (0.5, 0.7, 0.8)}}
        options["cluster"] = {"clusters": {"choices": (16, 32)}}
    return SearchSpace(technique=options)


def gzip_counts(limits: Limits) -> bool:
    """Return True if a limit is on the bytes after gzip -9."""
    return limits.max_gzip_bytes is not None


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
