"""The timing slot of this host: no time is measured while another trial works here.

Processes that share a host hold one lock together while they work. One that measures a time asks
for it alone: it waits until the others have come to their next event, and they wait until it is
done. The system releases the locks of a process that dies.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgecv.core.errors import StepError
from edgecv.core.events import Event

PLACE = Path("/tmp")
"""The same for all: the temporary files of each child have a folder of their own."""


REMEDY = "have it removed, by root where it is another user's"


class TimingSlot:
    """The part of one process in the slot. Before ``join`` nothing is locked or waited for."""

    def __init__(self) -> None:
        self._work, self._turn = -1, -1
        self._is_alone = False

    def join(self, folder: Path | None = None) -> None:
        """Work from now on beside the others whose locks are in the same folder of this host."""
        place = folder or PLACE / f"edgecv-timing-{os.geteuid()}"
        _check_own(place)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        self._work = os.open(place / "work.lock", flags, 0o600)
        self._turn = os.open(place / "turn.lock", flags, 0o600)
        self._begin_work()

    def leave(self) -> None:
        """Work no more."""
        for descriptor in (self._work, self._turn):
            if descriptor >= 0:
                os.close(descriptor)
        self._work = self._turn = -1

    def give_way(self, event: Event | None = None) -> None:
        """Wait while another process measures or is about to; called at each event of a run."""
        if self._work < 0 or self._is_alone:
            return
        try:
            fcntl.flock(self._turn, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(self._work, fcntl.LOCK_UN)
            self._begin_work()
        else:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Measure while no other process works."""
        with self.idle() as has_stopped:
            if not has_stopped:
                yield
                return
            try:
                fcntl.flock(self._turn, fcntl.LOCK_EX)  # Nobody begins to work from here on.
                fcntl.flock(self._work, fcntl.LOCK_EX)
                self._is_alone = True
                yield
            finally:
                self._is_alone = False
                fcntl.flock(self._work, fcntl.LOCK_UN)
                fcntl.flock(self._turn, fcntl.LOCK_UN)

    @contextmanager
    def idle(self) -> Iterator[bool]:
        """Wait for another process: one that measures must not wait for this one.

        Yields False where this process does not count as one that works.
        """
        if self._work < 0 or self._is_alone:
            yield False
            return
        fcntl.flock(self._work, fcntl.LOCK_UN)
        try:
            yield True
        finally:
            self._begin_work()

    def _begin_work(self) -> None:
        fcntl.flock(self._turn, fcntl.LOCK_SH)
        fcntl.flock(self._work, fcntl.LOCK_SH)
        fcntl.flock(self._turn, fcntl.LOCK_UN)


def _check_own(place: Path) -> None:
    """Make the folder of the locks. Raises StepError where it is not this user's alone."""
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        facts = place.lstat()
    except OSError as error:
        raise StepError(str(place), f"cannot be made: {error.strerror}", remedy=REMEDY) from None
    # Everybody may write to /tmp: what lies there under this name may be another's, or a link.
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
        raise StepError(
            str(place),
            "is no folder of yours alone, and trials take turns there to measure times",
            accepted="a folder that you own and others cannot write to",
            remedy=REMEDY,
        )


SLOT = TimingSlot()
"""The slot of this process."""
