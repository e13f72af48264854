"""The commands: parse, call, show. No logic; heavy imports inside the functions.

One file a command; the table below is the order of the help.
"""

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from edgecv import __version__
from edgecv.cli.bench import bench
from edgecv.cli.compress import compress
from edgecv.cli.doctor import doctor
from edgecv.cli.gate import gate
from edgecv.cli.inspect import inspect
from edgecv.cli.list_plugins import list_registered
from edgecv.cli.schema import schema
from edgecv.cli.sign import sign
from edgecv.cli.table import table
from edgecv.cli.train import train
from edgecv.cli.validate import validate
from edgecv.cli.verify import verify

COMMANDS: dict[str, Callable[..., None]] = {
    "train": train,
    "compress": compress,
    "validate": validate,
    "gate": gate,
    "bench": bench,
    "verify": verify,
    "sign": sign,
    "table": table,
    "inspect": inspect,
    "doctor": doctor,
    "list": list_registered,
    "schema": schema,
}

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Compress Keras vision models for the edge, and prove what each artifact cost.",
    epilog="Exit codes: 0 passed, 1 a gate failed, 2 wrong input, 3 a step failed, "
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


for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


def run() -> int:
    """Run a command line and return the exit code: no error reaches the screen as a traceback."""
    from typer.exceptions import TyperException

    from edgecv.core.errors import EdgecvError

    try:
        return int(app(standalone_mode=False) or 0)
    except EdgecvError as error:
        return _fail(str(error), error.exit_code)
    except TyperException as error:
        return _usage(error)
    except (BrokenPipeError, SystemExit):  # Typer leaves so where a pipe is broken.
        return 0  # Whoever was reading has read enough.
    except OSError as error:
        where = error.filename or "standard output"
        return _fail(f"{where}: cannot be written: {error.strerror}", 3)


def _fail(message: str, code: int) -> int:
    print(f"edgecv: {message}", file=sys.stderr)
    return code


def _usage(error: Any) -> int:
    """Say a usage error in one line; a call without a command gets the help."""
    message = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        print(message, file=sys.stderr)
        return 2
    return _fail(f"{message.rstrip('.')}; see edgecv --help", 2)
