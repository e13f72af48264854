"""The page of several runs: verdicts first, what they share, every file of every run."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from pages import Page
from small_report import COMPARISON, REPORT, STATISTICS, TWIN

from edgecv.cli import app
from edgecv.core.comparison import ControlComparison
from edgecv.core.errors import InputError
from edgecv.core.report import Report, SplitFacts
from edgecv.reports.page.compare import compared_files, remarks, to_comparison, with_distinct_names
from edgecv.reports.page.plot import LETTER, LINE

OTHER = replace(REPORT, name="other", outcome="passed", gates=())
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.mark.quick
def test_verdicts_stand_first_and_every_file_is_there() -> None:
    page = Page(to_comparison([REPORT, OTHER]))
    shown = [text.strip() for text in page.texts if text.strip()]
    assert shown[0] == "1 of 2 runs passed"
    assert shown.index("✗ failed") < shown.index("Files of all runs")
    marks = [each for each in page.all_of("g") if each["class"].startswith("mark")]
    assert {each["class"].split()[1] for each in marks} == {"series-0", "series-1"}
    assert {each["aria-label"].split(",")[0] for each in marks} == {"run", "other"}


@pytest.mark.quick
def test_runs_of_one_name_are_called_as_their_folders() -> None:
    """Runs of a workflow are all called "ci"."""
    folders = [Path("monday/ci"), Path("tuesday/ci")]
    assert [each.name for each in with_distinct_names([REPORT, OTHER], folders)] == ["run", "other"]
    found = with_distinct_names([REPORT, replace(OTHER, name="run")], folders)
    assert [each.name for each in found] == ["monday/ci", "tuesday/ci"]


@pytest.mark.quick
def test_names_are_text() -> None:
    page = Page(to_comparison([REPORT, replace(OTHER, name=HOSTILE, notes=(HOSTILE,))]))
    assert page.text.count(HOSTILE) >= 5
    assert page.all_of("img") == []


@pytest.mark.quick
def test_what_runs_share() -> None:
    assert [text[:8] for text in remarks([REPORT, OTHER])] == ["All runs"] * 3
    data = replace(REPORT.data, splits={"test": SplitFacts(10, "1" * 64)})
    elsewhere = replace(OTHER, data=data, environment={"machine": "xyz", "cores": 2})
    found = remarks([REPORT, elsewhere, OTHER])
    assert found[0].startswith("Not all runs have the same test images: run, other; other.")
    assert [text[:3] for text in found] == ["Not"] * 3
    assert REPORT.baseline is not None
    given = replace(OTHER, baseline=replace(REPORT.baseline, sha256="2" * 64))
    assert [text[:3] for text in remarks([REPORT, given])] == ["All", "Not", "All"]


@pytest.mark.quick
def test_runs_of_several_metrics_have_a_table_each() -> None:
    recipe = {**REPORT.recipe, "task": {"task": "multilabel"}}
    page = Page(to_comparison([REPORT, replace(OTHER, recipe=recipe)]))
    assert page.text.count("Files of all runs") == 2


def test_a_run_with_a_control_stands_in_the_same_table() -> None:
    judged = replace(COMPARISON, control=ControlComparison(0.78, 2.0, STATISTICS, decides=False))
    (part,) = compared_files([REPORT, replace(OTHER, comparisons=(TWIN, judged))])
    place = part.table.headings.index("vs control")
    assert [row[place] for row in part.table.rows] == ["-", "+2.00"]
    assert {len(row) for row in part.table.rows} == {len(part.table.headings)}


@pytest.mark.quick
def test_labels_of_marks_do_not_cover_each_other() -> None:
    (part, *_) = compared_files([REPORT, OTHER, replace(OTHER, name="third")])
    for plot in part.plots:
        boxes = []
        for mark in plot.marks:
            width = LETTER * len(mark.label)
            start = mark.label_x - width if mark.is_left else mark.label_x
            boxes.append((start, start + width, mark.label_y))
        for one, other in combinations(boxes, 2):
            is_beside = one[1] <= other[0] or other[1] <= one[0]
            assert is_beside or abs(one[2] - other[2]) >= LINE - 0.01


@pytest.mark.quick
@pytest.mark.parametrize(
    ("file", "message"),
    [("training.json", "is a baseline; .* edgecv compress"), ("search.json", "is a search; .*s-0")],
)
def test_other_folders_are_told_from_runs(tmp_path: Path, file: str, message: str) -> None:
    (tmp_path / file).touch()
    (tmp_path / "s-0").mkdir()
    (tmp_path / "s-0" / "report.json").touch()
    for name in ("report", "card"):
        with pytest.raises(InputError, match=message):
            command(name, str(tmp_path))
    with pytest.raises(InputError, match=message):
        command("compare", str(tmp_path), str(tmp_path))


def test_the_command_writes_a_page(
    main_report: Report, output: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run, page = str(output / "main"), tmp_path / "both.html"
    assert command("compare", run, run, "--to", str(page)) == 0
    assert "main: PASSED" in capfd.readouterr().out
    assert "2 of 2 runs passed" in page.read_text("utf-8")
    with pytest.raises(InputError, match="RUNS: one; accepted: two or more"):
        command("compare", run)


def command(*arguments: str) -> int:
    return int(app(list(arguments), standalone_mode=False) or 0)
