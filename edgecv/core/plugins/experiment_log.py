"""The contract of a log of experiments: where a user keeps the results of trainings and runs."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from edgecv.core.plugins.plugin import Plugin

Figures = Mapping[str, float]
"""Numbers by name."""


@dataclass(frozen=True)
class LoggedRun:
    """A run or a training as it begins."""

    name: str
    started: str
    """Date and time, ISO 8601."""
    folder: Path
    """The folder for logs whose options name no other place."""
    parameters: Mapping[str, str | int | float | bool]
    """The recipe, one value a key: "baseline.training.epochs"."""


@dataclass(frozen=True)
class LoggedResults:
    """The results of a finished run, or of a training."""

    outcome: str
    """passed, failed or inconclusive; "trained" for a training."""
    text: str
    """The report as Markdown."""
    figures: Figures
    """FILE/FIGURE, such as "int8.tflite/accuracy"; intervals end in _low and _high."""
    files: tuple[Path, ...]
    """Everything that was written: models, report, pictures."""


class LogSession(Protocol):
    """A log that is open for one run. Whatever it raises does not end the run."""

    def epoch(self, training: str, number: int, figures: Figures) -> None:
        """Write the figures of an epoch: loss, the score, both on validation, learning_rate.

        ``training``: "baseline", "teacher", "control" or the name of a technique.
        """

    def finish(self, results: LoggedResults) -> None:
        """Write the results of a run that has come to its end."""

    def close(self) -> None:
        """Close the log. Where ``finish`` was not called, the run has ended by an error."""


class ExperimentLog(Plugin):
    """A place where trainings and runs are kept beside others."""

    address: ClassVar[str]
    """The option that the text behind a colon sets: ``--log csv:PATH``."""

    def check(self, run: LoggedRun) -> None:
        """Raise InputError where it cannot be written: before the run. Asks no network."""

    @abstractmethod
    def open(self, run: LoggedRun) -> LogSession:
        """Open the log for a run."""
