"""One request and what the child says until it has answered, or until it is clear that it won't."""

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgecv.errors import RuntimeFailure
from edgecv.worker.frames import Frame, GarbledFrame
from edgecv.worker.process import ChildProcess

START_S = 60.0
LONGEST_TEXT = 300
STAGES = ("opening it", "running it", "warming it up", "timing it")


class Died(RuntimeFailure):
    """The child died of a signal that native code raises."""


class Conversation:
    """One request to one child about some files."""

    def __init__(self, child: ChildProcess, runtime: str, paths: Sequence[Path]) -> None:
        self._child = child
        self._runtime = runtime
        self._paths = paths
        self._doing = STAGES[0]
        self._index: int | None = 0

    def answer(
        self, request: dict[str, Any], silence_s: float, on_progress: Callable[[int], None]
    ) -> Frame:
        """Return the answer. Raises RuntimeFailure or Died; the child is then of no more use."""
        self._wait_until_ready()
        try:
            self._child.send(request)
            while True:
                frame = self._child.receive(silence_s)
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
                        raise GarbledFrame(f"a frame of kind {kind!r}")
        except EOFError:
            raise self._death() from None
        except TimeoutError:
            raise self._failure(
                f"{self._runtime} did not answer within {silence_s:g} s while {self._doing}"
            ) from None
        except GarbledFrame as error:
            raise self.nonsense(error) from None

    def nonsense(self, error: GarbledFrame) -> RuntimeFailure:
        """Return the failure of a child whose answer cannot be one."""
        return self._failure(f"{self._runtime} answered nonsense while {self._doing}: {error}")

    def _wait_until_ready(self) -> None:
        if self._child.ready:
            return
        try:
            kind = self._child.receive(START_S).header.get("kind")
        except EOFError:
            cause, _, last_words = self._child.cause_of_death()
            found = f"could not start: {cause} {last_words}"
            raise RuntimeFailure(self._runtime, _one_line(found)) from None
        except TimeoutError:
            raise RuntimeFailure(self._runtime, f"did not start within {START_S:g} s") from None
        except GarbledFrame as error:
            raise RuntimeFailure(self._runtime, _one_line(f"could not start: {error}")) from None
        if kind != "ready":
            raise RuntimeFailure(self._runtime, f"could not start: said {kind!r}")
        self._child.ready = True

    def _note_stage(self, header: dict[str, Any]) -> None:
        doing, index = header.get("doing"), header.get("index")
        if doing not in STAGES:
            raise GarbledFrame(f"a stage {doing!r}")
        if index is not None and _whole_number(index) >= len(self._paths):
            raise GarbledFrame(f"file {index} of {len(self._paths)}")
        self._doing, self._index = doing, index

    def _refusal(self, header: dict[str, Any]) -> RuntimeFailure:
        found, accepted, remedy = (
            _one_line(str(header.get(key) or "")) for key in ("found", "accepted", "remedy")
        )
        return RuntimeFailure(self._where(), found, accepted=accepted, remedy=remedy)

    def _death(self) -> RuntimeFailure:
        cause, number, last_words = self._child.cause_of_death()
        said = f": {last_words}" if last_words else ""
        found = f"{self._runtime} {cause} while {self._doing}{said}"
        # SIGKILL and SIGALRM come from outside: asking a second time would do the same again.
        if number in (0, signal.SIGKILL, signal.SIGALRM):
            return self._failure(found)
        return Died(self._where(), _one_line(found))

    def _failure(self, found: str) -> RuntimeFailure:
        return RuntimeFailure(self._where(), _one_line(found))

    def _where(self) -> str:
        paths = self._paths if self._index is None else [self._paths[self._index]]
        return ", ".join(map(str, paths))


def _whole_number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise GarbledFrame(f"a number {value!r}")
    return value


def _one_line(text: str) -> str:
    # What a child says may come from a hostile file: it may not move the cursor either.
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    first = lines[0] if lines else ""
    return "".join(c if c.isprintable() else "?" for c in first)[:LONGEST_TEXT]
