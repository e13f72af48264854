"""The command line: parse, call, show.

One file a command, with its options and ``run(options, screen)``; ``commands.py`` lists them.
"""

import sys
from typing import Annotated, Any

import typer

from edgecv import __version__
from edgecv.cli.commands import COMMANDS as COMMANDS
from edgecv.cli.group import LazyGroup
from edgecv.cli.synonyms import option_meant
from edgecv.core.text import printable_lines, short_name

app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Each command has its options and an example: edgecv COMMAND --help. "
    "Exit codes: 0 passed, 1 a gate failed, 2 wrong input, 3 a step failed, "
    "4 inconclusive, 130 interrupted.",
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def edgecv(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Compress Keras vision models for the edge, and prove what each artifact cost."""


def run() -> int:
    """Run a command line and return the exit code; an error is one line, not a traceback."""
    from typer.exceptions import TyperException

    from edgecv.core.errors import EdgecvError
    from edgecv.system.system_limits import as_limit

    try:
        return int(app(standalone_mode=False) or 0)
    except EdgecvError as error:
        return _fail(str(error), error.exit_code)
    except TyperException as error:
        return _usage(error)
    except BrokenPipeError:
        return 0  # The reader has read enough.
    except SystemExit as exit_:
        if _is_of_typer(exit_):  # A closed pipe, whose reader has read enough, or completion.
            return 0
        return _fail(f"code outside of edgecv ended the program with status {exit_.code}", 3)
    except MemoryError:
        return _fail("memory: there is not enough of it; see ulimit -v", 3)
    except OSError as error:
        if (limit := as_limit(error)) is not None:
            return _fail(str(limit), limit.exit_code)
        where = error.filename or "standard output"
        return _fail(f"{where}: cannot be written: {error.strerror}", 3)


def _is_of_typer(exit_: SystemExit) -> bool:
    """Return True if Typer itself raised an exit, not code that a command has called."""
    trace = exit_.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__"))
    return name.partition(".")[0] in ("typer", "click")


def _fail(message: str, code: int) -> int:
    print(f"edgecv: {printable_lines(message)}", file=sys.stderr)
    return code


def _usage(error: Any) -> int:
    """Print a usage error in one line; print the help for a call without a command."""
    message, context = error.format_message().rstrip("."), getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        print(printable_lines(message), file=sys.stderr)
        return 2
    unknown = getattr(error, "option_name", None)
    if type(error).__name__ == "NoSuchOption" and unknown and context is not None:
        known = [name for each in context.command.params for name in each.opts if name[:2] == "--"]
        meant = option_meant(unknown, context.info_name, known)
        return _fail(f"{unknown}: No such option; {meant}", 2)
    command = "" if context is None or context.parent is None else f" {context.info_name}"
    return _fail(f"{_wrong_value(error) or message}; see edgecv{command} --help", 2)


def _wrong_value(error: Any) -> str:
    """Return the value that an option does not take, and what it takes; empty for other errors."""
    from pydantic import ValidationError

    from edgecv.core.errors import InputError
    from edgecv.core.options import accepted_values

    cause, parameter = error.__cause__, getattr(error, "param", None)
    if not isinstance(cause, ValidationError) or parameter is None:
        return ""
    name, first = parameter.opts[0], cause.errors(include_url=False)[0]
    where = name if name.startswith("-") else parameter.metavar or name
    found = f'"{short_name(first["input"])}"'
    return str(InputError(where, found, accepted=accepted_values(first["msg"])))
