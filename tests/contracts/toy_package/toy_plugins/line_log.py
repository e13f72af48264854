"""A log of experiments."""

from pathlib import Path
from typing import ClassVar

from edgecv.core.plugins import ExperimentLog, Figures, LoggedResults, LoggedRun


class LineLog(ExperimentLog):
    """A text file with a line for each epoch and each run."""

    name: ClassVar[str] = "lines"
    address: ClassVar[str] = "path"
    path: str
    """The file."""

    def open(self, run: LoggedRun) -> "Lines":
        """Open the file for more lines."""
        return Lines(Path(self.path), run.name)


class Lines:
    """The lines of one run."""

    def __init__(self, path: Path, name: str) -> None:
        self._name = name
        self._file = path.open("a")

    def epoch(self, training: str, number: int, figures: Figures) -> None:
        """Write a line."""
        print(self._name, training, number, f"{figures['loss']:.4f}", file=self._file, flush=True)

    def finish(self, results: LoggedResults) -> None:
        """Write the outcome."""
        print(self._name, results.outcome, len(results.files), "files", file=self._file)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
