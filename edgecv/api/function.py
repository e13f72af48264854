"""The decorator of the functions of the API: parameters from options, and one call of them."""

import inspect
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from edgecv.api.call import FunctionCall, call
from edgecv.api.parameter_names import in_parameters
from edgecv.core.command_options import flag_of, with_parameters
from edgecv.core.events import OnEvent
from edgecv.core.options import Options

P = ParamSpec("P")
R = TypeVar("R")
SHARED = {
    "progress": "Show progress; when not given, in a notebook only.",
    "on_event": "A function that is called with each event of the run.",
}
"""The help of the parameters of every function that takes its time."""
parameters_of = partial(with_parameters, wording=in_parameters, own=SHARED)


def api_function(
    options: type[Options], **arguments: str
) -> Callable[[Callable[Concatenate[FunctionCall, P], R]], Callable[P, R]]:
    """Decorate a function of the API that ends in ``**options``.

    The function is given its ``FunctionCall``; its caller may give ``progress``, ``on_event`` and
    the fields of ``options``. ``arguments``: further placeholders of the command line than those of
    the options -> parameter, for errors.
    """
    flags = {name: flag_of(name, each) for name, each in options.model_fields.items()}
    placeholders = {each.name: name for name, each in flags.items() if each.is_argument}

    def decorate(function: Callable[Concatenate[FunctionCall, P], R]) -> Callable[P, R]:
        @wraps(function)
        def called(*args: Any, **given: Any) -> R:
            with call(
                given.pop("progress", None),
                given.pop("on_event", None),
                **{**placeholders, **arguments},
            ) as this:
                return function(this, *args, **given)

        _, *own, rest = inspect.signature(function).parameters.values()
        shared = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=each)
            for name, each in (("progress", bool | None), ("on_event", OnEvent | None))
        ]
        called.__signature__ = inspect.signature(function).replace(  # type: ignore[attr-defined]
            parameters=[*own, *shared, rest]
        )
        return parameters_of(options)(called)

    return decorate
