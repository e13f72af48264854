"""Tables of typed options: how they are read, and what is said of a wrong one."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from edgecv.core.errors import InputError
from edgecv.core.text import nearest


class Options(BaseModel):
    """A frozen table of typed options: an unknown key or a wrong type is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


CLI_NAMES = {"model": "MODEL", "formats": "--format"}
"""Options that a command line has under another name than their own."""


O = TypeVar("O", bound=Options)  # noqa: E741


def parse_options(cls: type[O], options: Mapping[str, Any], where: str) -> O:
    """Validate a table of options. Raises InputError that names the key and what is accepted."""
    try:
        return cls.model_validate(dict(options))
    except ValidationError as error:
        raise _as_input_error(error, cls, where) from None


def parse_flags(cls: type[O], options: Mapping[str, Any]) -> O:
    """Validate what a command line gives. Raises InputError that names the flag."""
    try:
        return cls.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field, found = str(first["loc"][0]), first["input"]
        flag = CLI_NAMES.get(field, f"--{field.replace('_', '-')}")
        if found in ("", ("",)):
            raise InputError(flag, "is empty", remedy="give a value, or leave it out") from None
        raise InputError(flag, f"{found}", accepted=_accepted(first["msg"])) from None


def _accepted(message: str) -> str:
    return message.removeprefix("Value error, ").removeprefix("Input should be ")


def _as_input_error(error: ValidationError, cls: type[BaseModel], where: str) -> InputError:
    errors = error.errors(include_url=False)
    # A misspelt key is also a missing one: the misspelling is what to tell.
    first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
    key = ".".join(str(part) for part in first["loc"])
    known = [name for name in cls.model_fields]
    if first["type"] == "extra_forbidden":
        return InputError(
            where, f'unknown key "{key}"', accepted=", ".join(known), remedy=nearest(key, known)
        )
    if first["type"] == "missing":
        return InputError(where, f'"{key}" is missing', remedy=f"add {key} = ...")
    message = _accepted(first["msg"])
    if not key:
        return InputError(where, message)
    return InputError(where, f'"{key}" is {first["input"]!r}', accepted=message)
