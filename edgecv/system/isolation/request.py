"""One request to a child process, and its frames until it has answered or failed."""

import math
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

from edgecv.core.errors import EdgecvError, RuntimeFailure
from edgecv.core.text import one_line
from edgecv.system.isolation.frame_parts import FrameParts
from edgecv.system.isolation.process import ChildProcess
from edgecv.system.isolation.protocol import Frame, MalformedFrame
from edgecv.system.isolation.typed_errors import OUT_OF_MEMORY
from edgecv.system.system_limits import OwnLimits, SystemLimit, limit_reached

T = TypeVar("T")
Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Answers a question that a child asks while it works."""

LONGEST_TEXT = 2000
LONGEST_CAUSE = 300


class StartFailure(RuntimeFailure):
    """The child could not start: no file is the cause."""


class ProcessDied(RuntimeFailure):
    """The child died of a signal raised by native code, or of a lack of memory."""


class IdleExit(RuntimeFailure):
    """The child had just ended because it was idle when the request arrived."""


@dataclass(frozen=True)
class Request(Generic[T]):
    """An action of a child process on files, with the reader of its answer."""

    action: str
    arguments: Mapping[str, Any]
    read: Callable[[Frame], T]
    """Reader of the answer. Raises MalformedFrame for an invalid one."""
    names: Sequence[str]
    """Names of the files in errors."""
    files: Sequence[Path]
    """Files of the request; the child receives their absolute paths."""
    silence_s: float
    """Longest time without a frame from the child."""
    longest_s: float = math.inf
    """Longest time of the whole request."""
    on_progress: Callable[[int], None] = lambda done: None
    arrays: Sequence[NDArray[Any]] = ()
    on_question: Answer | None = None
    comes_in_parts: bool = False
    """True where the arrays may be too large for a frame: see ``ActionServer.in_parts``."""


class Exchange(Generic[T]):
    """One request to a child process, and its response. ``subject`` names the child in errors."""

    def __init__(self, child: ChildProcess, subject: str, request: Request[T]) -> None:
        self._child = child
        self._program = child.program
        self._subject = subject
        self._request = request
        self._doing = self._program.stages[0]
        self._index: int | None = 0

    def run(self) -> T:
        """Send the request and return the answer."""
        self.send()
        return self.receive()

    def send(self) -> None:
        """Send the request once the child is ready.

        Raises RuntimeFailure, after which the child is unusable, or the error that the child sent.
        """
        self._wait_until_ready()
        asked = self._request
        header = {"do": asked.action, "with": asked.arguments, "silence_s": asked.silence_s}
        try:
            self._child.send(header, asked.arrays)
        except EOFError:
            raise self._death() from None

    def receive(self) -> T:
        """Return the answer. Raises as ``send`` does."""
        silence_s, longest_s = self._request.silence_s, self._request.longest_s
        end = time.monotonic() + longest_s
        limit_s, parts = silence_s, FrameParts()
        try:
            while True:
                left_s = end - time.monotonic()
                limit_s = silence_s if silence_s <= left_s else longest_s
                frame = self._child.receive(min(silence_s, left_s))
                match frame.header.get("kind"):
                    case "answer":
                        return self._request.read(parts.joined(frame))
                    case "part" if self._request.comes_in_parts:
                        parts.add(frame)
                    case "stage":
                        self._note_stage(frame.header)
                    case "progress":
                        self._request.on_progress(_whole_number(frame.header.get("done")))
                    case "failure":
                        raise self._refusal(frame.header)
                    case "question" if self._request.on_question is not None:
                        self._child.send(self._request.on_question(frame.header))
                    case kind:
                        raise MalformedFrame(f"a frame of kind {kind!r}")
        except EOFError:
            raise self._death() from None
        except TimeoutError:
            found = f"{self._subject} did not answer within {limit_s:g} s while {self._doing}"
            raise self._failure(found) from None
        except MalformedFrame as error:
            found = f"{self._subject} answered nonsense while {self._doing}: {error}"
            raise self._failure(found) from None

    def _wait_until_ready(self) -> None:
        if self._child.ready:
            return
        limit_s = self._program.start_s
        try:
            header = self._child.receive(limit_s).header
            if header.get("kind") == "failure":
                raise self._refusal(header)
        except EOFError:
            found = f"{self._child.cause_of_death()[0]} {self._child.last_line()}"
            raise self._start_failure(f"could not start: {found}") from None
        except TimeoutError:
            raise self._start_failure(f"did not start within {limit_s:g} s") from None
        except MalformedFrame as error:
            raise self._start_failure(f"could not start: {error}") from None
        if header.get("kind") != "ready":
            raise self._start_failure(f"could not start: sent {header.get('kind')!r}")
        self._child.ready = True

    def _start_failure(self, found: str) -> EdgecvError:
        # Libraries that find no memory end the start in many ways.
        number = self._child.signal_of_death or signal.SIGABRT
        limit = self._by_system(found, number, self._subject)
        return limit or StartFailure(self._subject, _plain(found, LONGEST_CAUSE))

    def _note_stage(self, header: Mapping[str, Any]) -> None:
        doing, index = header.get("doing"), header.get("index")
        if doing not in self._program.stages:
            raise MalformedFrame(f"a stage {doing!r}")
        if index is not None and _whole_number(index) >= len(self._request.names):
            raise MalformedFrame(f"file {index} of {len(self._request.names)}")
        self._doing, self._index = doing, index

    def _refusal(self, header: Mapping[str, Any]) -> EdgecvError:
        where, found, accepted, remedy = (
            self._renamed(_plain(header.get(key)))
            for key in ("where", "found", "accepted", "remedy")
        )
        is_out_of_memory = header.get("error") == OUT_OF_MEMORY
        if limit := self._by_system(found, signal.SIGABRT if is_out_of_memory else 0):
            return limit
        if is_out_of_memory:
            return ProcessDied(self._where(), found, remedy=self._program.remedy)
        if not self._program.errors or "error" not in header:
            return RuntimeFailure(self._where(), found, accepted=accepted, remedy=remedy)
        cls = self._program.errors.get(str(header.get("error")))
        if cls is None:
            raise MalformedFrame(f"an error of kind {header.get('error')!r}")
        return cls(where or self._where(), found, accepted=accepted, remedy=remedy)

    def _renamed(self, text: str) -> str:
        # The child gets absolute paths, as its working directory may differ.
        for file in self._request.files:
            text = text.replace(os.path.abspath(file), str(file))
        return text

    def _by_system(self, found: str, number: int, where: str | None = None) -> SystemLimit | None:
        """Return the error for what a limit of the system, not the file, has caused."""
        limits = self._child.limits
        own = OwnLimits(limits.memory_bytes, limits.cpu_s)
        return limit_reached(where or self._where(), _plain(found, LONGEST_CAUSE), number, own)

    def _death(self) -> EdgecvError:
        cause, number = self._child.cause_of_death()
        line = self._child.last_line()
        found = f"{self._subject} {cause} while {self._doing}{f': {line}' if line else ''}"
        if limit := self._by_system(found, number):
            return limit
        if self._child.process.returncode == 0:
            return self._failure(found, IdleExit)
        # SIGKILL and SIGALRM come from outside: a second attempt would end the same way.
        is_native = number not in (0, signal.SIGKILL, signal.SIGALRM, signal.SIGXCPU)
        return self._failure(found, ProcessDied if is_native else RuntimeFailure)

    def _failure(self, found: str, cls: type[RuntimeFailure] = RuntimeFailure) -> RuntimeFailure:
        return cls(self._where(), _plain(found, LONGEST_CAUSE), remedy=self._program.remedy)

    def _where(self) -> str:
        return ", ".join(
            self._request.names if self._index is None else [self._request.names[self._index]]
        )


def _whole_number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise MalformedFrame(f"a number {value!r}")
    return value


def _plain(value: Any, longest: int = LONGEST_TEXT) -> str:
    # Text of a child may come from a hostile file: it must be printable too.
    return one_line(str(value or ""))[:longest]
