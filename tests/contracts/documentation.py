"""The pages of the documentation, and the code blocks in them.

A comment before a block says how it is tested; without one it is run.

    <!-- test: dry-run -->            each edgecv line is run with --dry-run
    <!-- test: slow -->               run by pytest -m slow only
    <!-- test: exit 1 -->             its last line ends with this exit code
    <!-- test: file PATH -->          a Python module; the tests in it are run
    <!-- test: in PATH, after TEXT -->  lines of a file of the repository, before or after a line
    <!-- test: elsewhere, PATH -->    run by the test that is named
    <!-- test: not run, REASON -->    cannot be run here
"""

import importlib.util
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from paths import REPOSITORY

DOCS = REPOSITORY / "docs"
GENERATORS = DOCS / "generators"
BLOCK = re.compile(
    r"(?:^<!-- test: (?P<how>.+?) -->\n)?^```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
HOW = re.compile(r"dry-run|slow|exit \d+|file \S+\.py|(elsewhere|not run), .+|in .+")
EDIT = re.compile(r"in (?P<path>\S+\.py), (?P<side>before|after) (?P<line>.+)")
"""A block that is a change of a file: pages with one are tried in a copy of the repository."""
LANGUAGES = ("sh", "python", "toml", "yaml", "json", "text", "c")


@dataclass(frozen=True)
class Block:
    """One code block of a page. ``how`` is what the comment before it says."""

    page: str
    line: int
    language: str
    how: str
    code: str

    @property
    def commands(self) -> list[str]:
        """The command lines of a shell block."""
        return [line for line in self.code.splitlines() if line.strip()]


def pages() -> list[Path]:
    """Return every page that is written by hand or generated into the repository."""
    beside = [REPOSITORY / name for name in ("README.md", "SECURITY.md", "recipes/README.md")]
    return [*beside, *sorted(DOCS.rglob("*.md"))]


def name_of(page: Path) -> str:
    """Return the path of a page in the repository."""
    return page.relative_to(REPOSITORY).as_posix()


def blocks_of(page: Path) -> list[Block]:
    """Return the code blocks of a page."""
    text = page.read_text("utf-8")
    return [
        Block(
            page=name_of(page),
            line=text.count("\n", 0, found.start()) + 1,
            language=found["language"],
            how=found["how"] or "",
            code=found["code"],
        )
        for found in BLOCK.finditer(text)
    ]


def written_text() -> str:
    """Return all pages that people write: neither generated references nor results."""
    return "\n".join(page.read_text("utf-8") for page in pages() if page.parent != DOCS / "results")


@cache
def generator(name: str) -> Any:
    if str(GENERATORS) not in sys.path:
        sys.path.append(str(GENERATORS))
    spec = importlib.util.spec_from_file_location(name, GENERATORS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
