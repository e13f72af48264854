"""Limits as a command line gives them: 35KB, 98%, 2x, 50us."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import field_validator

from edgecv.core.errors import InputError
from edgecv.core.options import Options, parse_options
from edgecv.evaluation.limits import Limits
from edgecv.system.environment import machine

NUMBER_WITH_UNIT = re.compile(r"\s*(\d{1,15}\.?\d*|\.\d+)\s*([a-zA-Z%]*)\s*", re.ASCII)
SIZES = {"b": 1.0, "kb": 1e3, "mb": 1e6}
TIMES = {"us": 1.0, "ms": 1e3}
FRACTIONS = {"": 1.0, "%": 0.01}
RATIOS = {"": 1.0, "x": 1.0}


ACCEPTED = {
    "--max-drop": "points from 0 to 100, such as 0.5",
    "--drop-on": "point or bound",
    "--min-agreement": "0.98 or 98%",
    "--max-flips": "a number of images, or 0.01 or 1% of them",
    "--max-class-drop": "points from 0 to 100, such as 3",
    "--max-size": "35KB or 1.2MB (KB = 1000 bytes)",
    "--max-gzip": "35KB or 1.2MB (KB = 1000 bytes)",
    "--min-speedup": "2 or 2x",
    "--max-latency": "50us or 1.5ms",
}


class LimitOptions(Options):
    """The limits that a command line may set. None means that the flag was not given."""

    max_drop: float | None = None
    drop_on: str | None = None
    min_agreement: str | None = None
    max_flips: str | None = None
    max_class_drop: float | None = None
    max_size: str | None = None
    max_gzip: str | None = None
    min_speedup: str | None = None
    max_latency: str | None = None

    @field_validator("*")
    @classmethod
    def _says_something(cls, value: Any) -> Any:
        """Refuse an empty string: a shell variable that was never set."""
        if value == "" or (isinstance(value, tuple) and "" in value):
            raise ValueError("something: it is empty")
        return value

    def changed(self, gates: Limits) -> Limits:
        """Return the limits with those of the command line. Raises InputError with the flag."""
        table = gates.model_dump(exclude_none=True)
        for flag, options in self._given():
            table |= options
            if "drop_on" in options and table.get("max_drop_points") is None:
                raise InputError(flag, "goes with --max-drop", remedy="give --max-drop too")
            try:
                gates = parse_options(Limits, table, flag)
            except InputError:  # Its words are those of recipes.
                given = getattr(self, flag.removeprefix("--").replace("-", "_"))
                raise InputError(flag, f'"{given}"', accepted=ACCEPTED[flag]) from None
        return gates

    def _given(self) -> list[tuple[str, dict[str, Any]]]:
        """Return each flag that was given and what it is in a recipe."""
        given: list[tuple[str, dict[str, Any]]] = []
        if self.max_drop is not None:
            given.append(("--max-drop", {"max_drop_points": self.max_drop}))
        if self.drop_on is not None:
            given.append(("--drop-on", {"drop_on": self.drop_on}))
        if self.min_agreement is not None:
            value = quantity(self.min_agreement, FRACTIONS, "--min-agreement")
            given.append(("--min-agreement", {"min_agreement": value}))
        if self.max_flips is not None:
            given.append(("--max-flips", {"max_flips": flips(self.max_flips)}))
        if self.max_class_drop is not None:
            given.append(("--max-class-drop", {"max_class_drop_points": self.max_class_drop}))
        if self.max_size is not None:
            given.append(("--max-size", {"max_bytes": size(self.max_size, "--max-size")}))
        if self.max_gzip is not None:
            given.append(("--max-gzip", {"max_gzip_bytes": size(self.max_gzip, "--max-gzip")}))
        if self.min_speedup is not None:
            value = quantity(self.min_speedup, RATIOS, "--min-speedup")
            given.append(("--min-speedup", {"min_speedup": value}))
        if self.max_latency is not None:
            value = quantity(self.max_latency, TIMES, "--max-latency")
            # Whoever runs the recipe elsewhere is told that the limit was not meant for there.
            here = {"max_latency_us": value, "latency_machine": machine()}
            given.append(("--max-latency", here))
        return given


def size(text: str, flag: str) -> int:
    """Return bytes. Raises InputError that shows how they are written.

    >>> size("35KB", "--max-size"), size("1.2MB", "--max-size")
    (35000, 1200000)
    """
    return round(quantity(text, SIZES, flag))


def flips(text: str) -> int | float:
    """Return a number of images, or a fraction of them.

    >>> flips("50"), flips("0.5%"), flips("0.01")
    (50, 0.005, 0.01)
    """
    if re.fullmatch(r"\d{1,15}", text, re.ASCII):
        return int(text)
    return quantity(text, FRACTIONS, "--max-flips")


def quantity(text: str, units: Mapping[str, float], flag: str) -> float:
    """Return a number with a unit as the number of the first unit."""
    found = NUMBER_WITH_UNIT.fullmatch(text)
    if found is None or found[2].lower() not in units:
        raise InputError(flag, f'"{text}"', accepted=ACCEPTED[flag])
    return float(found[1]) * units[found[2].lower()]
