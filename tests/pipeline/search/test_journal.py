"""The journal of a search: its status, and what a damage of it comes to."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from known_search import (
    KnowingEngine,
    Searched,
    finished,
    searched,
    status,
    steps,
)
from small_report import REPORT

from edgecv import cli
from edgecv.core.errors import InputError
from edgecv.pipeline.search.checks import other_environment
from edgecv.pipeline.search.front import (
    FrontPoint,
    SearchResult,
    to_markdown,
)
from edgecv.pipeline.search.journal import drop_cut_line
from edgecv.pipeline.search.options import SearchOptions
from edgecv.pipeline.search.search import known_trials
from edgecv.pipeline.search.trial import TrialFigures
from edgecv.pipeline.search.trial_lines import status_table, status_text
from edgecv.reports.files import write_reports
from edgecv.system.environment import environment

pytest.importorskip("optuna", reason='needs Optuna: pip install "edgecv[search]"')
pytestmark = pytest.mark.quick


def test_tables_say_gains_and_losses_by_their_sign() -> None:
    """A recipe that gains 4.14 points at least stood there as "may lose -4.14"."""
    gains = TrialFigures(1000, 5.2, -4.14, 100, 90, 0, 10.0, 2.0)
    loses = replace(gains, points=-0.3, lost_points=0.8)
    trials = [finished(0, gains), finished(1, loses), finished(2, replace(gains, lost_points=0.0))]
    table = status_text("s", trials)
    assert "| points | at worst |" in table
    rows = [line.split(" | ")[3:5] for line in table.splitlines()[-3:]]
    assert rows == [["+5.20", "+4.14"], ["-0.30", "-0.80"], ["+5.20", "+0.00"]]
    points = tuple(FrontPoint(each, "s-000", each.figures, "passed") for each in trials[:2])
    page = to_markdown(SearchResult("s", "s", {}, tuple(trials), points, None, ()))
    assert "| points | at worst |" in page
    assert "| +5.20 | +4.14 |" in page
    assert "| -0.30 | -0.80 |" in page


def test_what_is_known_is_shown_while_a_search_runs(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path, KnowingEngine(stop_after=9))
    asked = SearchOptions(data="digits", max_drop=3, name="s", output=tmp_path)
    text = status(asked)
    assert text.startswith("s: ")
    assert "of 11 recipes that were proposed are done" in text
    assert "| 0 | int8 | " in text
    table = json.loads(json.dumps(status_table(*known_trials(asked))))
    assert (table["name"], table["trials"][0]["steps"]) == ("s", "int8")
    with pytest.raises(InputError, match=r"t: holds no search; give its --name and --output"):
        status(asked.model_copy(update={"name": "t"}))


def edited(line: bytes, **values: Any) -> bytes:
    return json.dumps({**json.loads(line), **values}).encode() + b"\n"


DAMAGES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "no-text": lambda lines: [*lines, b"\xff\n"],
    "no-json": lambda lines: [lines[0], b"{\n", *lines[1:]],
    "nested": lambda lines: [*lines, b"[" * 5000 + b"\n"],
    "no-operation": lambda lines: [edited(lines[0], op_code=99), *lines[1:]],
    "no-proposal": lambda lines: [each for each in lines if b"trial-" in each or each is lines[0]],
    "other-objectives": lambda lines: [edited(lines[0], directions=[1, 1]), *lines[1:]],
    "no-number": lambda lines: [each.replace(b'"number":0', b'"number":"0"') for each in lines],
    "infinite": lambda lines: [each.replace(b'"bytes":', b'"bytes":1e999, "x":') for each in lines],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_journal_is_refused_by_name(
    small: Searched, tmp_path: Path, damage: Callable[[list[bytes]], list[bytes]]
) -> None:
    shutil.copytree(small.folder, tmp_path / "copy")
    (journal,) = (tmp_path / "copy").rglob("journal.log")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(damage(lines)))
    asked = SearchOptions(data="digits", max_drop=3, name="s", output=tmp_path / "copy")
    with pytest.raises(InputError, match=r"journal\.log: is damaged; .*use another --name"):
        status(asked)
    with pytest.raises(InputError, match=r"journal\.log: is damaged"):
        searched(tmp_path / "copy", max_size=60_000)


def test_the_status_is_printed_as_json_too(
    small: Searched, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """--json stood beside --status and --dry-run, and text was printed."""
    command = ["edgecv", "search", "--data", "digits", "--max-drop", "3", "--name", "s", "--status"]
    monkeypatch.setattr(sys, "argv", [*command, "--output", str(small.folder), "--json"])
    assert cli.run() == 0
    table = json.loads(capfd.readouterr().out)
    assert [each["steps"] for each in table["trials"]] == steps(small.result)


def test_trials_of_other_versions_are_said(small: Searched, tmp_path: Path) -> None:
    """A search went on with another TensorFlow, or on another machine, without a word."""
    first = small.result.trials[:1]
    folder = tmp_path / "s-000-validation"
    folder.mkdir()
    for own, expected in (({}, []), ({"numpy": "1.0"}, ["numpy 1.0 where it is"])):
        report = replace(REPORT, environment={**environment(), **own})
        write_reports(report, folder)
        found = other_environment(first, tmp_path, "s")
        assert [each.partition("with ")[2][:21] for each in found] == expected
    assert other_environment(first, tmp_path / "moved away", "s") == []


def test_a_line_that_is_on_its_way_is_no_damage(small: Searched, tmp_path: Path) -> None:
    shutil.copytree(small.folder, tmp_path / "copy")
    (journal,) = (tmp_path / "copy").rglob("journal.log")
    journal.write_bytes(journal.read_bytes() + b'{"op_code"')
    asked = SearchOptions(data="digits", max_drop=3, name="s", output=tmp_path / "copy")
    assert "are done" in status(asked)


def test_a_search_goes_on_behind_a_line_that_a_kill_has_cut(
    small: Searched, tmp_path: Path
) -> None:
    shutil.copytree(small.folder, tmp_path / "copy")
    (journal,) = (tmp_path / "copy").rglob("journal.log")
    before = journal.read_bytes()
    journal.write_bytes(before + b'{"op_code"')
    drop_cut_line(journal.parent)
    assert journal.read_bytes() == before
    drop_cut_line(journal.parent)
    assert journal.read_bytes() == before
    drop_cut_line(tmp_path)
