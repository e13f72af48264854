"""One child process that converts, and the one that is kept for the next run of this process.

TensorFlow takes four seconds to import. A child that only ever saw standard layers serves a later
run as well; with nothing to do for a minute it ends, and it ends with this process.
"""

import atexit
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

from edgecv.system.isolation.process import ChildProcess, ChildProgram
from edgecv.system.isolation.protocol import TYPED_ERRORS

PROGRAM = ChildProgram(
    "edgecv.pipeline.conversion.server",
    stages=("opening it", "converting it", "running it", "counting its operations", "adapting it"),
    # TensorFlow's import takes four seconds, and many times that on a machine that is busy.
    start_s=180.0,
    remedy="choose another format or precision, or replace the layer that needs it",
    errors=TYPED_ERRORS,
)
IDLE_S = 60.0
"""How long a child waits for another request before it gives its memory back."""
MOST_KEPT_BYTES = 2**31
"""Resident memory of a child that is kept: TensorFlow takes 0.6 GB, converting some more."""


class PooledProcess(ChildProcess):
    """A running child process with a log of its own.

    ``is_clean`` says whether it only ever saw standard layers, ``was_kept`` whether another run
    had it before. ``needs_tensorflow``: whether it imports that at once, or when it has to.
    """

    def __init__(self, *, needs_tensorflow: bool = True) -> None:
        self.is_clean = True
        self.was_kept = False
        self._folder = tempfile.TemporaryDirectory(prefix="edgecv-conversion-")
        settings = {"idle_s": IDLE_S, "needs_tensorflow": needs_tensorflow}
        super().__init__(PROGRAM, settings, log=Path(self._folder.name) / "stderr.txt")

    def kill(self) -> None:
        """End it, at once and for certain, and remove its log."""
        super().kill()
        self._folder.cleanup()

    def may_be_kept(self) -> bool:
        """Tell whether another run may have it."""
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
    """At most one child process that waits."""

    waiting: PooledProcess | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


_POOL = _Pool()


def take() -> PooledProcess | None:
    """Return the child process that waits, if there is one."""
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
    """End the child process that waits."""
    process = take()
    if process is not None:
        process.kill()
