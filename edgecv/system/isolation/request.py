"""One request and what the child says until it has answered, or until it is clear that it won't."""

import math
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from edgecv.core.errors import EdgecvError, RuntimeFailure
from edgecv.core.text import printable
from edgecv.system.isolation.process import ChildProcess
from edgecv.system.isolation.protocol import Frame, MalformedFrame

START_S = 60.0
LONGEST_TEXT = 300
STAGES = ("opening it", "running it", "warming it up", "timing it")


class ProcessDied(RuntimeFailure):
    """The child died of a signal that native code raises."""


class ProcessRequest:
    """One request to one child about some files."""

    stages: ClassVar[tuple[str, ...]] = STAGES
    """What a child may say that it is doing."""
    start_s: ClassVar[float] = START_S
    remedy: ClassVar[str] = ""
    """What to do about a child that has died or hangs."""

    def __init__(self, child: ChildProcess, runtime: str, paths: Sequence[Path]) -> None:
        self._child = child
        self._runtime = runtime
        self._paths = paths
        self._doing = self.stages[0]
        self._index: int | None = 0

    def answer(
        self,
        request: dict[str, Any],
        silence_s: float,
        on_progress: Callable[[int], None],
        longest_s: float = math.inf,
    ) -> Frame:
        """Return the answer. Raises RuntimeFailure or Died; the child is then of no more use.

        ``silence_s`` is how long it may say nothing, ``longest_s`` how long all of it may take.
        """
        self._wait_until_ready()
        end = time.monotonic() + longest_s
        wait_s = silence_s
        try:
            self._child.send(request)
            while True:
                wait_s = min(silence_s, end - time.monotonic())
                frame = self._child.receive(wait_s)
                match frame.header.get("kind"):
                    case "answer":
                        return frame
                    case "stage":
                        self._note_stage(frame.header)
                    case "progress":
                        on_progress(_whole_number(frame.header.get("done")))
                    case "failure":
                        raise self._refusal(frame.header)
                    case kind:
                        raise MalformedFrame(f"a frame of kind {kind!r}")
        except EOFError:
            raise self._death() from None
        except TimeoutError:
            limit_s = silence_s if wait_s == silence_s else longest_s
            raise self._failure(
                f"{self._runtime} did not answer within {limit_s:g} s while {self._doing}"
            ) from None
        except MalformedFrame as error:
            raise self.nonsense(error) from None

    def nonsense(self, error: MalformedFrame) -> RuntimeFailure:
        """Return the failure of a child whose answer cannot be one."""
        return self._failure(f"{self._runtime} answered nonsense while {self._doing}: {error}")

    def _wait_until_ready(self) -> None:
        if self._child.ready:
            return
        try:
            header = self._child.receive(self.start_s).header
        except EOFError:
            cause, _, last_words = self._child.cause_of_death()
            found = f"could not start: {cause} {last_words}"
            raise RuntimeFailure(self._runtime, _first_line(found)) from None
        except TimeoutError:
            raise RuntimeFailure(
                self._runtime, f"did not start within {self.start_s:g} s"
            ) from None
        except MalformedFrame as error:
            raise RuntimeFailure(self._runtime, _first_line(f"could not start: {error}")) from None
        if header.get("kind") == "failure":
            raise self._refusal(header)
        if header.get("kind") != "ready":
            raise RuntimeFailure(self._runtime, f"could not start: said {header.get('kind')!r}")
        self._child.ready = True

    def _note_stage(self, header: dict[str, Any]) -> None:
        doing, index = header.get("doing"), header.get("index")
        if doing not in self.stages:
            raise MalformedFrame(f"a stage {doing!r}")
        if index is not None and _whole_number(index) >= len(self._paths):
            raise MalformedFrame(f"file {index} of {len(self._paths)}")
        self._doing, self._index = doing, index

    def _refusal(self, header: dict[str, Any]) -> EdgecvError:
        found, accepted, remedy = (
            _first_line(str(header.get(key) or "")) for key in ("found", "accepted", "remedy")
        )
        return RuntimeFailure(self._where(), found, accepted=accepted, remedy=remedy)

    def _death(self) -> RuntimeFailure:
        cause, number, last_words = self._child.cause_of_death()
        said = f": {last_words}" if last_words else ""
        found = f"{self._runtime} {cause} while {self._doing}{said}"
        # SIGKILL and SIGALRM come from outside: asking a second time would do the same again.
        if number in (0, signal.SIGKILL, signal.SIGALRM):
            return self._failure(found)
        return ProcessDied(self._where(), _first_line(found), remedy=self.remedy)

    def _failure(self, found: str) -> RuntimeFailure:
        return RuntimeFailure(self._where(), _first_line(found), remedy=self.remedy)

    def _where(self) -> str:
        paths = self._paths if self._index is None else [self._paths[self._index]]
        return ", ".join(map(str, paths))


def _whole_number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise MalformedFrame(f"a number {value!r}")
    return value


def _first_line(text: str) -> str:
    """Return the first line of what a child said, as it may be shown."""
    # What a child says may come from a hostile file: it may not move the cursor either.
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else ""
    return printable(first)[:LONGEST_TEXT]
