"""The command line's form of a technique: a flag, and the options that its value stands for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TechniqueFlag:
    """A flag with the name of its technique, set as the technique's class attribute ``flag``."""

    help: str
    place: int
    """Techniques of one command line are applied in this order."""
    kind: Any = bool
    """The type of the value; bool for a flag without a value."""
    parse: Callable[[Any, Sequence[Any]], dict[str, Any]] = lambda value, exports: {}
    """Return the technique's options for a value and the requested exporters. Raises InputError
    that shows how the value is written."""
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Additional options where another technique, the key, is on the command line too."""
