"""A file on a host: its answers come in parts, and a lost part is asked for again."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Self, TypeVar

import numpy as np

from edgecv.core.closing import Closing
from edgecv.core.comparison import Blocks
from edgecv.core.data import Images, Outputs
from edgecv.core.errors import InputError, RuntimeFailure, StepError
from edgecv.core.plugins import DeployedFile, DeviceFacts
from edgecv.core.preprocessing import affine_of
from edgecv.core.text import counted
from edgecv.formats.tflite.state import keeps_state
from edgecv.system.environment import machine_of
from edgecv.system.isolation.protocol import Frame
from edgecv.targets.answers import (
    checked_times,
    output_bytes,
    outputs_of_bytes,
    pixel_values,
    seconds_an_image,
)
from edgecv.targets.ssh.connection import (
    PACKAGES,
    SILENCE_S,
    Connection,
    ConnectionLost,
    ProgramDied,
    Unreachable,
)

WAITS_S = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Waits before each further connection; a part that no connection brings ends the deployment."""
WAITS_AT_FIRST_S = WAITS_S[:3]
"""Waits before the host has ever answered: it may be none."""
FIRST_IMAGES = 16
PART_S, PART_BYTES = 2.0, 2**22
"""Largest part: images that take about so long, of so many bytes with their answers."""
TIMED_S, LONGEST_TIMING_S = 0.5, 600.0
TIMED_RUNS = 16
"""Runs of a file that is timed, where one takes longer than all of ``TIMED_S``."""
LONGEST_S = 900.0
"""Longest work on a request there, beside the time that its runs may take."""
TITLES = {"tflite": "LiteRT", "onnx": "ONNX Runtime"}

T = TypeVar("T")


class Host(Closing):
    """A file that is open on a host; a lost connection is replaced."""

    def __init__(
        self,
        file: DeployedFile,
        content: bytes,
        url: str,
        threads: int,
        connect: Callable[[], Connection],
    ) -> None:
        self._file, self._content, self._url, self._connect = file, content, url, connect
        self._threads, self._batch = threads, max(1, file.facts.batch)
        self._run_s = self._batch * seconds_an_image(file, 0.0)
        self._connection: Connection | None = None
        self._machine: Mapping[str, str] | None = None
        self._losses = 0
        self.facts = DeviceFacts("")

    def __enter__(self) -> Self:
        try:
            again(self._open, WAITS_AT_FIRST_S, self._lost)
        except BaseException:
            self.close()
            raise
        return self

    def predict(self, images: Images) -> Outputs:
        """Return the outputs for uint8 images (N, H, W, C): float32 (N, ...)."""
        size_of_answer = sum(output_bytes(self._file))
        batch, seconds = self._batch, self._batch * self._file.seconds
        most = max(1, PART_BYTES // (images[:1].nbytes + size_of_answer) // batch) * batch
        first = FIRST_IMAGES if seconds * FIRST_IMAGES <= PART_S else max(1, int(PART_S / seconds))
        parts, start, size = [], 0, min(most, batch * first)
        while start < len(images):
            some, began = images[start : start + size], time.monotonic()
            arrays = self._ask(
                self._request("predict", -(-len(some) // batch)),
                some,
                most_bytes=len(some) * size_of_answer,
                heartbeats=len(some),
                silence_s=SILENCE_S + self._run_s,
            ).arrays
            if len(arrays) != 1 or arrays[0].shape[:1] != (len(some),):
                raise StepError(self._url, f"gives no answer for each of {len(some)} images")
            parts.append(outputs_of_bytes(self._file, arrays[0], self._url))
            start += len(some)
            if time.monotonic() - began < PART_S / 2:
                size = min(2 * size, most)
        return Outputs.joined(parts)

    def time(self, image: Images) -> tuple[Blocks, ...] | None:
        """Return timed runs of one image, uint8 (1, H, W, C), in nanoseconds."""
        request = {**self._request("time", TIMED_RUNS), "budget_s": TIMED_S}
        silence_s = LONGEST_TIMING_S + TIMED_RUNS * self._run_s
        limits = {"most_bytes": PART_BYTES, "heartbeats": 0, "silence_s": silence_s}
        arrays = self._ask(request, image, **limits).arrays
        return (checked_times(arrays[0] if len(arrays) == 1 else None, self._url),)

    def close(self) -> None:
        """End the program on the host, which leaves nothing there."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _request(self, action: str, runs: int) -> dict[str, Any]:
        """Return a request of so many runs, with the longest time that they may take."""
        return {"do": action, "longest_s": math.ceil(LONGEST_S + runs * self._run_s)}

    def _ask(self, header: Mapping[str, Any], image: Images, **limits: Any) -> Frame:
        """Return the answer to a request; ``limits`` as ``Connection.ask`` takes them."""

        def ask() -> Frame:
            connection = self._connection or self._open()
            return connection.ask(header, [image], **limits)

        return again(ask, WAITS_S, self._lost)

    def _lost(self, lost: ConnectionLost) -> None:
        """Close what a lost connection leaves. Raises InputError if the host never answered."""
        self.close()
        self._losses += 1
        if self._machine is None:
            refuse_unreachable(lost)

    def _open(self) -> Connection:
        connection = self._connection = self._connect()
        if self._machine not in (None, connection.facts):
            raise StepError(self._url, "is another machine than before the connection was lost")
        self._machine = connection.facts
        facts, channels = self._file.facts, self._file.facts.image[2]
        kind, batch = self._file.artifact.format, self._batch
        lengths = dict(zip("NHWC", (batch, *facts.image), strict=True))
        where = str(self._file.path)
        answer = connection.ask(
            {
                **self._request("open", 1),
                "type": facts.input.type,
                "image": facts.image,
                "axes": facts.axes,
                "batch": batch,
                "threads": self._threads,
                "shape": [lengths[axis] for axis in facts.axes],
                "channels": affine_of(self._file.preprocess, channels, where)[2],
                "keeps_state": kind == "tflite" and keeps_state(self._content, where),
            },
            [
                np.frombuffer(self._content, np.uint8),
                pixel_values(self._file).reshape(-1).view(np.uint8),
            ],
            most_bytes=0,
            heartbeats=1,
            silence_s=SILENCE_S + self._run_s,
        )
        found, notes = connection.facts, []
        if found["runtime"] != (here := f"{TITLES[kind]} {version(PACKAGES[kind])}"):
            notes.append(f"{found['runtime']} there, {here} here: answers may differ")
        if self._losses:
            notes.append(f"lost the connection {counted(self._losses, 'time')}, and went on")
        memory = answer.header.get("memory_bytes")
        self.facts = DeviceFacts(
            f"{found['runtime']}, Python {found['python']}, {found['machine']}",
            memory_bytes=memory if type(memory) is int and memory > 0 else None,
            flash_bytes=self._file.artifact.bytes,
            notes=tuple(notes),
            machine=machine_of(found["processor"], found["cores"]),
        )
        return connection


def again(
    action: Callable[[], T], waits_s: Sequence[float], on_lost: Callable[[ConnectionLost], None]
) -> T:
    """Do something again over a new connection where one is lost, after each of some waits."""
    waits = iter(waits_s)
    while True:
        try:
            return action()
        except ConnectionLost as lost:
            on_lost(lost)
            wait_s = next(waits, None)
            if wait_s is None:
                found = f"{lost.found}, {len(waits_s) + 1} times in a row"
                cls = RuntimeFailure if isinstance(lost, ProgramDied) else StepError
                raise cls(lost.where, found, remedy=lost.remedy) from None
        time.sleep(wait_s)


def refuse_unreachable(lost: ConnectionLost) -> None:
    """Raise InputError where a host that has never answered is not there: the address is wrong."""
    if isinstance(lost, Unreachable):
        raise InputError(lost.where, lost.found, remedy=lost.remedy) from None
