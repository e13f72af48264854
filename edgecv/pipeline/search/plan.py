"""The plan of a search before it begins: its space, its first recipes, about how long it takes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgecv.core.text import counted
from edgecv.models.training.estimate import duration
from edgecv.pipeline.recipe.parts import TeacherNetwork
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.recipe.search_space import SearchSpace
from edgecv.pipeline.search.engines.contract import ModelAndData
from edgecv.pipeline.search.estimate import SearchCost, cost_of
from edgecv.pipeline.search.options import SearchOptions
from edgecv.pipeline.search.space import LADDER, first_recipes
from edgecv.pipeline.search.trial import steps_of


@dataclass(frozen=True)
class SearchPlan:
    """The plan of a search."""

    options: SearchOptions
    base: Recipe
    space: SearchSpace
    facts: ModelAndData
    workers: int
    left_out: Mapping[str, str]
    """Reasons by what the model cannot take."""

    @property
    def cost(self) -> SearchCost:
        """About how long it takes, and how much disk."""
        return cost_of(self.options, self.base, self.space, self.facts, self.workers)

    @property
    def first(self) -> list[str]:
        """The recipes that are tried before others."""
        found = first_recipes(self.space, self.base, self.options.training)
        return [steps_of(each.recipe) for each in found]

    @property
    def table(self) -> dict[str, Any]:
        """The plan as plain values."""
        return {
            "name": self.base.name,
            "data": {"name": self.base.data.name, "images": self.facts.images},
            "quantize": list(self.space.quantize),
            "technique": {name: self.space.values(name) for name in self.space.classes()},
            "left_out": dict(self.left_out),
            "first": self.first,
            "trials": self.options.trials,
            "minutes": self.options.minutes,
            "workers": self.workers,
            "output": str(self.options.output),
            "cost": asdict(self.cost),
        }

    @property
    def text(self) -> str:
        """The plan as a page."""
        options, cost = self.options, self.cost
        most = f"{counted(options.most_trials, 'recipe')} at most"
        if options.trials is None and options.minutes is not None:
            most = f"As many recipes as end within {options.minutes:g} minutes"
        images = ", ".join(f"{name} {count:,}" for name, count in self.facts.images.items())
        lines = [
            f"# {self.base.name}",
            "",
            f"{self.base.data.name}: {images}. Precision: {', '.join(self.space.quantize)}.",
            "",
            "A recipe has, or has not, in this order:",
            "",
            *(_line(self.space, name) for name in self.space.classes()),
            *(f"- not {name}: {reason}" for name, reason in self.left_out.items()),
            "",
            f"First: {'; '.join(self.first)}.",
            "",
            f"{most}, {counted(self.workers, 'worker')}: about"
            f" {duration(cost.seconds)}, and about {cost.bytes / 1e6:,.0f} MB in {options.output}."
            + self._in_16_bits
            + self._trained_first,
        ]
        return "\n".join(lines) + "\n"

    @property
    def _in_16_bits(self) -> str:
        """A sentence on trainings in 16 bits, whose time is not known before one; "" without."""
        precision = self.options.training.get("mixed_precision")
        if precision is None:
            return ""
        return (
            f" That is the time of steps in float32: in {precision} they may take several times as"
            " long, or less, by what the processor has for it; the first training tells."
        )

    @property
    def _trained_first(self) -> str:
        """A sentence on the networks that are trained before the first trial; "" without any."""
        baseline = self.base.baseline
        names = ["the baseline"] if baseline.model is None else []
        if isinstance(baseline.teacher, TeacherNetwork):
            names.append("the teacher")
        return f" What is not stored is trained first: {' and '.join(names)}." if names else ""


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
