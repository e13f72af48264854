"""The logs of a run: each epoch as it ends, and the results."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from edgecv.core.errors import EdgecvError, StepError
from edgecv.core.events import Event, OnEvent
from edgecv.core.plugins import ExperimentLog, LoggedResults, LoggedRun, LogSession
from edgecv.core.report import TrainingCurve
from edgecv.core.text import one_line, without_password
from edgecv.pipeline.logged_results import results_of_run
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.reports.json_file import read_run
from edgecv.system.storage import Store

NOT_OF_TRAINING = ("epoch", "settled")


def logged_run(recipe: Recipe, name: str, store: Store) -> LoggedRun:
    """Return the facts of a run for its logs."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    parameters = dict(_flat(recipe.replace(logs=()).table()))
    return LoggedRun(name, started, store.root / "logs", parameters)


class RunLogs:
    """The logs of one run. One that fails is left out from there on: the run goes on.

    A log is opened when there is something to write into it: a run that is refused leaves nothing.
    """

    def __init__(self, logs: Sequence[ExperimentLog], run: LoggedRun, on_event: OnEvent) -> None:
        """Check the logs. Raises InputError where one cannot be written."""
        for log in logs:
            log.check(run)
        self._run, self._listener = run, on_event
        self._working = list(logs)
        self._failed: list[ExperimentLog] = []
        self._sessions: dict[str, LogSession] = {}
        self._written: dict[tuple[str, int], Mapping[str, float]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._each(lambda session: session.close(), opens=False)

    def on_event(self, event: Event) -> None:
        """Pass an event on; write an epoch."""
        self._listener(event)
        if event.training:
            self._epoch(event.training, event.values)

    def finish(
        self,
        results: LoggedResults,
        trainings: Sequence[TrainingCurve],
        later: Callable[[str], str],
    ) -> None:
        """Write the results, and the epochs that were taken from the store.

        ``later``: returns the sentence for a log that has failed, by its NAME:PLACE.
        """
        for name, epoch in _epochs(trainings):
            self._epoch(name, epoch)
        self._each(lambda session: session.finish(results))
        for log in self._failed:
            place = getattr(log, log.address)
            target = f"{log.name}:{without_password(place)}" if place else log.name
            self._listener(Event("note", f"the log is kept: {later(target)}"))

    def _epoch(self, training: str, values: Mapping[str, Any]) -> None:
        """Write an epoch, unless it stands there already with the same figures.

        Figures of the best one change after the training where its moving averages are estimated.
        """
        number, figures = int(values["epoch"]), figures_of(values)
        if self._written.get((training, number)) != figures:
            self._written[training, number] = figures
            self._each(lambda session: session.epoch(training, number, figures))

    def _each(self, act: Callable[[LogSession], None], *, opens: bool = True) -> None:
        for log in list(self._working):
            try:
                if log.name not in self._sessions:
                    if not opens:
                        continue
                    self._sessions[log.name] = log.open(self._run)
                act(self._sessions[log.name])
            # Whatever a library or a server has come to: the run is worth more than its log.
            except Exception as error:  # noqa: BLE001
                self._leave_out(log, error)

    def _leave_out(self, log: ExperimentLog, error: Exception) -> None:
        self._working.remove(log)
        self._failed.append(log)
        self._listener(
            Event("note", f"the log {log.name} fails, the run goes on: {failure_text(error)}")
        )
        with suppress(Exception):
            if log.name in self._sessions:
                self._sessions[log.name].close()


def write_to_logs(folder: Path, logs: Sequence[ExperimentLog]) -> None:
    """Write a finished run into logs.

    Raises InputError where the folder is no run, StepError where a log cannot be written.
    """
    report = read_run(folder)
    written = datetime.fromtimestamp((folder / "report.json").stat().st_mtime, UTC)
    run = LoggedRun(
        report.name,
        written.isoformat(timespec="seconds"),
        folder.absolute().parent / "logs",
        dict(_flat(report.recipe)),
    )
    for log in logs:
        log.check(run)
        try:
            with closing(log.open(run)) as session:
                for name, epoch in _epochs(report.trainings):
                    session.epoch(name, int(epoch["epoch"] or 0), figures_of(epoch))
                session.finish(results_of_run(report, folder))
        except Exception as error:
            raise StepError(
                f"the log {log.name}", failure_text(error), remedy="the run is kept: try again"
            ) from error


def _epochs(trainings: Sequence[TrainingCurve]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the epochs of all trainings, each with the name of its training."""
    return ((training.name, epoch) for training in trainings for epoch in training.epochs)


def figures_of(epoch: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of an epoch as numbers."""
    return {
        name: float(value)
        for name, value in epoch.items()
        if name not in NOT_OF_TRAINING and value is not None
    }


def failure_text(error: Exception) -> str:
    """Return the error of a log in one line."""
    if isinstance(error, EdgecvError):
        return str(error)
    found = one_line(str(error))[:300]
    return f"{type(error).__name__}: {found}" if found else type(error).__name__


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, str | int | float | bool]]:
    """Yield the values of nested tables, each with its keys joined by dots; lists from 1.

    >>> dict(_flat({"a": {"b": 1}, "c": [{"d": True}], "e": [32, 32, 3]}))
    {'a.b': 1, 'c.1.d': True, 'e': '32, 32, 3'}
    """
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _flat(each, f"{key}.{name}" if key else name)
    elif isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
        for number, each in enumerate(value, 1):
            yield from _flat(each, f"{key}.{number}")
    elif isinstance(value, list | tuple):
        if value:
            yield key, ", ".join(map(str, value))
    else:
        yield key, value
