"""Validators of records: pydantic builds one in milliseconds, as it reads all fields of a class."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")


def type_adapter(kind: Callable[..., T]) -> "TypeAdapter[T]":
    """Return the validator of a type: the same one at each call."""
    found: TypeAdapter[T] = _built(kind)
    return found


@cache
def _built(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
