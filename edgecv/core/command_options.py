"""Options of a command and of its function in Python, with the command line's form of each."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from types import MappingProxyType, UnionType
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin

import numpy as np
from pydantic import (
    ValidationError,
    field_validator,
)
from pydantic.fields import FieldInfo

from edgecv.core.errors import InputError
from edgecv.core.field_docstrings import field_docstrings
from edgecv.core.options import O, Options, accepted_values

C = TypeVar("C", bound=Callable[..., Any])


@dataclass(frozen=True)
class Flag:
    """The command line's form of an option, where name and type do not determine it."""

    name: str = ""
    """``--format`` for an option called ``formats``; for an argument its placeholder, MODEL."""
    default: str = ""
    """The default shown by help, where the option's own default is None."""
    is_argument: bool = False
    """True for a positional argument."""


class CommandOptions(Options):
    """Options of a command and of its function in Python."""

    section: ClassVar[str] = ""
    """The title of these options in the command's help."""

    @field_validator("*", mode="before")
    @classmethod
    def _says_something(cls, value: Any) -> Any:
        """Refuse an empty string: a shell variable that was never set. Take a number of NumPy."""
        if _is_empty(value):
            raise ValueError("something: it is empty")
        return value.item() if isinstance(value, np.generic) else value

    @classmethod
    def flag_name(cls, field: str) -> str:
        """Return the name of an option on the command line."""
        return flag_of(field, cls.model_fields[field]).name

    def refuse(self, beside: str, fields: Sequence[str], further: str = "") -> None:
        """Raise InputError for the first of some options that is given beside another."""
        for field in fields:
            value = getattr(self, field)
            if value is not None and value is not False and value != ():
                flag = self.flag_name(field)
                raise InputError(
                    flag, f"cannot be given beside {beside}", remedy=f"leave out {flag}{further}"
                )


def _is_empty(value: Any) -> bool:
    """Return True for an empty string, and for several values with one among them."""
    several = value if isinstance(value, tuple | list) else (value,)
    return any(isinstance(each, str) and not each for each in several)


def flag_of(name: str, field: FieldInfo) -> Flag:
    """Return the command line's form of a field."""
    given = next((each for each in field.metadata if isinstance(each, Flag)), Flag())
    return Flag(given.name or f"--{name.replace('_', '-')}", given.default, given.is_argument)


def help_of(options: type[Options], name: str) -> str:
    """Return the help of a field in one line."""
    written = options.model_fields[name].description
    return " ".join((written or field_docstrings(options).get(name, "")).split())


def with_parameters(
    options: type[Options],
    wording: Callable[[str], str] = str,
    own: Mapping[str, str] = MappingProxyType({}),
) -> Callable[[C], C]:
    """Decorate a function that ends in ``**options``: its parameters are the fields of a class.

    ``inspect.signature`` and ``help`` show every field with its default and its help, after the
    function's own parameters; the docstring lists them under ``Args:``. ``parse_options`` rejects
    unknown names. ``wording`` translates each help, which is written for the command line; ``own``
    is the help of parameters that several functions have beside their options.
    """

    def decorate(function: C) -> C:
        given = inspect.signature(function).parameters
        kept = [each for each in given.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
        fields = {key: each for key, each in options.model_fields.items() if key not in given}
        parameters = [*kept, *(_parameter(*item) for item in fields.items())]
        parameters.sort(key=lambda each: each.kind)
        function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            parameters, return_annotation=inspect.signature(function).return_annotation
        )
        texts = {key: text for key, text in own.items() if key in given}
        texts |= {name: wording(help_of(options, name)) for name in fields}
        text = inspect.getdoc(function) or ""
        heading = [] if "\nArgs:\n" in text else ["", "Args:"]
        lines = [f"    {name}: {each}" for name, each in texts.items()]
        function.__doc__ = "\n".join([text, *heading, *lines])
        return function

    return decorate


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    default = inspect.Parameter.empty if field.is_required() else field.default
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=plain_type(field.annotation),
    )


def plain_type(annotation: Any) -> Any:
    """Return a type without its pydantic annotations.

    >>> plain_type(Annotated[int, "1 or more"] | None)
    int | None
    """
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return plain_type(inner[0])
    if origin in (Union, UnionType):
        return reduce(or_, map(plain_type, inner))
    if origin is tuple:
        return tuple[plain_type(inner[0]), ...]  # type: ignore[misc]
    return annotation


def parse_flags(cls: type[O], options: Mapping[str, Any]) -> O:
    """Validate the values of a command line. Raises InputError that names the flag."""
    try:
        return cls.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field, found = str(first["loc"][0]), first["input"]
        flag = flag_of(field, cls.model_fields[field]).name
        if _is_empty(found):
            raise InputError(flag, "is empty", remedy="give a value, or leave it out") from None
        raise InputError(flag, f"{found}", accepted=accepted_values(first["msg"])) from None
