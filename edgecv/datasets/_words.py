"""How counts and names are put in notes and errors."""

from collections.abc import Sequence


def counted(count: int, noun: str) -> str:
    """Say how many.

    >>> counted(1, "image"), counted(12000, "image")
    ('1 image', '12,000 images')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def were(count: int) -> str:
    """Return the verb that goes with a count."""
    return "was" if count == 1 else "were"


def listed(names: Sequence[str], limit: int) -> str:
    """Name the first ones.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    shown = ", ".join(printable(name) for name in names[:limit])
    return f"{shown} and {len(names) - limit:,} more" if len(names) > limit else shown


def printable(name: str) -> str:
    """Replace what a terminal would obey and what it cannot write: names come from strangers."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name)
