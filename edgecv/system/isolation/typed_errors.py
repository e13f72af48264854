"""Errors of a child that its parent raises again, and the names that they have in a frame."""

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
