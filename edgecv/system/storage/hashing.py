"""Hashes and sizes of files, and hashes of the inputs of a stage."""

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

from edgecv.core.artifact import Artifact, Layer
from edgecv.core.errors import InputError
from edgecv.core.files import check_regular, file_sha256, read_regular


def content_key(*parts: Any) -> str:
    """Return a key of 64 hex digits for the inputs of a stage.

    >>> content_key({"b": 1, "a": 2}) == content_key({"a": 2, "b": 1})
    True
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def tree_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, or of all files of a folder with their names.

    Raises InputError as ``files_of`` does.
    """
    if not path.is_dir():
        return file_sha256(path)
    files = files_of(path)
    return content_key([[str(each.relative_to(path)), file_sha256(each)] for each in files])


def files_of(folder: Path) -> list[Path]:
    """Return all files of a folder, sorted.

    Raises InputError where something in it is neither file nor folder, as who opens it might wait
    for ever, and for a link to a folder, whose files would not be among them.
    """
    for each in folder.rglob("*"):
        check_regular(each, folders=True)
        if each.is_symlink() and each.is_dir():
            raise InputError(
                str(each),
                "is a link to a folder",
                accepted="files, folders and links to files",
                remedy="put the folder itself there",
            )
    return sorted(each for each in folder.rglob("*") if each.is_file())


def bytes_of(path: Path) -> int:
    """Return the bytes of a file, or of all files of a folder."""
    if not path.is_dir():
        return path.stat().st_size
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())


def describe(
    path: Path,
    *,
    format: str,
    precision: str,
    notes: tuple[str, ...] = (),
    layers: tuple[Layer, ...] = (),
) -> Artifact:
    """Return the facts of a file: bytes, gzip -9 bytes, SHA-256."""
    data = read_regular(path)
    return Artifact(
        path=path.name,
        format=format,
        precision=precision,
        bytes=len(data),
        gzip_bytes=len(gzip.compress(data, compresslevel=9, mtime=0)),
        sha256=hashlib.sha256(data).hexdigest(),
        notes=notes,
        layers=layers,
    )
