"""Pages in headless Chromium: wide and narrow, light and dark, without an error or a request."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from devices import found, needs
from small_report import COMPARISON, REPORT

from edgecv.core.report import Report
from edgecv.reports.contact_sheet import Tile
from edgecv.reports.gallery import GalleryWriter
from edgecv.reports.page.build import to_page
from edgecv.reports.page.compare import to_comparison

playwright = pytest.importorskip("playwright.sync_api", reason='pip install ".[test]"')
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason='pip install ".[test]"')
pytestmark = [pytest.mark.slow, needs("chromium")]

HOSTILE = "<script>document.title='run'</script>\"'><img src=x onerror=alert(1)>" + "x" * 10_000
LOOKS = [(width, scheme) for width in (1440, 390) for scheme in ("light", "dark")]
Opened = Callable[[int, str], Any]


def hostile() -> Report:
    artifact = replace(COMPARISON.artifact, path=HOSTILE)
    data = replace(REPORT.data, name=HOSTILE, classes=(HOSTILE, HOSTILE))
    comparisons = (replace(COMPARISON, artifact=artifact),)
    return replace(REPORT, name=HOSTILE, data=data, comparisons=comparisons, notes=(HOSTILE,))


def gallery(folder: Path) -> Path:
    writer = GalleryWriter(1)
    image = np.arange(8 * 8, dtype=np.uint8).reshape(8, 8, 1)
    kinds = (("win", "a"), ("win", "b"), ("loss", "b"))
    writer.add(
        "int8.tflite",
        "",
        [Tile(n, image, (kind, "a -> b"), kind, group) for n, (kind, group) in enumerate(kinds)],  # type: ignore[arg-type]
    )
    writer.write(folder)
    return folder


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, output: Path) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    texts = {
        "run": (output / "main" / "report.html").read_text("utf-8"),
        "small": to_page(REPORT, gallery(folder)),
        "hostile": to_page(hostile(), folder),
        "comparison": to_comparison([REPORT, replace(REPORT, name="other"), hostile()]),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, "utf-8")
    return {name: folder / f"{name}.html" for name in texts}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found("chromium"), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def opened(browser: Any, pages: dict[str, Path]) -> Iterator[Callable[..., Any]]:
    """Return what opens a page; at the end there was no error and no request but for the page."""
    errors: list[str] = []
    contexts = []

    def open_page(name: str, width: int = 1440, scheme: str = "light") -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page, address = context.new_page(), pages[name].as_uri()
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(dialog.message))
        page.on(
            "request",
            lambda request: (
                request.url.startswith(("data:", address)) or errors.append(request.url)
            ),
        )
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.mark.parametrize("name", ["run", "small", "hostile", "comparison"])
@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_it_fits_and_everybody_can_use_it(
    opened: Callable[..., Any], name: str, width: int, scheme: str
) -> None:
    page = opened(name, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert name != "hostile" or "script" in page.title()
    for each in page.query_selector_all("details:not([open]) > summary"):
        each.click()
    found = axe.Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found] == []


def test_the_gallery_is_filtered(opened: Callable[..., Any]) -> None:
    page = opened("small", 390)
    assert page.locator(".tile:visible").count() == 3
    page.locator("select[name=kind]").select_option("win")
    assert page.locator(".tile:visible").count() == 2
    page.locator("select[name=group]").select_option("b")
    assert page.locator(".tile:visible").count() == 1
    assert page.locator(".filters output").text_content() == "1 of 3 shown"


def test_a_mark_shows_its_figures_and_its_recipe(opened: Callable[..., Any]) -> None:
    page = opened("run")
    plot = page.locator("figure.plot").first
    plot.locator(".mark", has_text="int8.tflite").hover()
    text = plot.locator(".pointed").text_content()
    assert "int8.tflite: accuracy" in text
    assert text.endswith("int8 tflite")
    plot.locator(".mark", has_text="int8.onnx").focus()
    assert "int8.onnx: accuracy" in plot.locator(".pointed").text_content()


def test_it_prints_whole(opened: Callable[..., Any]) -> None:
    page = opened("small")
    closed = "document.querySelectorAll('details:not([open])').length"
    assert page.evaluate(closed) > 0
    page.evaluate(f"addEventListener('beforeprint', () => {{ window.closed_in_print = {closed} }})")
    content = page.pdf()
    assert content.startswith(b"%PDF")
    assert len(content) > 10_000
    assert page.evaluate("window.closed_in_print") == 0
