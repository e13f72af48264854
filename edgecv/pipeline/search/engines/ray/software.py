"""Python and packages of a machine: all machines of a search have the same, or results differ."""

import hashlib
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

CODE = "the code of edgecv"
PACKAGE = Path(__file__).parents[4]
NAME = re.compile(r"[A-Za-z0-9._-]+")
LETTERS_OF_A_HASH = 12


@dataclass(frozen=True)
class Software:
    """The versions on a machine."""

    versions: Mapping[str, str]
    """By name: Python, each package that edgecv needs, the hash of its own code."""
    processor: str

    def difference(self, other: "Software") -> str:
        """Return what differs from another machine, as "has NAME A, and ... B"; "" if nothing."""
        for name, own in self.versions.items():
            found = other.versions.get(name, "none")
            if found != own:
                return f"has {name} {found}, and the machine of the search has {own}"
        return ""


@cache
def installed() -> Software:
    """Return what is installed on this machine."""
    from edgecv.system.cpu import model_name

    found = {"Python": platform.python_version()}
    for name in _needed():
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return Software({**found, CODE: _code()}, model_name())


def _needed() -> list[str]:
    """Return the names of the packages that edgecv needs without its extras."""
    try:
        lines = requires("edgecv") or []
    except PackageNotFoundError:  # It runs from its sources.
        lines = []
    matches = [NAME.match(line) for line in lines if "extra ==" not in line]
    return [each.group() for each in matches if each]


def _code() -> str:
    """Return a hash of the sources of edgecv."""
    whole = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        whole.update(str(path.relative_to(PACKAGE)).encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()[:LETTERS_OF_A_HASH]
