"""The events of a run on a console: a progress bar for counted steps, else a line."""

import math
from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn

from edgecv.cli.live_table import TableProgress
from edgecv.core.closing import Closing
from edgecv.core.events import Event, score_name
from edgecv.core.text import printable

EPOCH_LINES = 20
"""Approximate number of lines for a training with any number of epochs."""


class EventProgress(Closing):
    """Shows events on a console, with a bar where the console can redraw it."""

    def __init__(
        self, console: Console, *, has_bar: bool, wording: Callable[[str], str] = str
    ) -> None:
        """Show events on ``console``. ``wording`` translates each message."""
        self._console = console
        self._wording, self._has_bar = wording, has_bar
        self._progress = TableProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[values]}"),
            console=console,
            transient=True,
            disable=not has_bar,
        )
        self._task: TaskID | None = None
        self._description = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def close(self) -> None:
        """Remove the bar and stop the display."""
        self.end_bar()
        self._progress.stop()

    def on_event(self, event: Event) -> None:
        """Show an event of a run."""
        if event.row and self._has_bar:
            self._progress.show(event.row)
        elif event.stage == "epoch":
            if line := epoch_line(event):
                self._console.print(line, highlight=False, markup=False)
        elif event.row and not event.message:
            return
        elif event.total is None:
            message = printable(self._wording(event.message))
            self._console.print(message, highlight=False, markup=False)
        else:
            self._advance(event)

    def _advance(self, event: Event) -> None:
        if self._task is None or self._description != event.message:
            self.end_bar()
            self._description = event.message
            message = printable(event.message)
            self._task = self._progress.add_task(message, total=event.total, values="")
        values = event.values
        text = f"loss {values['loss']:.3f}" if "loss" in values else ""
        self._progress.update(self._task, completed=event.step, total=event.total, values=text)

    def end_bar(self) -> None:
        """Remove the bar from the console."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._progress.refresh()
            self._task = None


def epoch_line(event: Event) -> str:
    """Return an epoch as a line; empty for most of many epochs."""
    step, total = event.step or 0, event.total or 1
    if step % math.ceil(total / EPOCH_LINES) and step != total:
        return ""
    values, name = event.values, score_name(event.values)
    return (
        f"epoch {step}/{total}: loss {values['loss']:.4f}, {name} {score_text(values[name])},"
        f" validation {score_text(values[f'validation_{name}'])}, {values['seconds']:.1f} s"
    )


def score_text(value: float) -> str:
    """Format a mean score: as a percentage if it is a fraction."""
    return f"{value:.2%}" if 0 <= value <= 1 else f"{value:.4g}"
