"""Event files for TensorBoard."""

import re
from pathlib import Path
from typing import Any, ClassVar

from edgecv.core.errors import InputError
from edgecv.core.options import Text
from edgecv.core.plugins import ExperimentLog, Figures, LoggedResults, LoggedRun
from edgecv.models.tf import load_tensorflow

RESULTS = "results"
"""The folder of what is of the whole run; each training has its own."""


class TensorBoard(ExperimentLog):
    """Writes event files for TensorBoard, which need not be installed: a folder for each run."""

    name: ClassVar[str] = "tensorboard"
    address: ClassVar[str] = "folder"
    folder: Text | None = None
    """The log directory; by default logs/tensorboard in the folder of all runs."""

    def check(self, run: LoggedRun) -> None:
        """Raise InputError where the log directory is a file."""
        folder = self._folder(run)
        if folder.exists() and not folder.is_dir():
            raise InputError("--log tensorboard", f"{folder} is not a folder")

    def open(self, run: LoggedRun) -> "EventFiles":
        """Make the folder of the run."""
        started = re.sub(r"[^0-9T]", "", run.started)
        return EventFiles(self._folder(run) / f"{run.name}-{started}", run)

    def _folder(self, run: LoggedRun) -> Path:
        return run.folder / "tensorboard" if self.folder is None else Path(self.folder)


class EventFiles:
    """The event files of one run.

    ``tf.summary.scalar`` needs TensorBoard's package; ``tf.summary.write``, which it calls, does
    not. The metadata say which of TensorBoard's tabs shows a value.
    """

    def __init__(self, folder: Path, run: LoggedRun) -> None:
        self._folder = folder
        self._writers: dict[str, Any] = {}
        lines = [f"| {name} | {value} |" for name, value in run.parameters.items()]
        self._text("recipe", "\n".join(["| key | value |", "|---|---|", *lines]))

    def epoch(self, training: str, number: int, figures: Figures) -> None:
        """Write scalars, which are on disk when this returns."""
        for name, value in figures.items():
            self._write(training, name, value, "scalars", step=number)
        self._writers[training].flush()

    def finish(self, results: LoggedResults) -> None:
        """Write figures as scalars, the report as text, and pictures."""
        for name, value in results.figures.items():
            self._write(RESULTS, name, value, "scalars")
        self._text("outcome", results.outcome)
        self._text("report", results.text)
        for path in results.files:
            if path.suffix == ".png":
                self._picture(path)

    def close(self) -> None:
        """Close all files."""
        for writer in self._writers.values():
            writer.close()

    def _text(self, name: str, text: str) -> None:
        self._write(RESULTS, name, text, "text")

    def _picture(self, path: Path) -> None:
        from PIL import Image

        with Image.open(path) as picture:
            width, height = picture.size
        encoded = [str(width).encode(), str(height).encode(), path.read_bytes()]
        self._write(RESULTS, path.stem, encoded, "images")

    def _write(self, part: str, name: str, value: Any, tab: str, step: int = 0) -> None:
        tensorflow, _ = load_tensorflow()
        if part not in self._writers:
            folder = self._folder / part
            self._writers[part] = tensorflow.summary.create_file_writer(str(folder))
        metadata = tensorflow.compat.v1.SummaryMetadata(plugin_data={"plugin_name": tab})
        with self._writers[part].as_default(step):
            kind = "float32" if tab == "scalars" else "string"
            tensorflow.summary.write(name, tensorflow.constant(value, kind), metadata=metadata)
