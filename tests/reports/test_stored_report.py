"""A report.json that somebody has edited: another report, or damaged in one sentence."""

import io
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fault_injection.fuzz.attacks import check_text, of_report
from rich.console import Console
from small_report import REPORT

from edgecv.cli.show import narrow_tables, report_tables
from edgecv.core.errors import InputError
from edgecv.core.report import Report
from edgecv.pipeline.recipe_table import to_markdown as to_row
from edgecv.reports.gallery import read_gallery
from edgecv.reports.html import report_html
from edgecv.reports.json_file import read_report, to_table
from edgecv.reports.markdown import to_markdown
from edgecv.reports.page.recipe import recipe_text
from edgecv.reports.page.snippet import snippets


def shown(path: Path) -> Report:
    """Read a report and show it in every way."""
    report = read_report(path)
    for text in (to_markdown(report), report_html(report), to_row([report])):
        check_text(text)
    for table in (*report_tables(report), *narrow_tables(report)):
        console = Console(file=io.StringIO(), width=80)
        console.print(table, highlight=False, markup=False)
        check_text(console.file.getvalue())  # type: ignore[attr-defined]
    return report


def edited(path: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    table = json.loads(json.dumps(to_table(REPORT)))
    edit(table)
    path.write_text(json.dumps(table))
    return path


@pytest.mark.quick
def test_a_report_is_the_same_after_reading(tmp_path: Path) -> None:
    report = shown(edited(tmp_path / "report.json", lambda table: None))
    assert json.dumps(to_table(report)) == json.dumps(to_table(REPORT))


EDITS: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("recipe.seed", lambda each: each["recipe"].update(seed=[1, 2])),
    ("recipe.seed", lambda each: each["recipe"].update(seed="0")),
    ("recipe.technique", lambda each: each["recipe"].update(technique=[{}])),
    ("recipe.baseline", lambda each: each["recipe"].update(baseline=[])),
    ("data.splits", lambda each: each["data"].update(splits={})),
    (
        "data.splits",
        lambda each: each["data"]["splits"].update(more={"images": 1, "sha256": "0" * 64}),
    ),
    ("stands there twice", lambda each: each["comparisons"].append(each["comparisons"][0])),
    ("sha256", lambda each: each["comparisons"][0]["artifact"].update(sha256="x" * 64)),
    ("speedup", lambda each: each["comparisons"][1].update(speedup=0.0)),
    ("agreement", lambda each: each["comparisons"][1].update(mean_probability_difference=None)),
    ("its classes", lambda each: each["data"].update(classes=["a"])),
    ("bytes", lambda each: each["comparisons"][0]["artifact"].update(bytes="7")),
    ("environment", lambda each: each["environment"].update(machine=[])),
    ("environment.machine", lambda each: each["environment"].pop("machine")),
    (
        "comparisons.0.input.type",
        lambda each: each["comparisons"][0]["input"].update(type="uint8); print('x') #"),
    ),
    ("too large", lambda each: each["baseline"].update(parameters=10**400)),
    ("half a character", lambda each: each.update(name="\ud800")),
    ("letters", lambda each: each.update(name="x" * 20_000)),
    ("schema_version", lambda each: each.update(schema_version=2)),
    ("outcome", lambda each: each.update(outcome="great")),
]


@pytest.mark.quick
@pytest.mark.parametrize(("words", "edit"), EDITS)
def test_an_edited_report_is_damaged(
    words: str, edit: Callable[[dict[str, Any]], object], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="is damaged") as caught:
        read_report(edited(tmp_path / "report.json", edit))
    assert words in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.quick
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[" * 100_000, "nests too deeply"),
        (b'{"a": ' * 60 + b"1" + b"}" * 60, "nests too deeply"),
        (b"[" + b"[]," * 1_000_001 + b"1]", "more than 1,000,000 values"),
        (b" " * 20_000_001, "larger than 20 MB"),
        (b'{"schema_version": NaN}', "NaN is not a number"),
        (b"", "is damaged"),
        (b"[]", "holds no table"),
        (b"\xff\xfe", "is damaged"),
    ],
    ids=["deep", "sixty", "many", "large", "nan", "empty", "list", "no text"],
)
def test_what_is_no_report_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_report(path)


@pytest.mark.quick
def test_a_recipe_of_another_tool_is_shown(tmp_path: Path) -> None:
    """Nothing in a list, and an unknown way to place images, were internal errors."""

    def edit(table: dict[str, Any]) -> None:
        table["recipe"]["technique"][0]["x"] = None
        table["recipe"]["data"]["resize"] = ["zoom"]
        table["recipe"]["export"] = [{"format": "tflite", "precision": "int8"}, None]
        table["comparisons"] = table["comparisons"][1:]

    path = edited(tmp_path / "report.json", edit)
    with pytest.raises(InputError, match=r"recipe\.export"):
        read_report(path)
    table = json.loads(path.read_text())
    table["recipe"]["export"].pop()
    path.write_text(json.dumps(table))
    report = shown(path)
    assert snippets(report) == []
    assert '{ technique = "qat" }' in recipe_text(report)


@pytest.mark.quick
def test_a_picture_of_a_gallery_is_base64(tmp_path: Path) -> None:
    images = [{"image": 0, "kind": "loss", "group": "", "lines": [], "picture": 0}]
    table = {"files": [{"artifact": "a", "head": "", "images": images}], "pictures": ["A"]}
    (tmp_path / "gallery.json").write_text(json.dumps(table))
    with pytest.raises(InputError, match="is no Base64"):
        read_gallery(tmp_path)


@pytest.mark.quick
def test_a_name_of_a_gate_is_no_template(tmp_path: Path) -> None:
    """It was: ``{output.__class__}`` ended in an AttributeError."""
    gate = {**to_table(REPORT)["gates"][0], "name": "{output.__class__.x}"}
    report = shown(edited(tmp_path / "report.json", lambda each: each["gates"].append(gate)))
    assert report.gates[-1].name == "{output.__class__.x}"


@pytest.mark.quick
def test_300_comparisons_are_shown(tmp_path: Path) -> None:
    def many(table: dict[str, Any]) -> None:
        one = table["comparisons"][1]
        table["comparisons"] = [
            {**one, "artifact": {**one["artifact"], "path": f"{number}.tflite"}}
            for number in range(300)
        ]

    assert len(shown(edited(tmp_path / "report.json", many)).comparisons) == 300


def test_mutants_are_reports_or_refused(tmp_path: Path) -> None:
    seed = json.dumps(to_table(REPORT)).encode()
    path, read, refused = tmp_path / "report.json", 0, []
    for number in range(150):
        path.write_bytes(of_report(seed, [seed], random.Random(f"90210-{number}")))
        try:
            shown(path)
        except InputError as error:
            refused.append(str(error))
        else:
            read += 1
    assert all(message.isprintable() for message in refused)
    assert min(read, len(refused)) > 8


@pytest.mark.quick
def test_a_report_names_no_file_outside_of_its_run(tmp_path: Path) -> None:
    """A path of 300 letters was an OSError."""
    from edgecv.analysis.options import ValidateOptions
    from edgecv.system.storage import seal

    for path in ("x" * 300, "..", "", "a/b.tflite"):
        run = tmp_path / f"run-{len(path)}"
        run.mkdir()
        edited(
            run / "report.json",
            lambda table, path=path: table["comparisons"][0]["artifact"].update(path=path),
        )
        (run / "m.keras").write_bytes(b"x")
        seal(run)
        with pytest.raises(InputError, match="is not a plain file name"):
            ValidateOptions(paths=(run,), data="digits", baseline=run / "m.keras").request()


@pytest.mark.quick
def test_verify_ends_with_2_for_an_edited_report(tmp_path: Path) -> None:
    from edgecv.system.storage import seal

    edited(tmp_path / "report.json", lambda each: each["recipe"].update(seed=[1]))
    seal(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "edgecv", "verify", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "is damaged" in done.stderr
