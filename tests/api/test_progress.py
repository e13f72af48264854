"""Progress of a call: quiet in scripts, lines or a bar where asked for or in a notebook."""

import io
import time

import pytest
from rich.console import Console

from edgecv.api import progress as progress_of_calls
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


@pytest.mark.parametrize("has_widgets", [False, True])
def test_a_notebook_shows_by_itself(monkeypatch: pytest.MonkeyPatch, has_widgets: bool) -> None:
    stream = io.StringIO()
    bars: list[bool] = []

    class Notebook(Console):
        def __init__(self, **options: object) -> None:
            super().__init__(file=stream, width=80)
            self.is_jupyter = True

    class View(EventProgress):
        def __init__(self, console: Console, *, has_bar: bool, wording: object) -> None:
            bars.append(has_bar)
            super().__init__(Console(file=stream), has_bar=False, wording=wording)  # type: ignore[arg-type]

    monkeypatch.setattr(progress_of_calls, "in_notebook", lambda: True)
    monkeypatch.setattr(progress_of_calls, "find_spec", lambda name: has_widgets or None)
    monkeypatch.setattr("rich.console.Console", Notebook)
    monkeypatch.setattr("edgecv.cli.progress.EventProgress", View)
    with shown(None, None) as on_event:
        on_event(EVENTS[0])
    assert "reading [the] data" in stream.getvalue()
    assert bars == [has_widgets]
