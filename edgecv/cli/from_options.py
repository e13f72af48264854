"""Commands made from classes of options: parameters, flags, help and defaults."""

import inspect
from importlib import import_module
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

import typer
from pydantic import model_validator

from edgecv.cli.commands import COMMANDS
from edgecv.cli.console import Screen
from edgecv.cli.help_text import SectionedCommand
from edgecv.core.command_options import (
    CommandOptions,
    Flag,
    flag_of,
    help_of,
    parse_flags,
    plain_type,
)
from edgecv.core.errors import InputError

METAVARS: dict[Any, str] = {str: "TEXT", int: "INTEGER", float: "NUMBER", Path: "PATH"}
CONTEXT = {"help_option_names": ["-h", "--help"]}


class JsonOptions(CommandOptions):
    """The form of the answer."""

    as_json: Annotated[bool, Flag("--json")] = False
    """The same as JSON on standard output, nothing else there."""
    quiet: bool = False
    """Show no progress, and of a report its verdict alone."""
    verbose: bool = False
    """Show at the end what the libraries have printed, and where an error comes from."""

    @model_validator(mode="after")
    def _check_one_of_both(self) -> Self:
        if self.quiet and self.verbose:
            raise InputError("--quiet", "stands beside --verbose", remedy="give one of them")
        return self


def options_of(command: str) -> type[CommandOptions]:
    """Return the class of a command's options."""
    options: type[CommandOptions] = _module(command).run.__annotations__["options"]
    return options


def build(command: str) -> SectionedCommand:
    """Return the Typer command for a class of options."""
    options, module, listed = options_of(command), _module(command), COMMANDS[command]

    def call(**given: Any) -> None:
        several = {key: tuple(each) for key, each in given.items() if isinstance(each, list)}
        asked = {key: each for key, each in {**given, **several}.items() if each is not None}
        settings = parse_flags(options, asked)
        with screen_of(settings) as screen:
            code = module.run(settings, screen)
        raise typer.Exit(code)

    parameters = [_parameter(options, name) for name in options.model_fields]
    parameters.sort(key=lambda each: each.default is not inspect.Parameter.empty)
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {each.name: each.annotation for each in parameters}
    app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=CONTEXT)
    example = f"Example: {listed.example}"
    add = app.command(
        command, cls=SectionedCommand, help=listed.help, epilog=example, context_settings=CONTEXT
    )
    add(call)
    made = typer.main.get_command(app)
    assert isinstance(made, SectionedCommand)
    made.options = options
    return made


def screen_of(settings: CommandOptions) -> Screen:
    """Return a screen that shows as much as the options ask for."""
    if not isinstance(settings, JsonOptions):
        return Screen()
    return Screen(quiet=settings.quiet, verbose=settings.verbose)


def _module(command: str) -> Any:
    return import_module(f"edgecv.cli.{COMMANDS[command].module or command}")


def _parameter(options: type[CommandOptions], name: str) -> inspect.Parameter:
    field = options.model_fields[name]
    flag, kind = flag_of(name, field), _kind(field.annotation)
    shown: dict[str, Any] = {"help": help_of(options, name)}
    if flag.default:
        shown["show_default"] = flag.default
    if flag.is_argument:
        info = typer.Argument(**shown, metavar=flag.name)
    else:
        one = next(iter(get_args(kind)), kind)
        info = typer.Option(flag.name, **shown, metavar=METAVARS.get(one))
    default = inspect.Parameter.empty if field.is_required() else field.default
    default = None if default == () else default
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind | None if default is None else kind, info],
    )


def _kind(annotation: Any) -> Any:
    """Return the type that Typer converts a value to: str where several types are possible.

    >>> _kind(tuple[str, ...]), _kind(int | None), _kind(str | int | float | None)
    (list[str], <class 'int'>, <class 'str'>)
    """
    annotation = plain_type(annotation)
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        kinds = [_kind(each) for each in inner if each is not type(None)]
        return kinds[0] if len(kinds) == 1 else str
    if origin is tuple:
        # Several whole numbers may stand in one value, with commas.
        return list[str if inner[0] is int else _kind(inner[0])]  # type: ignore[misc]
    return str if origin is Literal or annotation not in (bool, int, float, Path) else annotation
