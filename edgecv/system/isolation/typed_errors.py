"""Errors of a child that its parent raises again, and the names that they have in a frame."""

from collections.abc import Mapping

from edgecv.core.errors import (
    EdgecvError,
    InputError,
    RuntimeFailure,
    StepError,
    UnsuitableFile,
)

TYPED_ERRORS: dict[str, type[EdgecvError]] = {
    cls.__name__: cls
    for cls in (EdgecvError, InputError, StepError, RuntimeFailure, UnsuitableFile)
}
"""The errors by class name."""
OUT_OF_MEMORY = "OutOfMemory"
"""Name of the error of a child that needs more memory than its limit."""


def parts_of(error: EdgecvError) -> dict[str, str]:
    """Return an error as texts, to be sent: its class and its parts."""
    name = next(cls.__name__ for cls in type(error).__mro__ if cls.__name__ in TYPED_ERRORS)
    parts = ("where", "found", "accepted", "remedy")
    return {"error": name, **{part: getattr(error, part) for part in parts}}


def error_of(parts: Mapping[str, str]) -> EdgecvError:
    """Return the error that was sent as these texts."""
    where, found, accepted, remedy = (
        parts[part] for part in ("where", "found", "accepted", "remedy")
    )
    return TYPED_ERRORS[parts["error"]](where, found, accepted=accepted, remedy=remedy)
