"""The one way to open a file that somebody else has made: a regular file, of bounded size.

A FIFO keeps whoever opens it waiting for a writer, and a device may never end. ``OSError`` passes:
each reader has its own sentence for a file that is not there or may not be read.
"""

import hashlib
import os
import stat
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path

from edgecv.core.errors import InputError
from edgecv.core.text import nearest

REGULAR = "a regular file, or a link to one"
_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def check_regular(
    path: Path, where: str | None = None, *, accepted: str = REGULAR, folders: bool = False
) -> None:
    """Raise InputError where ``path``, after following links, is something but no regular file.

    For libraries that open a path themselves. ``folders``: a folder is accepted, too. What is not
    there, or may not be looked at, passes: opening it says so.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return
    if not (folders and stat.S_ISDIR(mode)):
        _check_mode(mode, path, where, accepted)


def no_file(where: str, path: Path) -> InputError:
    """Return the error for a file that is not there: it names the nearest one in its folder."""
    try:
        names = [name for name in os.listdir(path.parent) if name != path.name]
    except (OSError, ValueError):
        names = []
    return InputError(where, f"there is no file {path}", remedy=nearest(path.name, names))


def open_regular(
    path: Path, where: str | None = None, *, accepted: str = REGULAR
) -> BufferedReader:
    """Open a regular file to read its bytes, and never wait for one.

    ``where``: the place that an error names in front of the path. Raises InputError for a folder, a
    FIFO, a device or a socket, and OSError where the system refuses.
    """
    # Looked at first, because opening some devices does something; and again, once it is open.
    _check_mode(os.stat(path).st_mode, path, where, accepted)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        _check_mode(os.fstat(descriptor).st_mode, path, where, accepted)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(
    path: Path, most_bytes: int | None = None, where: str | None = None, *, accepted: str = REGULAR
) -> bytes:
    """Return the bytes of a regular file. Raises InputError where there are more than allowed."""
    with open_regular(path, where, accepted=accepted) as file:
        content = file.read(-1 if most_bytes is None else most_bytes + 1)
    if most_bytes is not None and len(content) > most_bytes:
        raise _refusal(path, where, f"is larger than {most_bytes / 1e6:,.0f} MB", accepted)
    return content


def file_sha256(path: Path, where: str | None = None, *, accepted: str = REGULAR) -> str:
    """Return the SHA-256 of a regular file's bytes. Raises as ``open_regular`` does."""
    with open_regular(path, where, accepted=accepted) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_mode(mode: int, path: Path, where: str | None, accepted: str) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "not a file")
        raise _refusal(path, where, f"is {kind}", accepted)


def _refusal(path: Path, where: str | None, found: str, accepted: str) -> InputError:
    if where is None:
        return InputError(str(path), found, accepted=accepted)
    return InputError(where, found if str(path) in where else f"{path} {found}", accepted=accepted)
