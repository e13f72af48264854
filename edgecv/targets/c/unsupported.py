"""Refusals of operators that cannot be written in C."""

from collections.abc import Sequence


class UnsupportedInC(Exception):
    """Something that an operator needs and the C target does not have."""


def damaged_unless(condition: bool, what: str) -> None:
    """Refuse a file whose shapes contradict each other."""
    if not condition:
        raise UnsupportedInC(f"{what}: the file is damaged")


def same_sides(found: Sequence[int], wanted: Sequence[int]) -> None:
    """Refuse an output whose shape is not the one that follows."""
    damaged_unless(
        tuple(found) == tuple(wanted), f"its output is {list(found)} and not {list(wanted)}"
    )
