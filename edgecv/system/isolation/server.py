"""The child's side: serves a table of actions, one request after the other.

It ends with its parent: at the end of its input, when the pipe closes while it is busy, and at the
latest by an alarm where native code never releases the interpreter.
"""

import json
import os
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from numpy.typing import NDArray

from edgecv.core.errors import EdgecvError
from edgecv.system.isolation.deadline import MOST
from edgecv.system.isolation.limits import (
    AddressSpace,
    ProcessLimits,
    apply_limits,
    die_with_parent,
    end_with_parent,
    is_out_of_memory,
    take_pipes,
)
from edgecv.system.isolation.protocol import (
    pack,
    read_exactly,
    unpack,
    write_all,
)
from edgecv.system.isolation.typed_errors import OUT_OF_MEMORY, parts_of
from edgecv.system.system_limits import keep_a_second_of_processor_time

LONGEST_START_S = 900.0
"""Alarm of the start: longer than any parent waits for it."""
ALARM_AFTER_PARENT_S = 5.0
"""Delay of a child's own alarm after the end of its parent's longest waiting time."""
SECONDS_BETWEEN_HEARTBEATS = 1.0
BYTES_A_PART = 2**28
"""Arrays of an answer in one frame, whose largest size is ``LARGEST_ARRAYS_BYTES``."""

Response = tuple[Mapping[str, Any], Sequence[NDArray[Any]]]
Action = Callable[..., Response]
"""A function of the request's arguments by name, with its arrays, if any, as ``arrays``."""


class ActionServer:
    """The requests of a parent process, and the actions that answer them."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        """Name of the library in errors about refused files."""
        self.settings: dict[str, Any] = json.loads(sys.argv[1])
        self.memory: AddressSpace | None = None
        self.doing = "starting"
        self._requests, self._responses = take_pipes()
        self._alarm_s = 0.0
        self._sent_at = 0.0
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        keep_a_second_of_processor_time()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle.
        signal.setitimer(signal.ITIMER_REAL, LONGEST_START_S)
        threading.Thread(target=end_with_parent, args=(self._requests,), daemon=True).start()
        if self.settings["dies_with_parent"]:
            die_with_parent()

    def serve(
        self, actions: Mapping[str, Action], prepare: Callable[[], None] = lambda: None
    ) -> NoReturn:
        """Answer requests until there are no more; an error of ``prepare`` ends the process."""
        try:
            prepare()
            self.memory = apply_limits(ProcessLimits(**self.settings["limits"]))
        except EdgecvError as error:
            self._send({"kind": "failure", **self._failure(error)})
        else:
            self._send({"kind": "ready"})
            self._answer_all(actions)
        # Native destructors may hang or crash after a hostile file; there is nothing left to save.
        os._exit(0)

    def stage(self, doing: str, index: int | None = 0) -> None:
        """Report the current stage, and the index of the file it works on, to the parent."""
        self.doing = doing
        self._send({"kind": "stage", "doing": doing, "index": index})

    def progress(self, done: int) -> None:
        """Report the number of finished images to the parent."""
        self._send({"kind": "progress", "done": done})

    def in_parts(self, response: Response, most_bytes: int = BYTES_A_PART) -> Response:
        """Send the first rows of an answer's arrays in frames of their own; return the last ones.

        All arrays have as many rows. An answer that fits into one frame is returned as it is.
        """
        header, arrays = response
        rows = len(arrays[0])
        size = sum(each.nbytes for each in arrays)
        step, start = max(1, rows * most_bytes // max(size, 1)), 0
        while rows - start > step:
            self._send({"kind": "part"}, [each[start : start + step] for each in arrays])
            start += step
        return header, [each[start:] for each in arrays]

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parent's answer to a question of the action that is running."""
        self._send({"kind": "question", **question})
        return unpack(lambda count: read_exactly(self._requests, count)).header

    def heartbeat(self) -> None:
        """Signal progress to the parent, at most once a second."""
        if time.monotonic() - self._sent_at > SECONDS_BETWEEN_HEARTBEATS:
            self.progress(0)

    def _answer_all(self, actions: Mapping[str, Action]) -> None:
        poll = select.poll()
        poll.register(self._requests, select.POLLIN)
        idle_s = self.settings.get("idle_s")
        while True:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if not poll.poll(None if idle_s is None else idle_s * 1000):
                return
            try:
                request, arrays = unpack(lambda count: read_exactly(self._requests, count))
            except EOFError:
                return
            self._alarm_s = MOST * request["silence_s"] + ALARM_AFTER_PARENT_S
            signal.setitimer(signal.ITIMER_REAL, self._alarm_s)
            arguments = {**request["with"], **({"arrays": arrays} if arrays else {})}
            try:
                answer, arrays_of_answer = actions[request["do"]](**arguments)
            except Exception as error:  # noqa: BLE001  any error of a library is about the file
                self._send({"kind": "failure", **self._failure(error)})
            else:
                self._send({"kind": "answer", **answer}, arrays_of_answer)

    def _failure(self, error: Exception) -> dict[str, str]:
        if is_out_of_memory(error):
            limit = self.memory.limit_bytes if self.memory else None
            most = "there is" if limit is None else f"{limit / 2**30:.1f} GiB"
            found = f"needs more than {most} of memory while {self.doing}"
            return {"error": OUT_OF_MEMORY, "found": found}
        if isinstance(error, EdgecvError):
            return parts_of(error)
        if isinstance(error, OSError):
            return {"found": f"cannot be read: {error.strerror or error}"}
        if isinstance(error, RecursionError):
            return {"found": "is damaged: it nests too deeply"}
        lines = [line for line in str(error).splitlines() if line.strip()]
        reason = lines[0].strip() if lines else type(error).__name__
        return {"found": f"{self.name} refused it while {self.doing}: {reason}"}

    def _send(self, header: Mapping[str, Any], arrays: Sequence[NDArray[Any]] = ()) -> None:
        self._sent_at = time.monotonic()
        write_all(self._responses, pack(header, arrays))
        signal.setitimer(signal.ITIMER_REAL, self._alarm_s)
