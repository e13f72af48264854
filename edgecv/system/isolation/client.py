"""The parent's side: asks child processes, and ends those that are of no more use."""

import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

from edgecv.core.errors import EdgecvError, InputError, RuntimeFailure
from edgecv.system.isolation.limits import ProcessLimits
from edgecv.system.isolation.process import ChildProcess, ChildProgram
from edgecv.system.isolation.request import Exchange, IdleExit, ProcessDied, Request
from edgecv.system.isolation.shared_images import ImageFiles

T = TypeVar("T")
Child = TypeVar("Child", bound=ChildProcess)


class ProcessClient(ABC, Generic[Child]):
    """Requests to a child process, which is replaced once one of them has killed it.

    ``subject`` is what runs in the child, as errors name it.
    """

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._child: Child | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="edgecv-client-")
        self._images = ImageFiles(Path(self._folder.name))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is no child."""
        return self._child.process.pid if self._child else None

    @abstractmethod
    def start(self) -> None:
        """Begin to start the child, without waiting for it, unless there is one."""

    def close(self) -> None:
        """End the child, or let it go, and remove the temporary files."""
        self._discard()
        self._images.clear()
        self._folder.cleanup()

    def _ask(self, request: Request[T], start: Callable[[], Child]) -> T:
        """Return what a child answers that ``start`` gives. Raises RuntimeFailure, or a refusal."""
        files = {os.path.abspath(file) for file in request.files}
        # A damaged file may harm the child long before it dies, while it serves the next one: the
        # verdict on a file is that of a child which has seen no other.
        has_seen_others = bool(start().seen - files)
        try:
            return self._attempt(request, start(), files)
        except IdleExit:
            pass
        except ProcessDied:
            if not has_seen_others:
                raise
        return self._attempt(request, start(), files)

    def _attempt(self, request: Request[T], child: Child, files: set[str]) -> T:
        try:
            found = Exchange(child, self._subject, request).run()
        except EdgecvError as error:
            if isinstance(error, RuntimeFailure) or not child.ready:
                self._discard()
            raise
        except BaseException:  # KeyboardInterrupt too: a child half-way is of no use
            self._discard()
            raise
        finally:
            if self._child is child:
                self._on_end(child)
        child.seen |= files
        return found

    def _on_end(self, child: ChildProcess) -> None:
        """Look at a child after its request, whatever came of that: it may be ended next."""

    def _discard(self) -> None:
        if self._child is not None:
            self._on_end(self._child)
            self._child.kill()
            self._child = None


def ask_once(
    program: ChildProgram,
    subject: str,
    request: Request[T],
    limits: ProcessLimits,
    *,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> T:
    """Return the answer of a child that is started for this request about one file alone.

    Raises InputError where the file kills the child, hangs it, eats its memory or is refused.
    """
    try:
        with ChildProcess(program, {}, limits=limits, log=log, environment=environment) as child:
            return Exchange(child, subject, request).run()
    except RuntimeFailure as failure:
        raise InputError(
            failure.where, failure.found, accepted=failure.accepted, remedy=failure.remedy
        ) from None
