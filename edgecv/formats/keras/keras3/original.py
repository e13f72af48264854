"""The original model in Keras 3 itself, in a child process, and what it gives."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import StepError
from edgecv.core.text import short_name
from edgecv.formats.trust import NO_TRUST, Trust
from edgecv.system.isolation.protocol import (
    Frame,
    MalformedFrame,
    pack,
    read_exactly,
    unpack,
    write_all,
)

PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[2]); "
    "from edgecv.formats.keras.keras3.child import main; main()"
)
PACKAGES = str(Path(__file__).parents[4])
START_S = 120.0
ANSWER_S = 300.0
LIMIT_S = 900
DEATH_S = 5.0
TAIL_BYTES = 2048

Array = NDArray[np.float32]
T = TypeVar("T")


@dataclass(frozen=True)
class OriginalOutputs:
    """What a model gives for all images, and what its layers give for the first one."""

    outputs: list[Array]
    layers: Mapping[str, Array]


class OriginalModel:
    """Keras 3 in a child process, with one model. It is loading while the caller does other things.

    ``path`` is what errors say, not what is loaded.
    """

    def __init__(self, path: Path, folder: Path, trust: Trust = NO_TRUST) -> None:
        self.path = path
        self._trust = trust
        self._log = folder / "keras3.log"
        environment = {
            key: value for key, value in os.environ.items() if key != "TF_USE_LEGACY_KERAS"
        }
        environment |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-c", PROGRAM, json.dumps({"limit_s": LIMIT_S}), PACKAGES],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                env=environment,
                start_new_session=True,
            )
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._stdin = self._child.stdin.fileno()
        self._stdout = self._child.stdout.fileno()
        self._ready = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._child.poll() is None:
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            assert pipe is not None
            pipe.close()

    def ask(self, archive: Path, images: Sequence[Array]) -> None:
        """Have a checked archive run on images, an array each input. Raises StepError."""
        request = pack({"path": str(archive), **self._trust.model_dump()}, images)
        self._or_fail(lambda: write_all(self._stdin, request))

    def answer(self) -> OriginalOutputs:
        """Return what was asked for. Raises StepError."""
        frame = self._or_fail(lambda: self._receive(ANSWER_S))
        if frame.header.get("kind") != "answer":
            raise self._failure(f"cannot run it: {short_name(frame.header.get('found'))}")
        return self._or_fail(lambda: _outputs(frame))

    def _or_fail(self, act: Callable[[], T]) -> T:
        try:
            if not self._ready:
                self._receive(START_S)
                self._ready = True
            return act()
        except TimeoutError:
            raise self._failure("did not answer in time") from None
        except (EOFError, BrokenPipeError):
            raise self._failure(self._cause_of_death()) from None
        except MalformedFrame as error:
            raise self._failure(f"answered nonsense: {error}") from None

    def _receive(self, silence_s: float) -> Frame:
        deadline = time.monotonic() + silence_s
        return unpack(lambda count: read_exactly(self._stdout, count, deadline))

    def _failure(self, found: str) -> StepError:
        return StepError(
            str(self.path),
            f"the rebuilt model cannot be compared with the original: Keras 3 {found}",
            remedy="check that this version of Keras loads the file",
        )

    def _cause_of_death(self) -> str:
        try:
            code = self._child.wait(timeout=DEATH_S)
        except subprocess.TimeoutExpired:
            return "closed its pipe"
        cause = f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        lines = self._log.read_bytes()[-TAIL_BYTES:].decode("utf-8", "replace").split("\n")
        said = [short_name(line.strip()) for line in lines if line.strip()]
        return f"{cause}: {said[-1]}" if said else cause


def _outputs(frame: Frame) -> OriginalOutputs:
    count, names = frame.header.get("outputs"), frame.header.get("layers")
    if not isinstance(count, int) or not isinstance(names, list):
        raise MalformedFrame("it does not say its outputs")
    layers = dict(zip(map(str, names), frame.arrays[count:], strict=False))
    return OriginalOutputs(frame.arrays[:count], layers)
