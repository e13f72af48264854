"""Lock files: each is held by one process at a time."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgecv.core.errors import InputError
from edgecv.system.timing_slot import SLOT


@contextmanager
def hold(
    path: Path, *, where: str, label: str, on_wait: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold a lock file; wait for it, or raise InputError that names the holder.

    ``on_wait`` is told the holder before the wait; without it nothing is waited for.

    The system releases the lock when its holder ends, in whatever way.
    """
    from filelock import FileLock, Timeout

    holder = path.with_suffix(".holder")
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if on_wait is None:
            raise InputError(
                where,
                f"{_name_in(holder)} is already working on {label}",
                remedy="wait, or use --name",
            ) from None
        on_wait(_name_in(holder))
        with SLOT.idle():
            lock.acquire()
    try:
        holder.write_text(f"process {os.getpid()}")
        yield
    finally:
        with suppress(OSError):  # The disk may be full or read-only.
            holder.unlink(missing_ok=True)
        lock.release()


def _name_in(holder: Path) -> str:
    try:
        return holder.read_text("utf-8", errors="replace")[:50] or "another process"
    except OSError:  # It has the lock but has not written its name yet.
        return "another process"
