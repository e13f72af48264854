"""What CI and releases install is what the project asks for, each file by its hash."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from paths import REPOSITORY

pytestmark = pytest.mark.quick

LOCK = (REPOSITORY / "requirements-ci.lock").read_text("utf-8")
PINNED = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", LOCK, re.MULTILINE))


def asked() -> list[str]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *extras["test"], *extras["sign"]]


@pytest.mark.parametrize("text", asked())
def test_the_lock_holds_what_the_project_asks_for(text: str) -> None:
    requirement = Requirement(text)
    assert requirement.name.lower() in PINNED, "make requirements-ci.lock again: see SECURITY.md"
    assert requirement.specifier.contains(PINNED[requirement.name.lower()])


def test_every_file_of_the_lock_has_a_hash_and_no_address() -> None:
    blocks = re.split(r"^(?=[a-z0-9.-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(PINNED) > 50
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in LOCK
    assert "--index-url" not in LOCK
