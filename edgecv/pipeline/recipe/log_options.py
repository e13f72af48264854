"""Options of the logs of experiments."""

from collections.abc import Sequence
from typing import ClassVar

from edgecv.core.command_options import CommandOptions
from edgecv.core.errors import InputError
from edgecv.core.options import Several
from edgecv.core.plugins import ExperimentLog
from edgecv.core.registry import LOGS
from edgecv.pipeline.recipe.checks import distinct_logs


class LogOptions(CommandOptions):
    """The logs of experiments."""

    section: ClassVar[str] = "Runs"

    log: Several = ()
    """Keep the run beside others in csv, tensorboard or mlflow, or in NAME:PLACE: a file, a log
    directory, a tracking URI. One or several."""

    def parsed_logs(self) -> tuple[ExperimentLog, ...]:
        """Return the logs. Raises InputError that names the flag."""
        return logs_of(self.log, "--log")


def logs_of(given: Sequence[str], flag: str) -> tuple[ExperimentLog, ...]:
    """Return the logs of ``NAME`` or ``NAME:PLACE``. Raises InputError that names the flag."""
    logs = []
    for text in given:
        name, colon, place = text.partition(":")
        cls = LOGS.get(name.lower(), flag)
        if colon and not place:
            raise InputError(flag, f"{text} names no place", remedy=f"leave the colon out: {name}")
        table = {LOGS.key: cls.name, **({cls.address: place} if colon else {})}
        logs.append(LOGS.parse(table, flag))
    return distinct_logs(logs, flag)
