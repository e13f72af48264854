"""Atomic writes of files, and the errors of a disk that does not take them.

Every file is written under a temporary name in its folder, flushed, renamed, and the folder is
flushed: a kill or a power cut at any moment leaves the old file or the new one.
"""

import ctypes
import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from edgecv.core.errors import InputError, StepError

FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSALS = (*FULL, errno.EROFS, errno.EFBIG, errno.EIO)
"""Error numbers of a disk that cannot take a file, whichever library writes it."""

HERE = -100
"""AT_FDCWD of Linux: a path that is not absolute starts from the working directory."""
RENAME_EXCHANGE = 2


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically. Raises StepError where the disk does not take it."""
    with _whole(path) as temporary, temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON, with the keys in their given order."""
    write_bytes(path, json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """Return JSON as ``write_json`` writes it."""
    return (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()


def copy_file(source: Path, target: Path) -> None:
    """Copy a file atomically. Raises StepError where the disk does not take it."""
    with _whole(target) as temporary:
        shutil.copyfile(source, temporary)
        flush(temporary)


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
        flush(path.parent)
    except OSError as error:
        raise refusal(path, error) from error
    finally:
        with suppress(OSError):  # A read-only disk refuses the deletion too.
            temporary.unlink(missing_ok=True)


@contextmanager
def on_disk(place: Path) -> Iterator[None]:
    """Turn the errors of a full or read-only disk into StepError.

    For libraries that write files themselves, such as plots and arrays.
    """
    try:
        yield
    except OSError as error:
        # Some libraries keep the system's message without its number.
        if error.errno not in REFUSALS and os.strerror(errno.ENOSPC) not in str(error):
            raise
        raise refusal(Path(error.filename or place), error) from error


def refusal(path: Path, error: OSError) -> StepError:
    """Return the error of a file that the disk does not take."""
    remedy = "free some space: the same command goes on where it was"
    return StepError(
        str(path),
        f"cannot be written: {error.strerror or error}",
        remedy=remedy if error.errno in (*FULL, None) else "",
    )


def check_space(folder: Path, needed_bytes: int, remedy: str) -> None:
    """Raise InputError where a folder, existing or not, has too little free space."""
    free = shutil.disk_usage(existing(folder)).free
    if free < needed_bytes:
        raise InputError(
            str(folder),
            f"has {free / 1e6:,.0f} MB of free space",
            accepted=f"{needed_bytes / 1e6:,.0f} MB or more",
            remedy=remedy,
        )


def existing(folder: Path) -> Path:
    """Return the folder, or its nearest parent that exists."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def exchange(one: Path, other: Path) -> bool:
    """Put two folders in each other's place in one step; False where the system cannot."""
    call = getattr(ctypes.CDLL(None), "renameat2", None)
    ends = (HERE, os.fsencode(one), HERE, os.fsencode(other))
    return call is not None and call(*ends, RENAME_EXCHANGE) == 0


def flush(path: Path) -> None:
    """Flush the content of a file, or the names in a folder, to the disk itself."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
