"""Answers of a host to requests from standard input: frames in, frames out.

The folder is removed, and the process ends, when the connection does or is silent for long.
"""

from __future__ import annotations

import os
import platform
import queue
import shutil
import signal
import threading
import time
from typing import Any

from edgecv.system.isolation.protocol import (
    Frame,
    in_seconds,
    pack,
    read_exactly,
    unpack,
    write_all,
)
from edgecv.targets.ssh.agent.model import HostModel, load

IDLE_S = 600.0
"""Longest wait for a request: a machine that lost its cable closes no connection. The longest work
on a request, which it names, is beside it: native code that hangs is ended by the system."""
SECONDS_BETWEEN_HEARTBEATS = SECONDS_BETWEEN_LOOKS = 1.0


def serve(folder: str, kind: str, runtime: str) -> None:
    """Answer requests for a file until there are no more."""
    requests, responses = os.dup(0), os.dup(1)
    # Native code prints to descriptor 1 and may read 0.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    waiting: queue.Queue[Frame] = queue.Queue()
    reader = threading.Thread(target=_read_all, args=(requests, waiting, folder), daemon=True)
    reader.start()
    threading.Thread(target=_watch, args=(folder,), daemon=True).start()
    try:
        module, version = load(runtime)
        facts = {
            "runtime": version,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "processor": _processor(),
            "cores": os.cpu_count(),
        }
        write_all(responses, pack({"kind": "ready", **facts}))
        _answer_all(waiting, responses, lambda frame: HostModel(folder, kind, module, frame))
    except Exception as error:  # noqa: BLE001  any error of a library is the answer
        write_all(responses, pack({"kind": "failure", "found": _reason(error)}))
    finally:
        _end(folder)


def _answer_all(waiting: queue.Queue[Frame], responses: int, opened: Any) -> None:
    model: Any = None
    while True:
        frame = waiting.get()
        signal.alarm(frame.header["longest_s"])
        asked = frame.header["do"]
        try:
            if asked == "open":
                model = None
                model = opened(frame)
                answer: dict[str, Any] = {"memory_bytes": model.memory_bytes}
                arrays: list[Any] = []
            elif asked == "predict":
                answer, arrays = {}, [model.predict(frame.arrays[0], Heartbeat(responses))]
            else:
                answer, arrays = {}, [model.time(frame.arrays[0], frame.header["budget_s"])]
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001  any error of a library is the answer
            answer, arrays = {"kind": "failure", "found": _reason(error)}, []
        write_all(responses, pack({"kind": "answer", **answer}, arrays))
        signal.alarm(0)


class Heartbeat:
    """A sign of progress after an image, at most once a second."""

    def __init__(self, responses: int) -> None:
        self._responses, self._sent_at = responses, time.monotonic()

    def __call__(self, done: int) -> None:
        """Say how many images are done."""
        if time.monotonic() - self._sent_at > SECONDS_BETWEEN_HEARTBEATS:
            self._sent_at = time.monotonic()
            write_all(self._responses, pack({"kind": "progress", "done": done}))


def _processor() -> str:
    """Return the name of the processor, as ``edgecv.system.cpu.model_name`` does."""
    names = []
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            pairs = [line.partition(":") for line in lines]
        names = [value.strip() for name, _, value in pairs if name.strip() == "model name"]
    return (names[0] if names else "") or platform.processor() or platform.machine()


def _read_all(requests: int, waiting: queue.Queue[Frame], folder: str) -> None:
    """Queue requests; native code that runs meanwhile ends with the connection too."""
    wait_s = IDLE_S

    def read(count: int) -> bytearray:
        return read_exactly(requests, count, in_seconds(wait_s))

    try:
        while True:
            frame = unpack(read)
            wait_s = IDLE_S + frame.header["longest_s"]
            waiting.put(frame)
    finally:
        _end(folder)


def _watch(folder: str) -> None:
    """End with the folder: the connection after this one, which was lost in silence, removes it."""
    while os.path.isdir(folder):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    _end(folder)


def _end(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _reason(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0].strip() if lines else type(error).__name__
