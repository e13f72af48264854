"""Progress of a call: quiet in scripts, lines or a bar where asked for or in a notebook."""

import io
import re
import time

import pytest
from rich.console import Console

from edgecv.api import progress as progress_of_calls
from edgecv.api.notebook import NotebookProgress
from edgecv.api.progress import in_notebook, shown
from edgecv.cli.progress import EventProgress
from edgecv.core.events import Event

pytestmark = pytest.mark.quick

EVENTS = [
    Event("data", "reading [the] data"),
    Event("data", "reading images", 1, 2),
    Event("data", "reading images", 2, 2),
    Event("note", "leave --max-drop out"),
]


def test_a_script_is_quiet_and_gets_its_events(capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[Event] = []
    assert not in_notebook()
    for progress in (None, False):
        with shown(progress, seen.append) as on_event:
            for event in EVENTS:
                on_event(event)
    with shown(None, None) as on_event:
        on_event(EVENTS[0])
    assert seen == EVENTS * 2
    assert capfd.readouterr() == ("", "")


def test_progress_that_is_asked_for_goes_to_standard_error(
    capfd: pytest.CaptureFixture[str],
) -> None:
    seen: list[Event] = []
    with shown(True, seen.append) as on_event:
        for event in EVENTS:
            on_event(event)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == ["reading [the] data", "leave max_drop= out"]
    assert seen == EVENTS


def test_a_terminal_gets_a_bar() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100)
    with EventProgress(console, has_bar=True) as view:
        for event in EVENTS[:3]:
            view.on_event(event)
        time.sleep(0.3)  # It is drawn ten times a second.
    assert "2 of 2" in stream.getvalue()
    assert "reading images" in stream.getvalue()


def rows_of_a_search(count: int) -> list[Event]:
    table = [{"trial": str(n), "recipe": f"qat [{n}]", "state": "proposed"} for n in range(count)]
    done = [{**row, "state": "finished"} for row in table[:2]]
    return [
        *(Event("search", "", row=row) for row in table),
        *(Event("search", f"trial {row['trial']}: passed", row=row) for row in done),
    ]


def test_a_terminal_gets_a_table_of_trials_and_other_places_a_line_for_each() -> None:
    stream, lines = io.StringIO(), io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80, height=11)
    with EventProgress(console, has_bar=True) as view:
        for event in rows_of_a_search(4):
            view.on_event(event)
        shown_last = stream.getvalue().rpartition("recipe")[2]
    # As many as the terminal is high: the trials that changed last.
    assert [f"qat [{n}]" in shown_last for n in range(4)] == [True, True, False, True]
    assert shown_last.count("finished") == 2
    assert "passed" not in stream.getvalue()
    with EventProgress(Console(file=lines), has_bar=False) as view:
        for event in rows_of_a_search(4):
            view.on_event(event)
    assert lines.getvalue().splitlines() == ["trial 0: passed", "trial 1: passed"]


class Cell:
    """The output of a cell: what was shown last, and how often."""

    def __init__(self) -> None:
        self.page = self.text = ""
        self.shown = 0

    def show(self, page: str, text: str) -> None:
        self.page, self.text, self.shown = page, text, self.shown + 1


def test_a_notebook_shows_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    cell, seen = Cell(), list[Event]()
    monkeypatch.setattr(progress_of_calls, "in_notebook", lambda: True)
    monkeypatch.setattr("edgecv.api.notebook.cell_output", lambda: cell.show)
    with shown(None, seen.append) as on_event:
        for event in EVENTS[:2]:
            on_event(event)
        assert "reading images: 1 of 2" in cell.text
        on_event(EVENTS[3])
    assert cell.text.splitlines() == ["reading [the] data", "leave max_drop= out"]
    assert "<progress" not in cell.page
    assert seen == [*EVENTS[:2], EVENTS[3]]


def test_a_bar_of_a_notebook_says_what_is_left_and_is_not_drawn_too_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cell, now = Cell(), [100.0]
    monkeypatch.setattr("edgecv.api.notebook.time.monotonic", lambda: now[0])
    with NotebookProgress(cell.show) as view:
        for step in range(1, 41):
            view.on_event(Event("export", "timing <candidates>", step, 80))
            now[0] += 0.1
        assert cell.shown <= 20
        assert "timing &lt;candidates&gt;: " in cell.page
        assert '<progress value="' in cell.page
        assert re.fullmatch(r"timing <candidates>: \d+ of 80, about 5 seconds left", cell.text)


def test_epochs_in_a_notebook_are_lines_and_a_bar() -> None:
    cell = Cell()
    values = {"epoch": 1, "loss": 1.0, "accuracy": 0.5, "validation_accuracy": 0.4, "seconds": 2.0}
    with NotebookProgress(cell.show) as view:
        view.on_event(Event("epoch", "", 1, 2, values))
        lines = cell.text.splitlines()
    assert lines[0] == "epoch 1/2: loss 1.0000, accuracy 50.00%, validation 40.00%, 2.0 s"
    assert lines[1] == "epoch: 1 of 2"
