"""Tables of JSON and TOML in files that somebody else may have edited, bounded in work.

A parser takes a thousand times the bytes of some texts, and what is nested a thousand times ends
whoever walks through it. ``ValueError`` is the only error here: each reader has its own sentence.
"""

import json
import math
import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

MOST_TOML_BYTES = 1_000_000
MOST_DOTS_A_LINE = 100
"""A key of a million parts keeps the parser busy for hours; no line of ours is like that."""
MOST_VALUES = 1_000_000
DEEPEST = 48
"""Tables and lists within each other; a report has ten."""
LARGEST_INTEGER = 2**63


def json_value(
    content: bytes,
    *,
    most_values: int = MOST_VALUES,
    deepest: int = DEEPEST,
    is_finite: bool = True,
) -> Any:
    """Return the value of a JSON text: numbers of 64 bits, text that UTF-8 can hold.

    ``is_finite``: NaN, Infinity and numbers that become it are refused.

    >>> json_value(b'{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    >>> json_value(b"[1e999]")
    Traceback (most recent call last):
    ValueError: holds a number that is too large
    """
    if content.count(b",") + content.count(b"[") + content.count(b"{") > most_values:
        raise ValueError(f"holds more than {most_values:,} values")
    try:
        value = json.loads(content, parse_constant=_no_number if is_finite else None)
    except RecursionError:
        raise _too_deep() from None
    check_values(value, deepest=deepest, is_finite=is_finite)
    return value


def toml_table(content: bytes) -> dict[str, Any]:
    """Return the table of a TOML text.

    >>> toml_table(b"a = 1")
    {'a': 1}
    """
    if len(content) > MOST_TOML_BYTES:
        raise ValueError(f"is larger than {MOST_TOML_BYTES // 10**6} MB")
    text = content.decode("utf-8-sig")
    if any(line.count(".") > MOST_DOTS_A_LINE for line in text.splitlines()):
        raise ValueError("holds a key of too many parts")
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise _too_deep() from None
    check_values(table, is_finite=False)  # Left to the model that reads the table.
    return table


def check_values(value: Any, *, deepest: int = DEEPEST, is_finite: bool = True) -> None:
    """Raise ValueError for what is nested too deeply, a number out of range, or no text."""
    waiting = [(value, 0)]
    while waiting:
        current, depth = waiting.pop()
        if isinstance(current, dict | list):
            if depth >= deepest:
                raise _too_deep()
            if isinstance(current, dict):
                for key in current:
                    _check_text(key)
            inner = current.values() if isinstance(current, dict) else current
            waiting += ((each, depth + 1) for each in inner)
        elif isinstance(current, str):
            _check_text(current)
        elif isinstance(current, int):
            if abs(current) > LARGEST_INTEGER:
                raise ValueError("holds a number that is too large")
        elif isinstance(current, float) and is_finite and not math.isfinite(current):
            raise ValueError("holds a number that is too large")


def fault_of(error: "ValidationError") -> tuple[str, str]:
    """Return the place of the first fault that a model has found in a table, and what it is."""
    first = error.errors(include_url=False, include_input=False)[0]
    return ".".join(map(str, first["loc"])), first["msg"]


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("holds half a character") from None


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a number")


def _too_deep() -> ValueError:
    return ValueError("nests too deeply")
