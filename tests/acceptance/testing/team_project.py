"""A team's project, and what pytest says of its tests."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from paths import REPOSITORY

import edgecv

IMPORTED_FROM = Path(edgecv.__file__).parents[1]


@dataclass(frozen=True)
class Seen:
    """A finished pytest."""

    code: int
    output: str
    messages: Mapping[str, str]
    """What each test ended with, by its name; nothing where it passed."""


@dataclass(frozen=True)
class Team:
    """A folder with tests and models, in an environment that has edgecv installed."""

    folder: Path
    installed: Path

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def pytest(self, *arguments: str, cwd: Path | None = None) -> Seen:
        """Run pytest as the team does."""
        results = self.folder / "results.xml"
        results.unlink(missing_ok=True)
        paths = (str(self.installed), str(IMPORTED_FROM), os.environ.get("PYTHONPATH", ""))
        # These tests may be run by xdist; what the team runs is not.
        outside = {key: os.environ[key] for key in os.environ if "XDIST" not in key}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", f"--junitxml={results}", *arguments],
            cwd=cwd or self.folder,
            env={**outside, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "120"},
            capture_output=True,
            text=True,
            check=False,
        )
        output = done.stdout + done.stderr
        return Seen(done.returncode, output, _messages(results) if results.exists() else {})


def install(folder: Path) -> Path:
    """Write what pip would write of the package's entry points, as pyproject.toml has them."""
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        points = tomllib.load(file)["project"]["entry-points"]["pytest11"]
    place = folder / f"edgecv-{edgecv.__version__}.dist-info"
    place.mkdir(parents=True)
    lines = [f"{name} = {module}" for name, module in points.items()]
    (place / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines, ""]))
    metadata = f"Metadata-Version: 2.1\nName: edgecv\nVersion: {edgecv.__version__}\n"
    (place / "METADATA").write_text(metadata)
    return folder


def _messages(results: Path) -> dict[str, str]:
    messages = {}
    for case in ElementTree.parse(results).iter("testcase"):
        ends = [each for each in case if each.tag in ("failure", "error", "skipped")]
        messages[str(case.get("name"))] = "".join(each.text or "" for each in ends)
    return messages
