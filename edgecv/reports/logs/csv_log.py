"""A table of all runs as a CSV file."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from edgecv.core.errors import InputError
from edgecv.core.files import check_regular
from edgecv.core.options import Text
from edgecv.core.plugins import ExperimentLog, Figures, LoggedResults, LoggedRun

HEADINGS = ("run", "started", "training", "epoch", "name", "value")


class CsvLog(ExperimentLog):
    """Appends to a CSV file: a row for each figure of each run, as tools for tables take it."""

    name: ClassVar[str] = "csv"
    address: ClassVar[str] = "path"
    path: Text | None = None
    """The file; by default logs/experiments.csv in the folder of all runs."""

    def check(self, run: LoggedRun) -> None:
        """Raise InputError where the file is something else."""
        path = self._path(run)
        check_regular(path, "--log csv")
        try:
            with path.open("rb") as file:
                first = file.read(1000).splitlines()[:1]
        except FileNotFoundError:
            return
        except OSError as error:
            raise InputError("--log csv", f"{path} cannot be read: {error.strerror}") from None
        if first not in ([], [",".join(HEADINGS).encode()]):
            raise InputError(
                "--log csv",
                f"{path} is no log of edgecv",
                accepted=f"a file that begins with {','.join(HEADINGS)}, or none",
                remedy="--log csv:PATH names another file",
            )

    def open(self, run: LoggedRun) -> "CsvSession":
        """Make the file with its headings, unless it is there."""
        return CsvSession(self._path(run), run)

    def _path(self, run: LoggedRun) -> Path:
        return run.folder / "experiments.csv" if self.path is None else Path(self.path)


class CsvSession:
    """The rows of one run."""

    def __init__(self, path: Path, run: LoggedRun) -> None:
        self._path, self._run = path, run
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or not path.stat().st_size:
            self._append([HEADINGS])
        self._write("", "", run.parameters.items())

    def epoch(self, training: str, number: int, figures: Figures) -> None:
        """Append the figures of an epoch."""
        self._write(training, number, figures.items())

    def finish(self, results: LoggedResults) -> None:
        """Append the outcome and all figures."""
        self._write("", "", [("outcome", results.outcome), *results.figures.items()])

    def close(self) -> None:
        """Do nothing: each row is on disk."""

    def _write(self, training: str, epoch: int | str, rows: Iterable[tuple[str, object]]) -> None:
        start = (self._run.name, self._run.started, training, epoch)
        self._append([(*start, name, value) for name, value in rows])

    def _append(self, rows: Iterable[tuple[object, ...]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        # One write a call: rows of runs at the same time do not mix.
        with self._path.open("ab", buffering=0) as file:
            file.write(text.getvalue().encode())
