"""What a test that fails shows: the test's own line and the message, no way through edgecv."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from edgecv.core.errors import EdgecvError, StepError

P = ParamSpec("P")
R = TypeVar("R")


def in_one_line(call: Callable[P, R]) -> Callable[P, R]:
    """Let errors of edgecv and assertions that do not hold come without their traceback."""

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
