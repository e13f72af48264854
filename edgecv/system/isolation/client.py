"""The parent's side: sends requests to child processes and replaces those that died."""

import os
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, Self, TypeVar

from edgecv.core.closing import Closing
from edgecv.core.errors import EdgecvError, InputError, RuntimeFailure
from edgecv.system.isolation.limits import ProcessLimits
from edgecv.system.isolation.process import ChildProcess, ChildProgram
from edgecv.system.isolation.request import Exchange, IdleExit, ProcessDied, Request
from edgecv.system.isolation.shared_images import ImageFiles

T = TypeVar("T")
Child = TypeVar("Child", bound=ChildProcess)


class ProcessClient(Closing, Generic[Child]):
    """Requests to a child process, which is replaced after a request has killed it.

    ``subject`` names the program in the child in errors.
    """

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._child: Child | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="edgecv-client-")
        self._images = ImageFiles(Path(self._folder.name))

    def __enter__(self) -> Self:
        self.start()
        return self

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is no child."""
        return self._child.process.pid if self._child else None

    @abstractmethod
    def start(self) -> None:
        """Start the child without waiting for it, unless there is one."""

    def renew(self) -> None:
        """Replace the child by a fresh process, which is started without waiting for it."""
        self._discard()
        self.start()

    def close(self) -> None:
        """End or release the child, and remove the temporary files."""
        self._discard()
        self._images.clear()
        self._folder.cleanup()

    def _ask(self, request: Request[T], start: Callable[[], Child]) -> T:
        """Return the answer of the child. Raises RuntimeFailure or the error that it sent."""
        files = {os.path.abspath(file) for file in request.files}
        # A damaged file may corrupt a child that dies only later, while it serves another file: a
        # file is judged by a child that has seen no other.
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
        except BaseException:  # KeyboardInterrupt too: a child in mid-request is useless
            self._discard()
            raise
        finally:
            if self._child is child:
                self._on_end(child)
        child.seen |= files
        return found

    def _on_end(self, child: ChildProcess) -> None:
        """Called with a child after each request, failed or not, and before the child is killed."""

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
    """Return the answer of a child process that is started for one request about one file.

    Raises InputError where the file crashes the child, hangs it, exhausts its memory or is refused.
    """
    try:
        with ChildProcess(program, {}, limits=limits, log=log, environment=environment) as child:
            return Exchange(child, subject, request).run()
    except RuntimeFailure as failure:
        raise InputError(
            failure.where, failure.found, accepted=failure.accepted, remedy=failure.remedy
        ) from None
