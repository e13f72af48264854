"""What every child does first: takes its pipes, ends with its parent, and limits its memory."""

import ctypes
import os
import resource
import select
import signal
from pathlib import Path

SET_SIGNAL_OF_PARENTS_DEATH = 1
ALARM_AFTER_PARENT_S = 5.0
"""How much longer than its parent waits a child may be silent, where nobody ended it."""
BYTES_A_THREAD = 2**27
"""Address space that a thread takes before it does anything: its stack and its malloc arena."""
SIGNS_OF_NO_MEMORY = (
    "bad_alloc",
    "BFCArena",
    "Failed to allocate memory",
    "OOM when allocating",
    "MemoryError: ",
)


def take_pipes() -> tuple[int, int]:
    """Return the pipe of requests and that of answers, as descriptors of this child's own."""
    # Native code prints to descriptor 1 and may read 0: it gets the log and nothing instead.
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return requests, answers


def end_with_parent(requests: int) -> None:
    """Wait until the parent is gone, and end this process."""
    poll = select.poll()
    poll.register(requests, 0)  # no events: hang-up alone is reported
    poll.poll()
    os._exit(1)


def die_with_parent() -> None:
    """Have the system kill this process when the thread that started it ends.

    A converter may hold the interpreter for minutes, in which no other thread notices anything.
    """
    ctypes.CDLL(None).prctl(SET_SIGNAL_OF_PARENTS_DEATH, signal.SIGKILL, 0, 0, 0)


class Memory:
    """The limit on this process's address space: what it had at first, plus an allowance."""

    def __init__(self, limit_bytes: int | None, threads: int) -> None:
        self.limit_bytes = limit_bytes
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        self._most = pages * resource.getpagesize() + threads * BYTES_A_THREAD + (limit_bytes or 0)
        self.allow(0)

    def allow(self, more_bytes: int) -> None:
        """Raise the limit by what is about to be mapped: the images are not the file's fault."""
        self._most += more_bytes
        if self.limit_bytes is not None:
            _, hard = resource.getrlimit(resource.RLIMIT_AS)
            most = self._most if hard == resource.RLIM_INFINITY else min(self._most, hard)
            resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def is_of_memory(error: BaseException) -> bool:
    """Tell whether a library's error says that there is no more memory."""
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in SIGNS_OF_NO_MEMORY)
