"""Limits that the system sets for this process and its children: no file is at fault.

``ulimit`` and containers set them. A child is given our own limits within them, so that a lack of
memory, time, files or space is the system's where its limit is the lower one.
"""

import errno
import os
import resource
import signal
from dataclasses import dataclass

from edgecv.core.errors import StepError

OWN_ADDRESS_SPACE_BYTES = 4 * 2**30
"""Address space of the libraries of a child, before it has read a file."""
SIGNALS_OF_MEMORY = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGTRAP)
"""Deaths of native code that did not get the memory it asked for."""
NUMBERS = {
    errno.EMFILE: "open files (ulimit -n)",
    errno.ENFILE: "open files",
    errno.EFBIG: "the size of a file (ulimit -f)",
    errno.EAGAIN: "processes (ulimit -u)",
    errno.ENOSPC: "the space of a disk",
    errno.EDQUOT: "the space of a disk (quota)",
    errno.ENOMEM: "memory (ulimit -v)",
}
"""Error numbers of the system for a limit that was reached, and the thing that is limited."""
OF_PROCESSES = (errno.EMFILE, errno.ENFILE, errno.EFBIG, errno.EAGAIN)
"""Those that a child reports; a full disk has its own sentence."""
SIGNS_OF_NO_MEMORY = (
    *("bad_alloc", "MemoryError", "Cannot allocate memory", "failed to map segment"),
    *("Failed to allocate", "OOM when allocating", "cannot enable executable stack"),
)


class SystemLimit(StepError):
    """A limit of the system was reached: no file is at fault, and others will not do better."""


@dataclass(frozen=True)
class OwnLimits:
    """The limits that a child was to have; None for none."""

    memory_bytes: int | None
    cpu_s: int | None


def limit_reached(where: str, found: str, number: int, own: OwnLimits) -> SystemLimit | None:
    """Return the error for the death of a child, or for its text, by a limit of the system.

    ``number``: the signal that it died of, or 0. None where the system's limits are not the cause.
    """
    seconds = _hard(resource.RLIMIT_CPU)
    # With one second there is no room for a warning before the kill.
    if number == signal.SIGXCPU or (number == signal.SIGKILL and seconds == 1):
        if seconds is not None and (own.cpu_s is None or seconds <= own.cpu_s + 1):
            return _error(where, found, f"processor time is {seconds} s (ulimit -t)")
        return None
    if number == signal.SIGXFSZ:
        return _error(where, found, "the size of a file is lower (ulimit -f)")
    for code in OF_PROCESSES:
        if os.strerror(code) in found:
            return _error(where, found, f"{NUMBERS[code]} is reached")
    space = _hard(resource.RLIMIT_AS)
    is_memory = number in SIGNALS_OF_MEMORY or any(sign in found for sign in SIGNS_OF_NO_MEMORY)
    is_tight = space is not None and space < (own.memory_bytes or 0) + OWN_ADDRESS_SPACE_BYTES
    if space is not None and is_memory and is_tight:
        return _error(where, found, f"memory is {space / 2**30:.1f} GiB (ulimit -v)")
    return None


def as_limit(error: BaseException | None) -> SystemLimit | None:
    """Return the error for a limit that this process has reached; None for any other error."""
    if not isinstance(error, OSError) or error.errno not in NUMBERS:
        return None
    where = str(error.filename or "this process")
    return _error(where, error.strerror or "failed", f"{NUMBERS[error.errno]} is reached")


def keep_a_second_of_processor_time() -> None:
    """Lower the soft limit below the hard one, at which the system kills without a word."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard != resource.RLIM_INFINITY and (soft == resource.RLIM_INFINITY or soft >= hard):
        resource.setrlimit(resource.RLIMIT_CPU, (max(1, hard - 1), hard))


def _error(where: str, found: str, limit: str) -> SystemLimit:
    return SystemLimit(where, found, remedy=f"the system's limit on {limit}: raise it")


def _hard(kind: int) -> int | None:
    limit = resource.getrlimit(kind)[1]
    return None if limit == resource.RLIM_INFINITY else limit
