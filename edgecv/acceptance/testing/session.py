"""The test run as the assertions see it, and the meaning of paths that tests give."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgecv.core.errors import InputError
from edgecv.core.files import check_regular
from edgecv.core.text import nearest
from edgecv.datasets.resolve import accepted_data, named_data
from edgecv.pipeline.prediction_cache import PredictionCache

StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class CompareSession:
    """One process of a test run."""

    root: Path
    """The folder that relative paths begin at, and that shown paths are relative to."""
    prediction_cache: PredictionCache
    """Shared by all processes of the run."""
    is_update: bool
    """True if the measured comparisons are to be accepted."""
    test_file: Callable[[], Path]
    """Return the file of the test that is running."""
    on_accepted: Callable[[str], None] = lambda text: None
    """Called with a sentence for each accepted comparison."""

    def path(self, given: StrPath, what: str) -> Path:
        """Return the path of a file or folder. Raises InputError if there is none."""
        path = self._place(given, what)
        if not path.exists():
            raise InputError(what, f"there is no {os.fspath(given)}{self._seen_from(given)}")
        check_regular(path, what, folders=True)
        return path

    def data(self, given: StrPath) -> str:
        """Return the name of a data set, or its path; a name comes first, as for ``--data``."""
        text = _text(given, "data")
        if text in named_data():
            return text
        path = self._place(given, "data")
        if not text or not path.exists():
            raise InputError(
                "data",
                f'"{text}" is neither a data set nor a file{self._seen_from(given)}',
                accepted=accepted_data(),
                remedy=nearest(text.lower(), named_data()),
            )
        return str(path)

    def shown(self, path: Path) -> str:
        """Return a path relative to the root, or as it is if it lies elsewhere.

        >>> session = CompareSession(Path("/team"), PredictionCache(), False, Path)
        >>> session.shown(Path("/team/models/int8.tflite"))
        'models/int8.tflite'
        """
        return path.relative_to(self.root).as_posix() if self.holds(path) else str(path)

    def holds(self, path: Path) -> bool:
        """Return True if a path lies under the root, so that it is the same on every machine."""
        return path.is_relative_to(self.root)

    def _place(self, given: StrPath, what: str) -> Path:
        path = self.root / os.path.expanduser(_text(given, what))
        return Path(os.path.normpath(path))

    def _seen_from(self, given: StrPath) -> str:
        if os.path.isabs(os.path.expanduser(given)):
            return ""
        return f" in {self.root}, where relative paths begin (pytest's rootdir)"


def _text(given: StrPath, what: str) -> str:
    if not isinstance(given, str | os.PathLike):
        raise InputError(what, f"is {given!r}", accepted="a path")
    return os.fspath(given)
