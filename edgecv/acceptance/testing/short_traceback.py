"""Short tracebacks: a failed test shows its own line and the message, no frames of edgecv."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from edgecv.core.errors import EdgecvError, StepError

P = ParamSpec("P")
R = TypeVar("R")


def in_one_line(call: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function: its edgecv errors and assertions are raised without traceback."""

    @wraps(call)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        __tracebackhide__ = True
        try:
            return call(*args, **kwargs)
        except (EdgecvError, AssertionError) as error:
            raise error.with_traceback(None) from None
        except OSError as error:
            where = str(error.filename or call.__name__)
            raise StepError(where, f"cannot be used: {error.strerror or error}") from None

    return called
