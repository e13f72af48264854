"""The entries of the cache of decoded images: their locks, and which make room for others."""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from edgecv.core.locks import LONG_WAIT_S, NOBODY, own_name, say_wait
from edgecv.core.text import bytes_text, counted, were
from edgecv.datasets.cache_settings import cache_limit

LOCK = "lock"
SECONDS_BETWEEN_LOOKS = 0.05
STALE_SECONDS = 24 * 3600


@contextlib.contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock of a folder; yield True if it is still that folder, and nobody's.

    The system releases the lock when its holder ends, in whatever way. An entry that its maker
    uses stays locked: who waits looks whether the folder has become one.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT)
    report_at: float | None = time.monotonic() + LONG_WAIT_S
    try:
        while not (is_held := _take(descriptor)) and _is_lock_of(folder, descriptor):
            if not wait:
                raise BlockingIOError(f"{folder} is in use")
            if report_at is not None and time.monotonic() >= report_at:
                say_wait(_holder(descriptor), "decodes the same images")
                report_at = None
            time.sleep(SECONDS_BETWEEN_LOOKS)
        if is_held:
            _sign(descriptor)
        yield is_held and _is_lock_of(folder, descriptor)
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # Closing alone would not: a fork holds it too.
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    """Take a lock if nobody holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(descriptor: int) -> None:
    """Name this process in the lock that it holds."""
    with contextlib.suppress(OSError):  # The disk may be full.
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, own_name().encode(), 0)


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 50, 0).decode(errors="replace") or NOBODY


def _is_lock_of(folder: Path, descriptor: int) -> bool:
    """Return True unless the folder was moved, removed or made again since its lock was opened."""
    try:
        return os.path.samestat(os.fstat(descriptor), (folder / LOCK).stat())
    except FileNotFoundError:
        return False


def _remove(folder: Path) -> None:
    """Remove an entry or a draft, unless a process uses it."""
    with contextlib.suppress(OSError), locked(folder, wait=False) as is_there:
        if is_there:
            shutil.rmtree(folder)


def forget(root: Path) -> list[str]:
    """Delete the entries used longest ago beyond the limit, and the drafts of killed runs.

    Returns a note on them. An entry that a process uses stays.
    """
    entries = _newest_first(root)
    limit, total, removed, freed = cache_limit(), 0, 0, 0
    for meta in entries:
        size = _bytes_of(meta.parent)
        total += size
        if total > limit:
            _remove(meta.parent)
            if not meta.exists():
                removed, freed = removed + 1, freed + size
    for unfinished in root.glob(".partial-*"):
        if 0 < _changed_at(unfinished) < time.time() - STALE_SECONDS:
            _remove(unfinished)
    if not removed:
        return []
    return [
        f"{counted(removed, 'data set')} used longest ago {were(removed)} removed from {root},"
        f" which took more than {bytes_text(limit)} ({bytes_text(freed)} freed)"
    ]


def make_room(root: Path) -> str:
    """Delete the entry used longest ago that no process uses, as the disk is full.

    Returns a note on it; "" where there is none.
    """
    for meta in reversed(_newest_first(root)):
        size = _bytes_of(meta.parent)
        _remove(meta.parent)
        if not meta.exists():
            return (
                f"the disk is full: the data set used longest ago was removed from {root}"
                f" ({bytes_text(size)} freed)"
            )
    return ""


def _newest_first(root: Path) -> list[Path]:
    """Return the meta.json of each entry, that of the last one used first."""
    metas = root.glob("[!.]*/meta.json")  # Not in a draft.
    found = {meta: changed for meta in metas if (changed := _changed_at(meta))}
    return sorted(found, key=found.__getitem__, reverse=True)


def _changed_at(path: Path) -> float:
    """Return when a file was changed; 0 where another process has removed it meanwhile."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _bytes_of(folder: Path) -> int:
    """Return the size of the files that are there, which another process may remove meanwhile."""
    total = 0
    for file in folder.glob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += file.stat().st_size
    return total
