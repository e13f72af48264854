"""The check that runs are unchanged, byte for byte, and with a key who signed them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecv.acceptance.signatures import check_signature
from edgecv.core.errors import EdgecvError, InputError
from edgecv.reports.json_file import read_report
from edgecv.system.storage import check_seal


@dataclass(frozen=True)
class Verified:
    """A folder whose files are unchanged."""

    path: str
    files: int
    signed: bool

    def __str__(self) -> str:
        signature = ", signed by the owner of the key" if self.signed else ""
        return f"{self.path}: its {self.files} files are those that were written{signature}"


Result = Verified | EdgecvError


def verify_all(
    paths: Sequence[Path], public_key: Path | None = None
) -> Iterator[tuple[str, Result]]:
    """Verify run folders one after the other; an error is the result of its folder."""
    for path in paths:
        try:
            yield str(path), verify(path, public_key)
        except EdgecvError as error:
            yield str(path), error


def verify(path: Path, public_key: Path | None = None) -> Verified:
    """Raise InputError unless a run or baseline is unchanged and, with a key, signed."""
    if not path.is_dir():
        found = "is not a folder" if path.exists() else "there is no such folder"
        raise InputError(
            str(path), found, accepted="the folder of a run, of a baseline or of a deployment"
        )
    files = check_seal(path)
    if (path / "report.json").exists():
        read_report(path)
    if public_key is not None:
        check_signature(path, public_key)
    return Verified(str(path), files, public_key is not None)


def to_json(results: Sequence[tuple[str, Result]]) -> str:
    """Return a JSON list with a table a folder: path, intact, and files or the error."""
    tables = [
        {"path": path, "intact": True, "files": found.files, "signed": found.signed}
        if isinstance(found, Verified)
        else {"path": path, "intact": False, "error": str(found)}
        for path, found in results
    ]
    return json.dumps(tables, indent=2)
