"""The command line's form of a technique: a flag, and what its value stands for in a recipe."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TechniqueFlag:
    """A flag called as its technique, as the class attribute ``flag`` of the technique."""

    help: str
    place: int
    """Techniques of one command line are applied in this order."""
    kind: Any = bool
    """The type of the value; a flag without one is bool."""
    parse: Callable[[Any, Sequence[Any]], dict[str, Any]] = lambda value, exports: {}
    """Return the technique's options for a value, and for the exporters of the files that are
    asked for. Raises InputError that shows how the value is written."""
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Options that are set too where another technique is on the command line, by its name."""
