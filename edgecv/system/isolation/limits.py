"""Limits that a child process sets for itself: memory, processor time, files, lifetime."""

import ctypes
import os
import resource
import select
import signal
from collections.abc import Iterator
from dataclasses import dataclass

SET_SIGNAL_OF_PARENTS_DEATH = 1
BYTES_A_THREAD = 2**27
"""Address space of an idle thread: its stack and its malloc arena."""
SIGNS_OF_NO_MEMORY = (
    "bad_alloc",
    "BFCArena",
    "Failed to allocate memory",
    "OOM when allocating",
    "MemoryError: ",
)


@dataclass(frozen=True)
class ProcessLimits:
    """The limits of a child process after its imports. None means no limit."""

    memory_bytes: int | None = None
    """Address space in addition to that of its imports and its threads."""
    threads: int = 1
    file_bytes: int | None = None
    """The largest file that it may write."""
    cpu_s: int | None = None
    """Processor time in seconds, imports included."""


class AddressSpace:
    """The limit on this process's address space: its present size plus an allowance."""

    def __init__(self, limit_bytes: int | None, threads: int) -> None:
        import psutil

        self.limit_bytes = limit_bytes
        mapped: int = psutil.Process().memory_info().vms
        self._highest = mapped + threads * BYTES_A_THREAD + (limit_bytes or 0)
        self.allow(0)

    def allow(self, more_bytes: int) -> None:
        """Raise the limit for images that are about to be mapped: they are not part of the file."""
        self._highest += more_bytes
        if self.limit_bytes is not None:
            restrict(resource.RLIMIT_AS, self._highest)


def apply_limits(limits: ProcessLimits) -> AddressSpace:
    """Set the limits of this process. Those on files and processor time cannot be raised again."""
    if limits.cpu_s is not None:
        restrict(resource.RLIMIT_CPU, limits.cpu_s, hard=limits.cpu_s + 1)
    if limits.file_bytes is not None:
        restrict(resource.RLIMIT_FSIZE, limits.file_bytes, hard=limits.file_bytes)
    return AddressSpace(limits.memory_bytes, limits.threads)


def restrict(kind: int, limit: int, hard: int | None = None) -> None:
    """Set a limit of this process, within the limit that it was started with."""
    _, highest = resource.getrlimit(kind)
    hard = highest if hard is None else hard
    if highest != resource.RLIM_INFINITY:
        limit, hard = min(limit, highest), min(hard, highest)
    resource.setrlimit(kind, (limit, hard))


def take_pipes() -> tuple[int, int]:
    """Return new descriptors of the pipes for requests and responses."""
    # Native code prints to descriptor 1 and may read 0: 1 becomes the log, 0 is empty.
    requests, responses = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return requests, responses


def end_with_parent(requests: int) -> None:
    """Wait until the parent is gone, then end this process."""
    poll = select.poll()
    poll.register(requests, 0)  # no events: hang-up alone is reported
    poll.poll()
    os._exit(1)


def die_with_parent() -> None:
    """Have the system kill this process when the thread that started it ends.

    Native code may hold the interpreter for minutes, and no other Python thread runs then.
    """
    ctypes.CDLL(None).prctl(SET_SIGNAL_OF_PARENTS_DEATH, signal.SIGKILL, 0, 0, 0)


def is_out_of_memory(error: BaseException) -> bool:
    """Return True if an error, or one that caused it, reports a lack of memory."""
    return any(
        isinstance(each, MemoryError) or any(sign in str(each) for sign in SIGNS_OF_NO_MEMORY)
        for each in _causes(error)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        # Keras raises another error than NumPy's, and hides that one.
        current = current.__cause__ or current.__context__
