"""Output on the terminal: progress, tables, the verdict, one-line errors.

Libraries write to the process's standard error, from C++ too. Therefore the screen keeps copies of
the two streams and redirects the originals to a log file.
"""

import errno
import io
import json
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from edgecv.cli.progress import EventProgress
from edgecv.core.errors import EdgecvError, InputError, StepError
from edgecv.core.events import ignore_event
from edgecv.core.text import printable, printable_lines
from edgecv.system.system_limits import as_limit
from edgecv.system.temporary import (
    all_temporary_files_in_session,
    remove_unused_session_folder,
)

WIDE = 130
"""Columns of what is written into a file, but for tables that need more."""
MOST_COLUMNS = 1000


class Screen:
    """The terminal of one command: answers to standard output, progress to standard error."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        """Show no progress where ``quiet``, and the log at the end where ``verbose``."""
        self._stack = ExitStack()
        self.quiet = quiet
        self._verbose = verbose

    def __enter__(self) -> Self:
        self._kept_logs = self._stack.enter_context(all_temporary_files_in_session()).parent
        descriptor, name = tempfile.mkstemp(prefix="edgecv-", suffix=".log")
        self.log = Path(name)
        sys.stdout.flush()
        sys.stderr.flush()
        self._originals = os.dup(1), os.dup(2)
        self._output = self._stack.enter_context(os.fdopen(os.dup(1), "wb", buffering=0))
        self._error = self._stack.enter_context(
            os.fdopen(os.dup(2), "w", errors="backslashreplace")  # A name is no reason to fail.
        )
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)
        self.console = _console(self._error)
        self._progress = self._stack.enter_context(
            EventProgress(self.console, has_bar=self.console.is_terminal)
        )
        self.on_event = ignore_event if self.quiet else self._progress.on_event
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # The disk, or a limit on files, may not take the log.
            if error is not None:
                traceback.print_exception(error)  # Standard error is redirected there.
            sys.stdout.flush()
            sys.stderr.flush()
        if self._verbose:
            self._show_log()
        self._stack.close()
        for number, descriptor in zip((1, 2), self._originals, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
        # Out of the folder that is removed now.
        kept = shutil.move(self.log, self._kept_logs) if _is_bug(error) else None
        self.log.unlink(missing_ok=True)
        remove_unused_session_folder()
        if isinstance(error, RuntimeError) and "KeyboardInterrupt" in str(error):
            raise KeyboardInterrupt from error  # Ctrl-C while TensorFlow was raising an error.
        if _is_out_of_memory(error):
            raise StepError(
                "memory",
                "there is not enough of it",
                remedy="see ulimit -v, or use a larger machine",
            ) from error
        if (limit := as_limit(error)) is not None:
            raise limit from error
        if path := _closed_path(error):
            raise InputError(
                path,
                "this user may not look into it, or into a folder above it",
                remedy="give the rights, or use another place",
            ) from error
        if kept is not None:
            raise EdgecvError(
                "internal error",
                f"{type(error).__name__}: {error}",
                remedy=f"this is a bug of edgecv; please report it with {kept}",
            ) from error

    def _show_log(self) -> None:
        """Show what the libraries have printed, as plain lines on standard error."""
        self._progress.end_bar()
        for line in self.log.read_text("utf-8", "replace").splitlines():
            self.console.print(printable(line), soft_wrap=True, markup=False, highlight=False)

    def answer(self, text: str) -> None:
        """Write plain text to standard output: nothing in it reaches a terminal as a command."""
        self.write(printable_lines(text))

    def table(self, record: Any) -> None:
        """Write a record of plain values as JSON."""
        self.answer(json.dumps(record, indent=2, allow_nan=False, default=str))

    def write(self, text: str) -> None:
        """Write text to standard output, with the colours of ``rendered``.

        Raises StepError where it cannot be written; a closed pipe is no error.
        """
        self._progress.end_bar()
        data = (text if text.endswith("\n") else f"{text}\n").encode()
        try:
            while data:
                data = data[self._output.write(data) or 0 :]
        except BrokenPipeError:
            return
        except OSError as error:
            raise StepError("standard output", f"cannot be written: {error.strerror}") from None

    @property
    def is_terminal(self) -> bool:
        """True if standard output is a terminal."""
        return self._output.isatty()

    def columns(self, of_a_file: int = WIDE) -> int:
        """Return the width of the terminal, or ``of_a_file`` where standard output is none."""
        # Not shutil.get_terminal_size: it reads descriptor 1, which is the log now.
        if self.is_terminal:
            # 0 where nobody has set the size of a pseudo-terminal.
            return os.get_terminal_size(self._output.fileno()).columns or of_a_file
        return of_a_file

    def rendered(self, part: Any, **options: Any) -> str:
        """Return plain text, or a table of it, as rich renders it for standard output."""
        part = printable_lines(part) if isinstance(part, str) else part
        is_terminal = self.is_terminal
        console = Console(
            file=io.StringIO(), force_terminal=is_terminal, width=self.columns(), emoji=False
        )
        if isinstance(part, Table) and not is_terminal:
            console.width = max(console.width, natural_width(part))
        console.print(part, highlight=False, markup=False, **options)
        text: str = console.file.getvalue()  # type: ignore[attr-defined]
        return text

    def results(
        self,
        found: Iterable[tuple[str, Any]],
        to_text: Callable[[Any], str],
        to_json: Callable[[list[Any]], str] | None,
    ) -> int:
        """Show the result for each path, errors on standard error; return the exit code."""
        results = []
        for path, each in found:
            results.append((path, each))
            if isinstance(each, EdgecvError):
                self.warn([str(each)])
            elif to_json is None:
                self.answer(to_text(each))
        if to_json is not None:
            self.answer(to_json(results))
        return max(
            (each.exit_code for _, each in results if isinstance(each, EdgecvError)), default=0
        )

    def warn(self, sentences: Iterable[str]) -> None:
        """Print warnings on standard error, one on each line."""
        self._progress.end_bar()
        for sentence in sentences:
            line = printable(f"edgecv: {sentence}")
            self.console.print(line, soft_wrap=True, markup=False, highlight=False)

    def lines(self, rows: Sequence[tuple[str, ...]]) -> None:
        """Show rows of text in columns on standard output."""
        grid = Table.grid(padding=(0, 2))
        for row_cells in rows:
            grid.add_row(*map(printable_lines, row_cells))
        self.write(self.rendered(grid))


def _is_bug(error: BaseException | None) -> bool:
    """Return True for an error that edgecv should have turned into a sentence."""
    is_interrupt = isinstance(error, RuntimeError) and "KeyboardInterrupt" in str(error)
    return (
        isinstance(error, Exception)
        and not isinstance(error, EdgecvError)
        and not is_interrupt
        and not _is_out_of_memory(error)
        and as_limit(error) is None
        and not _closed_path(error)
    )


def _closed_path(error: BaseException | None) -> str:
    """Return the path that the user may not enter or read; "" for any other error."""
    name = error.filename if isinstance(error, PermissionError) else None
    return os.fsdecode(name) if isinstance(name, str | bytes) else ""


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Return True for a lack of memory, reported by Python or by the system."""
    return isinstance(error, MemoryError) or (
        isinstance(error, OSError) and error.errno == errno.ENOMEM
    )


def natural_width(table: Table) -> int:
    """Return the columns that a table takes with each cell on one line."""
    console = Console(file=io.StringIO(), width=MOST_COLUMNS)
    return Measurement.get(console, console.options, table).maximum


def _console(stream: IO[Any]) -> Console:
    """Return a console that does not truncate tables when it is not on a terminal."""
    console = Console(file=stream, emoji=False)
    return console if console.is_terminal else Console(file=stream, width=WIDE, emoji=False)
