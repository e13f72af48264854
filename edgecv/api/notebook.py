"""The events of a call in a notebook: lines, and a bar below them that is drawn anew."""

import html
import time
from collections.abc import Callable
from typing import Any

from edgecv.cli.progress import epoch_line
from edgecv.core.closing import Closing
from edgecv.core.events import Event
from edgecv.core.text import printable
from edgecv.models.training.estimate import duration

SECONDS_BETWEEN = 0.2
SECONDS_TO_ESTIMATE = 2.0
"""A bar says the time that is left once it has stood for so long."""
MOST_LINES = 200
"""The last lines are shown; all of them are sent again with each change."""
Show = Callable[[str, str], None]
"""Shows HTML, and the same as text where there is no HTML, in place of what was shown before."""


class NotebookProgress(Closing):
    """Shows events below a cell. No widgets are needed: one output is replaced again and again."""

    def __init__(self, show: Show, wording: Callable[[str], str] = str) -> None:
        """Show events by ``show``. ``wording`` translates each message."""
        self._show, self._wording = show, wording
        self._lines: list[str] = []
        self._bar: Event | None = None
        self._began = self._shown = 0.0

    def on_event(self, event: Event) -> None:
        """Show an event of a run."""
        now, line = time.monotonic(), ""
        if event.stage == "epoch":
            line = epoch_line(event)
        elif event.total is None and event.message:
            line = printable(self._wording(event.message))
        if event.total is not None:
            if self._bar is None or self._bar.message != event.message:
                self._began, self._shown = now, 0.0
            self._bar = event
        if line:
            self._lines = [*self._lines, line][-MOST_LINES:]
        if line or now - self._shown > SECONDS_BETWEEN:
            self._draw(now)

    def close(self) -> None:
        """Leave the lines, without a bar."""
        self._bar = None
        if self._lines:
            self._draw(time.monotonic())

    def _draw(self, now: float) -> None:
        self._shown = now
        text = "\n".join(self._lines)
        page = f'<pre style="white-space: pre-wrap">{html.escape(text)}</pre>' if text else ""
        bar = self._bar
        if bar is not None and bar.total:
            step, total = min(bar.step or 0, bar.total), bar.total
            name = printable(self._wording(bar.message)) or bar.stage
            caption = f"{name}: {step:,} of {total:,}{self._left(step, total, now)}"
            page += (
                f'<label>{html.escape(caption)} <progress value="{step}" max="{total}">'
                "</progress></label>"
            )
            text += f"\n{caption}" if text else caption
        self._show(page, text)

    def _left(self, step: int, total: int, now: float) -> str:
        took = now - self._began
        if not 0 < step < total or took < SECONDS_TO_ESTIMATE:
            return ""
        return f", about {duration(took / step * (total - step))} left"


def cell_output() -> Show:
    """Return what shows HTML below the cell that runs, in one place of its output."""
    from IPython.display import display

    handles: list[Any] = []

    def show(page: str, text: str) -> None:
        content = {"text/html": page, "text/plain": text}
        if handles:
            handles[0].update(content, raw=True)
        else:
            handles.append(display(content, raw=True, display_id=True))

    return show
