"""Reports and judgements on a terminal: names as they are, and --quiet."""

import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_report import REPORT

from edgecv.acceptance.records import Judgement, Since
from edgecv.cli.console import WIDE, Screen
from edgecv.cli.show import show_comparison, show_judgement, show_report, show_training
from edgecv.core.report import Gate
from edgecv.pipeline.stored_training import ModelScore, Training

pytestmark = pytest.mark.quick
GATE = Gate("accepted_bytes", "int8.tflite", 100.0, 120.0, "failed")
JUDGEMENT = Judgement(
    "run", "edgecv.lock", Since("2026-11-24", None), "failed", (GATE,), (), (), ("speed-ups",),
    REPORT,
)  # fmt: skip


@pytest.mark.parametrize(
    "name", ["photos[v2]", "x[/]", "[link=http://e.example/]a[/link]", "a:cat:b"]
)
@pytest.mark.parametrize("columns", [WIDE, 40])
def test_names_in_titles_are_no_markup(
    name: str, columns: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A board or a data set of such a name ended the command, or made a link of the terminal."""
    monkeypatch.setattr(Screen, "is_terminal", True)
    monkeypatch.setattr(Screen, "columns", lambda screen, of_a_file=WIDE: columns)
    with Screen() as screen:
        named = replace(REPORT, name="r", data=replace(REPORT.data, name=name))
        show_report(named, None, screen, as_json=False)
        show_judgement(replace(JUDGEMENT, name=name), screen, as_json=False)
        screen.answer(screen.rendered(f"all of {name}"))
    shown = capfd.readouterr().out
    assert shown.count(name) == 3
    assert "\x1b]8" not in shown


def test_a_terminal_of_no_known_width_shows_the_answer(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A pseudo-terminal of 0 columns, as docker exec -t may make, showed nothing."""
    monkeypatch.setattr(Screen, "is_terminal", True)
    monkeypatch.setattr("os.get_terminal_size", lambda descriptor: os.terminal_size((0, 0)))
    with Screen() as screen:
        assert (screen.columns(), screen.columns(7)) == (WIDE, 7)
        show_report(REPORT, None, screen, as_json=False)
    assert "FAILED: " in capfd.readouterr().out


@pytest.mark.parametrize("quiet", [True, False])
def test_quiet_leaves_the_verdict_and_what_it_leaves_out(
    quiet: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    with Screen(quiet=quiet) as screen:
        show_judgement(JUDGEMENT, screen, as_json=False)
        show_comparison([REPORT, replace(REPORT, name="other")], Path("page.html"), screen)
    shown = capfd.readouterr().out
    for kept in ("Not compared: speed-ups", "FAILED: ", "run: ", "other: ", "page.html"):
        assert kept in shown
    for left_out in ("against edgecv.lock", "If the change is wanted", "Files", "same machine"):
        assert (left_out in shown) is not quiet


def test_the_next_command_is_one_that_a_shell_takes(capfd: pytest.CaptureFixture[str]) -> None:
    folder = Path("my runs/baseline")
    epoch: Any = {"epoch": 1, "seconds": 1.0, "accuracy": 0.9, "validation_accuracy": 0.8}
    score = ModelScore("accuracy", 0.9, 10)
    training = Training(folder, {}, {}, 0, {}, 100, (epoch,), score, REPORT.data)
    with Screen() as screen:
        show_training(training, screen, as_json=False)
    command = capfd.readouterr().out.partition("next: ")[2].partition(" with ")[0]
    assert shlex.split(command) == ["edgecv", "compress", "my runs/baseline/model.keras"]
