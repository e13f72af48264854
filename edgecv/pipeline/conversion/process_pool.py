"""The child process that converts, and a pool that keeps one for the next run of this process.

TensorFlow takes four seconds to import. A child that has only opened standard layers can serve a
later run too. It ends after a minute without requests, or with this process.
"""

import atexit
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

from edgecv.system.isolation.process import ChildProcess, ChildProgram
from edgecv.system.isolation.typed_errors import TYPED_ERRORS
from edgecv.system.temporary import session_folder

PROGRAM = ChildProgram(
    "edgecv.pipeline.conversion.server",
    stages=("opening it", "converting it", "running it", "counting its operations", "adapting it"),
    # Importing TensorFlow takes four seconds, and much longer on a busy machine.
    start_s=180.0,
    remedy="choose another format or precision, or replace the layer that needs it",
    errors=TYPED_ERRORS,
)
IDLE_S = 60.0
"""Time without requests after which a child ends, to free its memory."""
MOST_KEPT_BYTES = 2**31
"""Resident memory of a child that is kept: TensorFlow takes 0.6 GB, converting some more."""


class PooledProcess(ChildProcess):
    """A running child process with a log of its own.

    ``is_clean``: True if it has only opened standard layers. ``was_kept``: True if it has served
    another run. ``needs_tensorflow``: import it at the start, not at the first use.
    """

    def __init__(self, *, needs_tensorflow: bool = True) -> None:
        self.is_clean = True
        self.was_kept = False
        self._folder = tempfile.TemporaryDirectory(prefix="conversion-", dir=session_folder())
        settings = {"idle_s": IDLE_S, "needs_tensorflow": needs_tensorflow}
        super().__init__(PROGRAM, settings, log=Path(self._folder.name) / "stderr.txt")

    def kill(self) -> None:
        """Kill the process and remove its log."""
        super().kill()
        self._folder.cleanup()

    def may_be_kept(self) -> bool:
        """Return True if another run may use the process."""
        return self.is_clean and self.is_alive and self._resident_bytes() < MOST_KEPT_BYTES

    def _resident_bytes(self) -> int:
        import psutil

        try:
            resident: int = psutil.Process(self.process.pid).memory_info().rss
        except psutil.Error:
            return MOST_KEPT_BYTES
        return resident


@dataclass
class _Pool:
    """At most one waiting child process."""

    waiting: PooledProcess | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


_POOL = _Pool()


def take() -> PooledProcess | None:
    """Take the waiting child process, if there is one."""
    with _POOL.lock:
        process, _POOL.waiting = _POOL.waiting, None
    if process is not None and not process.is_alive:
        process.kill()
        return None
    return process


def keep(process: PooledProcess) -> None:
    """Keep a child process for the next run, or end it."""
    if not process.may_be_kept():
        process.kill()
        return
    process.was_kept = True
    with _POOL.lock:
        before, _POOL.waiting = _POOL.waiting, process
    if before is not None:
        before.kill()


@atexit.register
def end_kept() -> None:
    """End the waiting child process."""
    process = take()
    if process is not None:
        process.kill()
