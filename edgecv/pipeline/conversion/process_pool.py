"""One child, and the one that is kept for the next run of this process.

TensorFlow takes four seconds to import. A child that only ever saw standard layers serves a later
run as well; with nothing to do for a minute it ends, and it ends with this process.
"""

import atexit
import os
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

from edgecv.system.isolation.process import ANY_PROGRAM, ChildProcess

PROGRAM = ANY_PROGRAM.format(module="edgecv.pipeline.conversion.server")
IDLE_S = 60.0
"""How long it waits for another request before it gives its memory back."""
MOST_KEPT_BYTES = 2**31
"""Resident memory of a child that is kept: TensorFlow takes 0.6 GB, converting some more."""


class PooledProcess:
    """A running child and its log. ``seen`` are the models that it has opened.

    ``is_clean`` says whether it only ever saw standard layers, ``was_kept`` whether another run
    had it before. ``needs_tensorflow``: whether it imports that at once, or when it has to.
    """

    def __init__(self, *, needs_tensorflow: bool = True) -> None:
        self.seen: set[str] = set()
        self.is_clean = True
        self.was_kept = False
        self._folder = tempfile.TemporaryDirectory(prefix="edgecv-conversion-")
        self._log = Path(self._folder.name) / "stderr.txt"
        # The system ends a child with the thread that started it: only the main one stays.
        is_main = threading.current_thread() is threading.main_thread()
        settings = {
            "idle_s": IDLE_S,
            "dies_with_parent": is_main,
            "needs_tensorflow": needs_tensorflow,
        }
        self.child = ChildProcess(settings, self._log, PROGRAM)

    def said(self, most_bytes: int) -> bytes:
        """Return what it has printed since it was last asked for something."""
        return self.child.said(most_bytes)

    def end(self) -> None:
        """End it, at once and for certain."""
        self.child.kill()
        self._folder.cleanup()

    def may_be_kept(self) -> bool:
        """Tell whether another run may have it."""
        return self.is_clean and self.child.is_alive and self._resident_bytes() < MOST_KEPT_BYTES

    def _resident_bytes(self) -> int:
        try:
            pages = Path(f"/proc/{self.child.process.pid}/statm").read_text().split()[1]
        except OSError:
            return MOST_KEPT_BYTES
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


@dataclass
class _Kept:
    """At most one child that waits."""

    hand: PooledProcess | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


_KEPT = _Kept()


def take() -> PooledProcess | None:
    """Return the child that waits, if there is one."""
    with _KEPT.lock:
        hand, _KEPT.hand = _KEPT.hand, None
    if hand is not None and not hand.child.is_alive:
        hand.end()
        return None
    return hand


def keep(hand: PooledProcess) -> None:
    """Keep a child for whoever takes the next, or end it."""
    if not hand.may_be_kept():
        hand.end()
        return
    hand.was_kept = True
    with _KEPT.lock:
        before, _KEPT.hand = _KEPT.hand, hand
    if before is not None:
        before.end()


@atexit.register
def end_kept() -> None:
    """End the child that waits."""
    hand = take()
    if hand is not None:
        hand.end()
