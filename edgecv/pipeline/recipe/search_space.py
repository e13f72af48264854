"""The table ``[search]`` of a recipe: the recipes that a search may try."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import Field, model_validator

from edgecv.core.options import Options, parse_options
from edgecv.core.plugins import Technique
from edgecv.core.registry import TECHNIQUES
from edgecv.pipeline.recipe.technique_options import technique_flags

WHERE = "[search.technique]"


class Span(Options):
    """An option that is a number between two."""

    low: float = Field(strict=False)
    high: float = Field(strict=False)
    step: float = Field(gt=0, strict=False)

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


class SearchSpace(Options):
    """The recipes that a search may try."""

    quantize: tuple[str, ...] = Field(default=("int8",), min_length=1, strict=False)
    """Precisions, as ``edgecv compress --quantize`` takes them."""
    technique: dict[str, dict[str, Any]] = Field(default={})
    """A table for each technique that a recipe has or has not, with its options: a value, a table
    {choices = [...]} or a table {low = ..., high = ..., step = ...}. What is not given is the
    default of the technique; where no technique is given, those that fit the task are tried."""

    def classes(self) -> dict[str, type[Technique]]:
        """Return the techniques in their order of application."""
        flags = technique_flags()
        names = sorted(self.technique, key=lambda name: flags[name].place if name in flags else 99)
        return {name: TECHNIQUES.get(name, WHERE) for name in names}

    def values(self, technique: str) -> dict[str, Sequence[Any]]:
        """Return the values that each option of a technique may have."""
        options = self.technique[technique].items()
        return {key: values_of(each, f"[search.technique.{technique}]") for key, each in options}


def values_of(option: Any, where: str) -> Sequence[Any]:
    """Return the values of an option: of its choices or its span, or the only one."""
    if isinstance(option, Mapping) and "choices" in option:
        return parse_options(Choices, option, where).choices
    if isinstance(option, Mapping) and {"low", "high"} & option.keys():
        return parse_options(Span, option, where).values
    return (option,)


def parse_space(table: Mapping[str, Any], where: str) -> SearchSpace:
    """Read ``[search]``. Raises InputError for a technique or an option that is not there."""
    space = parse_options(SearchSpace, table, f"{where}, [search]")
    for name in space.classes():
        options = space.values(name)
        first = {"technique": name, **{key: values[0] for key, values in options.items()}}
        for table in [
            first,
            *({**first, k: each} for k, found in options.items() for each in found),
        ]:
            TECHNIQUES.parse(table, f"{where}, [search.technique.{name}]")
    return space
