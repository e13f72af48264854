"""An accepted run, as the tests of the gate pass it around."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from edgecv.acceptance.lock import Lock
from edgecv.acceptance.records import Judgement
from edgecv.analysis.validation_arrays import ValidationArrays
from edgecv.core.report import Report


@dataclass(frozen=True)
class Accepted:
    """A run, what was measured of it, what was said when it was accepted, and its lock."""

    folder: Path
    report: Report
    measured: ValidationArrays
    judgement: Judgement
    lock: Lock
    lock_path: Path


def commit(folder: Path) -> None:
    """Make a git checkout of a folder."""
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for arguments in (("init", "-q"), (*identity, "commit", "-q", "--allow-empty", "-m", "a")):
        subprocess.run(["git", "-C", str(folder), *arguments], check=True)
