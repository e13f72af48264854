"""Options: parsing of option tables, and errors for wrong ones.

A class of options is the single definition of its options: types, defaults and, as the docstring
of each field, help. Recipes, the command line and the Python API are made from it.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    field_validator,
)
from pydantic_core import CoreSchema

from edgecv.core.errors import InputError, unknown_name
from edgecv.core.field_docstrings import field_docstrings
from edgecv.core.text import LONGEST_NAME, short_name


class Options(BaseModel):
    """A frozen table of typed options: an unknown key or a wrong type is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return the JSON schema, with the docstring of each field as its description."""
        made = handler(schema)
        fields = handler.resolve_ref_schema(made).get("properties", {})
        for name, text in field_docstrings(cls).items():
            if name in fields:
                fields[name].setdefault("description", text)
        return made


class OwnTraining(Options):
    """The base of options with a training: a table changes the schedule that is their own."""

    @field_validator("training", mode="before", check_fields=False)
    @classmethod
    def _changes_its_own_schedule(cls, given: Any) -> Any:
        """Keep its own options of the training where a recipe sets only some of them."""
        if not isinstance(given, Mapping):
            return given
        return {**cls.model_fields["training"].default.model_dump(), **given}


O = TypeVar("O", bound=Options)  # noqa: E741


PLAIN_KINDS = {
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid boolean": "true or false",
    "a valid string": "text",
    "a valid tuple": "one or several, as a list or a tuple",
    "Input is not a valid path": "a path",
}
"""Kinds of values in plain words, by the start of pydantic's message."""
KINDS = ("int", "float", "str", "bool")


def parse_options(cls: type[O], options: Mapping[str, Any], where: str) -> O:
    """Validate a table of options. Raises InputError that names the key and what is accepted."""
    try:
        return cls.model_validate(dict(options))
    except ValidationError as error:
        raise _as_input_error(error, cls, where) from None


def accepted_values(message: str) -> str:
    """Return the accepted values in a message of pydantic.

    >>> accepted_values("Input should be a valid integer, unable to parse string as an integer")
    'a whole number'
    """
    text = message.removeprefix("Value error, ").removeprefix("Input should be ")
    return next((plain for start, plain in PLAIN_KINDS.items() if text.startswith(start)), text)


def _is_kind(part: str) -> bool:
    """Return True for the part of an error's place that names one of several accepted types.

    >>> _is_kind("constrained-float"), _is_kind("literal['none']"), _is_kind("max_drop_points")
    (True, True, False)
    """
    return part in KINDS or part.startswith(("constrained-", "literal["))


def _as_input_error(error: ValidationError, cls: type[BaseModel], where: str) -> InputError:
    errors = error.errors(include_url=False)
    # A misspelt key is also a missing one: report the misspelling.
    first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
    key = ".".join(str(part) for part in first["loc"] if not _is_kind(str(part)))
    if first["type"] == "extra_forbidden":
        return unknown_name(
            where, f'unknown key "{short_name(key)}"', key[:LONGEST_NAME], cls.model_fields
        )
    if first["type"] == "missing":
        return InputError(where, f'"{short_name(key)}" is missing', remedy=f"add {key} = ...")
    message = accepted_values(first["msg"])
    if not key:
        return InputError(where, message)
    return InputError(where, f'"{key}" is {short_name(repr(first["input"]))}', accepted=message)


N = TypeVar("N")


def as_text(value: Any) -> Any:
    """Return a path or a number as text, anything else as it is."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else value


def _as_tuple(value: Any) -> Any:
    return (as_text(value),) if isinstance(value, str | os.PathLike) else value


def _as_names(value: Any) -> Any:
    """Return the names of texts with commas; what holds no text as it is.

    >>> _as_names(("a:B, c:D", "e:F")), _as_names(4)
    (('a:B', 'c:D', 'e:F'), 4)
    """
    given = _as_tuple(value)
    if not isinstance(given, tuple | list) or not all(isinstance(each, str) for each in given):
        return value
    return tuple(part.strip() for each in given for part in each.split(","))


def _as_numbers(value: Any) -> Any:
    """Return whole numbers of texts with commas, each once; what is no number as it is.

    >>> _as_numbers(("1, 2", "2,x")), _as_numbers(4)
    ((1, 2, 'x'), (4,))
    """
    given = value if isinstance(value, tuple | list) else (value,)
    parts = [part.strip() for each in given for part in str(each).split(",")]
    numbers = [int(each) if each.removeprefix("-").isdecimal() else each for each in parts]
    return tuple(dict.fromkeys(numbers))


Text = Annotated[str, BeforeValidator(as_text)]
"""Text; in Python also a path or a number."""
Name = Annotated[
    str, BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
]
"""A name, matched without case: ``INT8`` is ``int8``."""
Several = Annotated[
    tuple[str, ...],
    Field(strict=False),
    BeforeValidator(_as_tuple, json_schema_input_type=str | tuple[str, ...]),
]
"""Any number of texts; in Python also a single one."""
Listed = Annotated[
    tuple[str, ...],
    Field(strict=False),
    BeforeValidator(_as_names, json_schema_input_type=str | tuple[str, ...]),
]
"""Any number of texts without commas, one or several in a text with commas between them."""
OnePath = Annotated[Path, Field(strict=False)]
WholeNumbers = Annotated[
    tuple[N, ...],
    Field(strict=False, min_length=1),
    BeforeValidator(_as_numbers, json_schema_input_type=int | str | tuple[int, ...]),
]
"""Whole numbers, one or several with commas; in Python also a number or a list of them."""
Paths = Annotated[tuple[OnePath, ...], Field(strict=False), BeforeValidator(_as_tuple)]
"""Any number of paths; in Python also a single one."""
