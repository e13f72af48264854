"""Locks of a store: who waits for one does not work meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgecv.core.errors import InputError
from edgecv.core.locks import holder_of, signed
from edgecv.system.timing_slot import SLOT


@contextmanager
def hold(
    path: Path, *, where: str, label: str, on_wait: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold a lock file; wait for it, or raise InputError that names the holder.

    ``on_wait`` is told the holder before the wait; without it nothing is waited for.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if on_wait is None:
            raise InputError(
                where,
                f"{holder_of(path)} is already working on {label}",
                remedy="wait, or use --name",
            ) from None
        on_wait(holder_of(path))
        with SLOT.idle():
            lock.acquire()
    with signed(path, lock):
        yield
