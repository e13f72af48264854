"""Limits as options: flags of the command line and parameters in Python, made from `Limits`."""

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, create_model

from edgecv.core.errors import InputError
from edgecv.core.options import CommandOptions, Name, flag_of, help_of, parse_options
from edgecv.evaluation.limits import Limits, all_limits, limit_details


def option_names() -> dict[str, str]:
    """Return the name of each limit, and of each detail of one, as an option: by its key.

    >>> option_names()["max_bytes"]
    'max_size'
    """
    limits = {key: limit.option or key for key, limit in all_limits().items()}
    details = {key: key for key, detail in limit_details().items() if detail.accepted}
    names = {**limits, **details}
    return {key: names[key] for key in Limits.model_fields if key in names}


class LimitOptionsBase(CommandOptions):
    """The limits as options. None means that the option was not given."""

    section: ClassVar[str] = "Limits"

    def changed(self, gates: Limits, *, in_python: bool = False) -> Limits:
        """Return the limits with the given options applied. Raises InputError that names the flag.

        ``in_python``: the error names the parameter instead.
        """
        table = gates.model_dump(exclude_none=True)
        for key, name in option_names().items():
            value = getattr(self, name)
            if value is None:
                continue
            flag = _shown(name, in_python)
            table |= _of_a_recipe(key, value, flag)
            detail = limit_details().get(key)
            if detail is not None and table.get(detail.limit) is None:
                needed = _shown(option_names()[detail.limit], in_python)
                raise InputError(flag, f"goes with {needed}", remedy=f"give {needed} too")
            try:
                gates = parse_options(Limits, table, flag)
            except InputError:  # It names the keys of recipes.
                raise InputError(flag, f'"{value}"', accepted=_accepted(key)) from None
        return gates


def _shown(name: str, in_python: bool) -> str:
    return name if in_python else flag_of(name, LimitOptions.model_fields[name]).name


def _of_a_recipe(key: str, value: Any, flag: str) -> dict[str, Any]:
    """Return the keys of a recipe that an option sets."""
    limit = all_limits().get(key)
    if limit is None:
        return {key: value}
    if isinstance(value, str):
        try:
            value = limit.quantity.parse(value)
        except ValueError as error:
            raise InputError(flag, f'"{value}"', accepted=str(error)) from None
    return {key: value, **limit.also()}


def _accepted(key: str) -> str:
    limit = all_limits().get(key)
    return limit_details()[key].accepted if limit is None else limit.quantity.accepted


def _fields() -> dict[str, Any]:
    fields = {}
    for key, name in option_names().items():
        limit, help_text = all_limits().get(key), help_of(Limits.model_fields[key])
        written = f" Written as {limit.quantity.accepted}." if limit else ""
        kind = str | int | float | None if limit else Name | None
        fields[name] = (kind, Field(default=None, description=f"{help_text}{written}"))
    return fields


if TYPE_CHECKING:

    class LimitOptions(LimitOptionsBase):
        """The options of all limits; the fields are made from `Limits`."""

        def __init__(self, **given: Any) -> None: ...
else:
    LimitOptions = create_model("LimitOptions", __base__=LimitOptionsBase, **_fields())
