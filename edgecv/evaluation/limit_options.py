"""Limits as options: flags of the command line and parameters in Python, made from `Limits`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, create_model

from edgecv.core.command_options import CommandOptions, flag_of, help_of
from edgecv.core.errors import InputError
from edgecv.core.options import Name, parse_options
from edgecv.evaluation.limits import DEFAULT, NONE, Limits, all_limits, limit_details


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
    """The limits as options. One that is set to None or "none" switches the limit off."""

    section: ClassVar[str] = "Limits"

    def changed(self, gates: Limits, *, in_python: bool = False, on_device: bool = False) -> Limits:
        """Return the limits with the given options applied. Raises InputError that names the flag.

        ``in_python``: the error names the parameter instead. ``on_device``: a limit on time that is
        given is meant for a device, and not for this machine.
        """
        table = gates.model_dump(exclude_none=True)
        for key, name in option_names().items():
            value, flag = getattr(self, name), _shown(name, in_python)
            detail = limit_details().get(key)
            if name not in self.model_fields_set or (value is None and detail is not None):
                continue
            if detail is None and (value is None or _is_word(value, NONE)):
                table = _without(table, key)
                continue
            table |= _of_a_recipe(key, value, flag)
            if on_device and key == "max_latency_us":
                del table["latency_machine"]
            if detail is not None and table.get(detail.limit) in (None, NONE):
                needed = _shown(option_names()[detail.limit], in_python)
                raise InputError(flag, f"goes with {needed}", remedy=f"give {needed} too")
            try:
                gates = parse_options(Limits, table, flag)
            except InputError:  # It names the keys of recipes.
                raise InputError(flag, f'"{value}"', accepted=_accepted(key)) from None
        return parse_options(Limits, table, "limits")


def _is_word(value: Any, word: str) -> bool:
    return isinstance(value, str) and value.lower() == word


def _without(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the keys of a recipe with a limit switched off, and without its details."""
    details = [name for name, detail in limit_details().items() if detail.limit == key]
    kept = {name: value for name, value in table.items() if name not in (key, *details)}
    return kept if all_limits()[key].default is None else {**kept, key: NONE}


def _shown(name: str, in_python: bool) -> str:
    return name if in_python else flag_of(name, LimitOptions.model_fields[name]).name


def _of_a_recipe(key: str, value: Any, flag: str) -> dict[str, Any]:
    """Return the keys of a recipe that an option sets."""
    limit = all_limits().get(key)
    if limit is None:
        return {key: value}
    if limit.default is not None and _is_word(value, DEFAULT):
        return {key: DEFAULT}
    if isinstance(value, str):
        try:
            value = limit.quantity.parse(value)
        except ValueError:
            raise InputError(flag, f'"{value}"', accepted=_accepted(key)) from None
    return {key: value, **limit.also()}


def _accepted(key: str) -> str:
    limit = all_limits().get(key)
    if limit is None:
        return limit_details()[key].accepted
    return f"{limit.quantity.accepted}, none to switch it off"


def _fields() -> dict[str, Any]:
    fields = {}
    for key, name in option_names().items():
        limit, help_text = all_limits().get(key), help_of(Limits, key)
        written = f" Written as {limit.quantity.accepted}; none switches it off." if limit else ""
        kind = str | int | float | None if limit else Name | None
        fields[name] = (kind, Field(default=None, description=f"{help_text}{written}"))
    return fields


if TYPE_CHECKING:

    class LimitOptions(LimitOptionsBase):
        """The options of all limits; the fields are made from `Limits`."""

        def __init__(self, **given: Any) -> None: ...
else:
    LimitOptions = create_model("LimitOptions", __base__=LimitOptionsBase, **_fields())
