"""``edgecv log``."""

from typing import Annotated

from edgecv.cli.console import Screen
from edgecv.core.command_options import CommandOptions, Flag
from edgecv.core.options import OnePath, Several


class LogCommand(CommandOptions):
    """Options of ``edgecv log``."""

    run: Annotated[OnePath, Flag("RUN", is_argument=True)]
    """A run folder."""
    to: Several
    """The log: csv, tensorboard or mlflow, or NAME:PLACE, as compress --log takes it. One or
    several."""


def run(options: LogCommand, screen: Screen) -> int:
    """Write a finished run into logs."""
    from edgecv.pipeline.recipe.log_options import logs_of
    from edgecv.pipeline.run_logs import write_to_logs

    logs = logs_of(options.to, "--to")
    write_to_logs(options.run, logs)
    names = ", ".join(log.name for log in logs)
    screen.answer(f"{options.run}: in {names}")
    return 0
