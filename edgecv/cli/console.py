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
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.table import Table

from edgecv.acceptance.records import Judgement
from edgecv.cli.progress import EventProgress, score_text
from edgecv.core.errors import EdgecvError, StepError
from edgecv.core.records import Report, score_name
from edgecv.core.text import counted, printable, printable_lines
from edgecv.evaluation.task_of import task_of
from edgecv.formats.lookup import runtime_of_file
from edgecv.reports.markdown import headings, row
from edgecv.system.system_limits import as_limit
from edgecv.system.temporary import (
    all_temporary_files_in_session,
    remove_unused_session_folder,
)

if TYPE_CHECKING:
    from edgecv.pipeline.baseline import Training

WIDE = 130
"""Columns of the full table; on a narrower terminal it is transposed."""
COLOURS = {"passed": "green", "failed": "red", "inconclusive": "yellow"}


class Screen:
    """The terminal of one command: answers to standard output, progress to standard error."""

    def __init__(self) -> None:
        self._stack = ExitStack()

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
        self.on_event = self._progress.on_event
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
        self._stack.close()
        for number, descriptor in zip((1, 2), self._originals, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
        kept = self._keep_log() if _is_bug(error) else None
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
        if kept is not None:
            raise EdgecvError(
                "internal error",
                f"{type(error).__name__}: {error}",
                remedy=f"this is a bug of edgecv; please report it with {kept}",
            ) from error

    def _keep_log(self) -> Path:
        """Move the log out of the folder that is removed, and return its place."""
        return Path(shutil.move(self.log, self._kept_logs / self.log.name))

    def answer(self, text: str) -> None:
        """Write plain text to standard output: nothing in it reaches a terminal as a command.

        Raises StepError where it cannot be written; a closed pipe is no error.
        """
        self._write(printable_lines(text))

    def _write(self, text: str) -> None:
        self._progress.end_bar()
        data = (text if text.endswith("\n") else f"{text}\n").encode()
        try:
            while data:
                data = data[self._output.write(data) or 0 :]
        except BrokenPipeError:
            return
        except OSError as error:
            raise StepError("standard output", f"cannot be written: {error.strerror}") from None

    def columns(self, of_a_file: int = WIDE) -> int:
        """Return the width of the terminal, or ``of_a_file`` where standard output is none."""
        # Not shutil.get_terminal_size: it reads descriptor 1, which is the log now.
        if self._output.isatty():
            return os.get_terminal_size(self._output.fileno()).columns
        return of_a_file

    def _rich(self, part: Any, **options: Any) -> str:
        """Return plain text, or a table of it, as rich renders it for standard output."""
        part = printable_lines(part) if isinstance(part, str) else part
        terminal = self._output.isatty()
        console = Console(file=io.StringIO(), force_terminal=terminal, width=self.columns())
        console.print(part, highlight=False, markup=False, **options)
        text: str = console.file.getvalue()  # type: ignore[attr-defined]
        return text

    def report(self, report: Report, folder: Path | None, *, as_json: bool) -> None:
        """Show a report: the table and the verdict, or JSON."""
        from edgecv.reports.costs import costs_sentence
        from edgecv.reports.json_file import to_table
        from edgecv.reports.paired_comparison import judged, pair_line
        from edgecv.reports.verdict import verdict_line

        if as_json:
            self.answer(json.dumps(to_table(report), indent=2, allow_nan=False))
            return
        text = ""
        if report.comparisons:
            wide = self.columns() >= WIDE
            text += self._rich(report_table(report) if wide else narrow_table(report))
        for each in judged(report):
            text += self._rich(pair_line(each, task_of(report), report.data.classes))
        if report.costs is not None and report.costs.baseline != report.costs.compressed:
            text += self._rich(costs_sentence(report.costs))
        text += self._rich(verdict_line(report), style=COLOURS[report.outcome])
        if folder is not None:
            text += f"Written to {printable(str(folder))}: report.md says more\n"
        self._write(text)

    def judgement(self, judgement: Judgement, *, as_json: bool) -> None:
        """Show a run compared with the accepted one: table, verdict and advice, or JSON."""
        from edgecv.acceptance.outputs import to_table
        from edgecv.acceptance.text import (
            advice,
            cells,
            changed_first,
            headings,
            verdict_line,
        )

        if as_json:
            self.answer(json.dumps(to_table(judgement), indent=2, allow_nan=False))
            return
        table = Table(
            title=printable(f"{judgement.name} against {judgement.lock} of {judgement.since}")
        )
        for place, heading in enumerate(headings(judgement)):
            table.add_column(heading, justify="left" if place < 3 else "right")
        for change in changed_first(judgement):
            table.add_row(*map(printable, cells(change, judgement)))
        text = self._rich(table)
        for reason in judgement.not_compared:
            text += self._rich(f"Not compared: {reason}")
        text += self._rich(verdict_line(judgement), style=COLOURS[judgement.outcome])
        for sentence in advice(judgement):
            text += self._rich(sentence)
        self._write(text)

    def training(self, training: "Training", *, as_json: bool) -> None:
        """Show the result of a training, or its whole record as JSON."""
        if as_json:
            self.answer(json.dumps(asdict(training), indent=2, default=str))
            return
        history, best, folder = training.history, training.best, training.folder
        name = f"validation_{score_name(best)}"
        seconds = sum(epoch["seconds"] for epoch in history)
        test = training.test
        self.answer(
            f"{counted(training.parameters, 'parameter')}, {counted(len(history), 'epoch')} in"
            f" {seconds:.0f} s, "
            f"best is epoch {best['epoch']}: {name.replace('_', ' ')} "
            f"{score_text(best[name])}\n"
            f"On the {counted(test.images, 'test image')}: {test.metric} {score_text(test.value)}\n"
            f"Kept in {folder}; next: edgecv compress {folder}/model.keras with the same --data"
        )

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
        self._write(self._rich(grid))


def _is_bug(error: BaseException | None) -> bool:
    """Return True for an error that edgecv should have turned into a sentence."""
    is_interrupt = isinstance(error, RuntimeError) and "KeyboardInterrupt" in str(error)
    return (
        isinstance(error, Exception)
        and not isinstance(error, EdgecvError)
        and not is_interrupt
        and not _is_out_of_memory(error)
        and as_limit(error) is None
    )


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Return True for a lack of memory, reported by Python or by the system."""
    return isinstance(error, MemoryError) or (
        isinstance(error, OSError) and error.errno == errno.ENOMEM
    )


def report_table(report: Report) -> Table:
    """Return the table of a run."""
    table = Table(title=_title(report))
    for place, heading in enumerate(headings(task_of(report))):
        table.add_column(heading, justify="left" if place < 2 else "right")
    for cells, style in _rows(report):
        table.add_row(*map(printable, cells), style=style)
    return table


def narrow_table(report: Report) -> Table:
    """Return the same table with one column for each artifact, for a narrow terminal."""
    table = Table(title=_title(report), show_header=False)
    rows = [cells for cells, _ in _rows(report)]
    for _ in range(len(rows) + 1):
        table.add_column(overflow="fold")
    for heading, *cells in zip(headings(task_of(report)), *rows, strict=True):
        table.add_row(heading, *map(printable, cells))
    return table


def _rows(report: Report) -> list[tuple[tuple[str, ...], str]]:
    rows: list[tuple[tuple[str, ...], str]] = []
    task = task_of(report)
    if report.baseline is not None:
        name, value = Path(report.baseline.path).name, task.headline.text(report.baseline.value)
        runtime = runtime_of_file(Path(name)).name
        rows.append(((name, runtime, "", "", value, "", "", "", "", "baseline"), "dim"))
    for comparison in report.comparisons:
        rows.append((row(comparison, task), "dim" if comparison.is_twin else ""))
    return rows


def _title(report: Report) -> str:
    return printable(f"{report.name}: {report.data.name}, {_images(report)} test images")


def _images(report: Report) -> str:
    return f"{report.data.splits['test'].images:,}"


def _console(stream: IO[Any]) -> Console:
    """Return a console that does not truncate tables when it is not on a terminal."""
    console = Console(file=stream)
    return console if console.is_terminal else Console(file=stream, width=WIDE)
