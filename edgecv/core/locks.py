"""Lock files: each is held by one process at a time, and a long wait for one is said."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

LONG_WAIT_S = 2.0
"""Seconds after which a wait is reported."""
NOBODY = "another process"
"""The holder of a lock who has not written its name yet."""
_listeners: list[Callable[[str], None]] = []


@contextmanager
def waits_heard(say: Callable[[str], None]) -> Iterator[None]:
    """Give ``say`` a line on each long wait, until the end of the context."""
    _listeners.append(say)
    try:
        yield
    finally:
        _listeners.remove(say)


def say_wait(holder: str, does: str) -> None:
    """Say that another process is waited for, and what it does."""
    for say in _listeners[-1:]:
        say(f"waiting for {holder}, which {does}")


@contextmanager
def held(path: Path, does: str) -> Iterator[None]:
    """Hold a lock file; wait for it, and say if that lasts, with what its holder ``does``.

    The system releases the lock when its holder ends, in whatever way.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=LONG_WAIT_S)
    except Timeout:
        say_wait(holder_of(path), does)
        lock.acquire()
    with signed(path, lock):
        yield


@contextmanager
def signed(path: Path, lock: "BaseFileLock") -> Iterator[None]:
    """Name this process as the holder of a lock that it has, and release it at the end."""
    holder = path.with_suffix(".holder")
    try:
        holder.write_text(own_name())
        yield
    finally:
        with suppress(OSError):  # The disk may be full or read-only.
            holder.unlink(missing_ok=True)
        lock.release()


def own_name() -> str:
    """Return the name of this process as others read it."""
    return f"process {os.getpid()}"


def holder_of(path: Path) -> str:
    """Return the name of the process that holds a lock file."""
    try:
        holder = path.with_suffix(".holder")
        return holder.read_text("utf-8", errors="replace")[:50] or NOBODY
    except OSError:  # It has the lock but has not written its name yet.
        return NOBODY
