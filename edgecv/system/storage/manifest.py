"""The manifest of a finished folder: the hashes and sizes of its files."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from edgecv.core.errors import InputError
from edgecv.core.files import file_sha256, read_regular
from edgecv.core.tables import json_value
from edgecv.system.storage.atomic_files import flush, json_bytes, write_json

MANIFEST = "manifest.json"
LARGEST_MANIFEST_BYTES = 10_000_000
OF_RUNS = frozenset({"recipe.toml", "training.json"})
"""The files that a run, and a trained baseline, alone has."""
ACCEPTED = "a run or baseline that edgecv wrote"


class ListedFile(BaseModel):
    """One file of a manifest."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class Manifest(BaseModel):
    """The files of a finished folder: path relative to it, with slashes."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    schema_version: Literal[1]
    files: dict[str, ListedFile]


def seal(folder: Path) -> None:
    """Flush all files of a folder, then write its manifest: SHA-256 and bytes of each file."""
    for path in _files(folder):
        flush(path)
        flush(path.parent)
    write_json(folder / MANIFEST, _manifest(folder))


def check_seal(folder: Path) -> int:
    """Return the number of files of a sealed folder.

    Raises InputError if a file is missing, changed, not in the manifest or a link, or if the
    manifest itself was changed, by a single flipped byte too.
    """
    listed = _listed(folder)
    try:
        found = _manifest(folder)
        written = read_regular(folder / MANIFEST)
    except OSError as error:
        where = str(error.filename or folder)
        raise InputError(where, f"cannot be read: {error.strerror}") from None
    present = found["files"]
    if missing := sorted(set(listed) - set(present)):
        raise InputError(str(folder / missing[0]), "is in the manifest but not on disk")
    if extra := sorted(set(present) - set(listed)):
        raise InputError(str(folder / extra[0]), "is not in the manifest", remedy="move it away")
    for name, facts in listed.items():
        if present[name]["sha256"] != facts.sha256:
            raise InputError(
                str(folder / name),
                "is not the file that the run wrote: its SHA-256 differs from manifest.json",
            )
    if written != json_bytes(found):
        raise InputError(str(folder / MANIFEST), "is damaged: it is not what the run wrote")
    return len(present)


def is_of_run(path: Path) -> bool:
    """Return True if a file is one of a run or baseline, with the bytes that its manifest lists.

    A manifest alone shows nothing: folders of a deployment, or of what a program in Python has
    given, have one, and the models in them are those of a user.
    """
    if not path.is_file() or not (path.parent / MANIFEST).is_file():
        return False
    listed = _listed(path.parent)
    if OF_RUNS.isdisjoint(listed) or path.name not in listed:
        return False
    return listed[path.name].sha256 == file_sha256(path)


def check_outside_runs(path: Path, where: str) -> None:
    """Raise InputError for a path to write in a sealed folder, whose files are those it has.

    ``where``: the flag that names the path. A manifest.json of another program seals nothing.
    """
    for folder in Path(os.path.realpath(path)).parents:
        if os.path.isfile(folder / MANIFEST) and _is_own(folder):
            found = f"{path} is in {folder.name}, a run, which is sealed"
            raise InputError(where, found, remedy="choose another folder")


def _is_own(folder: Path) -> bool:
    try:
        _listed(folder)
    except InputError:
        return False
    return True


def _manifest(folder: Path) -> dict[str, Any]:
    files = {
        path.relative_to(folder).as_posix(): {
            "sha256": file_sha256(path),
            "bytes": path.stat().st_size,
        }
        for path in _files(folder)
    }
    return {"schema_version": 1, "files": files}


def _files(folder: Path) -> list[Path]:
    """Return all files below a folder except its manifest, sorted.

    Raises InputError for anything else than files: a link's target would not move with the folder.
    """
    found: list[Path] = []
    waiting = [folder]
    while waiting:
        for path in sorted(waiting.pop().iterdir()):
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode) and any(path.iterdir()):
                waiting.append(path)
            elif not stat.S_ISREG(mode):
                kind = "a link" if stat.S_ISLNK(mode) else "not a file"
                raise InputError(
                    str(path), f"is {kind}, and no run holds one", remedy="move it away"
                )
            elif path != folder / MANIFEST:
                found.append(path)
    return sorted(found)


def _listed(folder: Path) -> Mapping[str, ListedFile]:
    path = folder / MANIFEST
    try:
        content = read_regular(path, LARGEST_MANIFEST_BYTES, accepted=ACCEPTED)
        json_value(content)
        return Manifest.model_validate_json(content).files
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(str(folder), "holds no manifest.json", accepted=ACCEPTED) from None
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}") from None
    except ValueError:  # ValidationError is one.
        raise InputError(str(path), "is damaged", accepted=ACCEPTED) from None
