"""Pages of a run whose report, gallery or diagnosis somebody has edited: no page runs anything.

The first byte of a mutant of ``of_beside`` is the number of its file, and stays.
"""

import json
import shutil
from collections.abc import Sequence
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.core.report import Report

from .attacks import check_text, checked_command, printed, refused_or, run_folder
from .mutations import Random, of_json

HOSTILE = (
    *("<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "</textarea><b>", "<!--"),
    *("{{ 7*7 }}", "{% raw %}", "]]>", "</style>", "javascript:alert(1)", "x" * 10_000, "%0d%0a"),
    *("a\x1b[2Jb", "`", "|", "\n# title\n", "---\n", "- x: &a [*a]", "\x00", "&amp;"),
    *("\u2028", "\u202egnp"),
)
SOURCES = ("data:image/png;base64,",)


def of_texts(content: bytes, seeds: Sequence[bytes], chance: Random) -> bytes:
    """Replace texts of a JSON table, keys too, by what a page or a card could obey."""
    if chance.random() < 0.3:
        return of_json(content, seeds, chance)
    table = json.loads(content)
    for _ in range(chance.choice((1, 2, 8))):
        places = [
            (holder, key)
            for holder in _holders(table)
            for key in (holder if isinstance(holder, dict) else range(len(holder)))
            if isinstance(holder[key], str)
        ]
        if places:
            holder, key = chance.choice(places)
            holder[key] = holder[key] * chance.randrange(2) + chance.choice(HOSTILE)
    return json.dumps(table).encode("utf-8", "surrogatepass")


def _holders(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value
    return [
        value,
        *(found for each in inner if isinstance(each, dict | list) for found in _holders(each)),
    ]


class _Page(HTMLParser):
    """Counts scripts, and collects what a browser would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts = 0
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        for name, value in attributes:
            text = value or ""
            if name.startswith("on") or text.strip().lower().startswith("javascript:"):
                self.wrong.append(f"{tag} {name}={text[:50]}")
            if name in ("src", "href", "srcset", "data", "action") and not text.startswith(
                ("#", *SOURCES)
            ):
                self.wrong.append(f"{tag} {name}={text[:50]}")
        if tag in ("iframe", "object", "embed", "base", "form"):
            self.wrong.append(tag)


def check_page(text: str, scripts: int) -> None:
    """Raise AssertionError for a page that runs or loads what is not its own."""
    page = _Page()
    page.feed(text)
    assert page.wrong == [], page.wrong[:3]
    assert page.scripts == scripts, f"{page.scripts} scripts"


@cache
def _own_scripts() -> tuple[int, int]:
    """Return how many scripts the good page and the good comparison have."""
    from edgecv.reports.json_file import read_report
    from edgecv.reports.page.build import to_page
    from edgecv.reports.page.compare import to_comparison

    good = read_report(_good() / "report.json")
    counts = []
    for text in (to_page(good, _good()), to_comparison([good, good])):
        page = _Page()
        page.feed(text)
        counts.append(page.scripts)
    return counts[0], counts[1]


def show_pages(report: Report, folder: Path) -> None:
    """Make every page of a report, and check what a browser and a hub would read."""
    import yaml

    from edgecv.reports.json_file import read_report
    from edgecv.reports.model_card import to_card
    from edgecv.reports.page.build import to_page
    from edgecv.reports.page.compare import to_comparison

    scripts, of_comparison = _own_scripts()
    check_page(to_page(report, folder), scripts)
    check_page(to_comparison([read_report(_good() / "report.json"), report]), of_comparison)
    card = to_card(report)
    check_text(card)
    assert isinstance(yaml.safe_load(card.split("\n---\n")[0]), dict)


@cache
def _good() -> Path:
    """Return a sealed run with trainings, a control, costs, pictures and a diagnosis beside it."""
    from edgecv.models.tf import load_tensorflow

    folder = run_folder().parent / "pages"
    folder.mkdir(exist_ok=True)
    layers = load_tensorflow()[1].layers
    model = load_tensorflow()[1].Sequential(
        [
            layers.InputLayer((8, 8, 1)), layers.Rescaling(1 / 255), layers.Conv2D(4, 3),
            layers.ReLU(), layers.Flatten(), layers.Dense(2), layers.Softmax(),
        ]
    )  # fmt: skip
    model.save(folder / "model.keras")
    data = str(run_folder().parent / "data.npz")
    given = [
        *("compress", str(folder / "model.keras"), "--data", data, "--prune", "0.5"),
        *("--quantize", "int8", "--name", "trained", "--output", str(folder / "exported")),
    ]
    code, text = printed(given)
    assert code in (0, 1, 4), text
    run = folder / "exported" / "trained"
    code, text = printed(["doctor", str(run / "int8.tflite"), "--json"])
    assert code in (0, 1), text
    (folder / "diagnosis.json").write_text(text[text.index("{") : text.rindex("}") + 1])
    _add_gallery(run)
    return run


def _add_gallery(run: Path) -> None:
    """Write pictures of some images, whether or not their answers changed."""
    from edgecv.reports.contact_sheet import Tile
    from edgecv.reports.gallery import GalleryWriter
    from edgecv.system.storage import seal

    writer = GalleryWriter(1)
    image = np.zeros((8, 8, 1), np.uint8)
    tiles = [Tile(n, image + n, ("win", "cat -> dog"), "win", "cat") for n in range(3)]
    writer.add("int8.tflite", "", tiles)
    writer.write(run)
    (run / "manifest.json").unlink()
    seal(run)


def _beside() -> tuple[Path, ...]:
    run = _good()
    return run / "report.json", run / "gallery.json", run.parent.parent / "diagnosis.json"


def seeds() -> list[bytes]:
    """Return report, gallery and diagnosis, each behind its number."""
    return [bytes([number]) + path.read_bytes() for number, path in enumerate(_beside())]


def of_beside(content: bytes, seeds: Sequence[bytes], chance: Random) -> bytes:
    """Edit one of the files."""
    return content[:1] + of_texts(content[1:], [content[1:]], chance)


def read_beside(path: Path) -> object:
    """Make all pages with the mutant in place of one of the files that they are made of."""
    from edgecv.reports.json_file import read_report
    from edgecv.system.storage import seal

    content = path.read_bytes()
    run, work = _good(), path.parent / "run"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(run, work)
    places: tuple[Path, ...] = (
        work / "report.json",
        work / "gallery.json",
        path.parent / "run.json",
    )
    shutil.copyfile(_beside()[2], places[2])
    places[content[0]].write_bytes(content[1:])
    (work / "manifest.json").unlink()
    seal(work)
    page, names = path.parent / "run.html", [str(work), "--doctor", str(places[2])]
    code = checked_command(["report", *names, "--to", str(page)])
    refused_or(code)
    check_page(page.read_text("utf-8"), _own_scripts()[0])
    for command in (["card", str(work)], ["compare", str(run), str(work), "--to", str(page)]):
        refused_or(checked_command(command))
    report = read_report(work)
    show_pages(report, work)
    return report.name
