"""TFLite Micro's interpreter of this machine, in a child process."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import InputError
from edgecv.system.isolation.client import ask_once
from edgecv.system.isolation.limits import ProcessLimits
from edgecv.system.isolation.process import ChildProgram
from edgecv.system.isolation.protocol import Frame, MalformedFrame
from edgecv.system.isolation.request import Request
from edgecv.system.isolation.server import ActionServer, Response
from edgecv.targets.tflm.packing import packed

NAME = "TFLite Micro"
PROGRAM = ChildProgram("edgecv.targets.tflm.interpreter", stages=("opening it", "running it"))
SILENCE_S = 120.0
MEMORY_BYTES = 2**32
LARGEST_LOG_BYTES = 2**24
SIZES = ("total", "head", "tail")
_ALLOCATION = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")


@dataclass(frozen=True)
class Arena:
    """Bytes of memory that the interpreter took: on this machine, whose pointers have 8 bytes."""

    total: int
    head: int
    """Activations and buffers of kernels; the same on a board."""
    tail: int
    """Tables that stay while the model lives; fewer on a board, whose pointers have 4 bytes."""


@dataclass(frozen=True)
class MicroAnswer:
    """The outputs of some inputs, the arena, and the file that was run."""

    rows: NDArray[np.uint8]
    """The bytes of all outputs, a row an input: (N, bytes)."""
    arena: Arena
    content: bytes


def is_installed() -> bool:
    """Return True if the package is there; nothing of it is imported."""
    return find_spec("tflite_micro") is not None


def run_micro(
    path: Path, inputs: NDArray[Any], log: Path | None = None, *, packs: bool = False
) -> MicroAnswer:
    """Run inputs, (N, ...) in the type of the file, one after the other.

    ``packs``: its weights are put into look-up tables before. Raises InputError where the
    interpreter does not take the file, no weights fit into tables, or it crashes.
    """
    request = Request(
        "run",
        {"path": os.path.abspath(path), "packs": packs},
        _answer,
        names=[str(path)],
        files=[path],
        silence_s=SILENCE_S,
        arrays=[np.ascontiguousarray(inputs).reshape(len(inputs), -1).view(np.uint8)],
    )
    limits = ProcessLimits(MEMORY_BYTES, file_bytes=LARGEST_LOG_BYTES)
    return ask_once(PROGRAM, NAME, request, limits, log=log)


def _answer(frame: Frame) -> MicroAnswer:
    sizes = frame.header.get("arena")
    if not isinstance(sizes, list) or [type(each) for each in sizes] != [int] * len(SIZES):
        raise MalformedFrame("gives no sizes of an arena")
    if len(frame.arrays) != 2 or any(each.dtype != np.uint8 for each in frame.arrays):
        raise MalformedFrame("gives no bytes of outputs")
    rows, content = frame.arrays
    return MicroAnswer(rows, Arena(*sizes), content.tobytes())


def main() -> None:
    """Serve requests from standard input until it ends."""
    server = ActionServer(NAME)
    from tflite_micro.python.tflite_micro import runtime  # noqa: F401  before the limits are set

    server.serve({"run": _Interpreter(server).run})


class _Interpreter:
    """The child's side."""

    def __init__(self, server: ActionServer) -> None:
        self._server = server

    def run(self, path: str, packs: bool, arrays: Sequence[NDArray[Any]]) -> Response:
        """Run the inputs in the only array, and measure the arena; return the file too."""
        from tflite_micro.python.tflite_micro import runtime

        content = Path(path).read_bytes()
        if packs:
            content = packed(content, path)
        recording = runtime.InterpreterConfig.kAllocationRecording
        with _messages() as printed:
            try:
                found = runtime.Interpreter.from_bytes(content, intrepreter_config=recording)
            except Exception as error:  # noqa: BLE001  it raises anything on damage
                reason = [line for line in printed() if "Arena" not in line] or [str(error)]
                raise InputError(path, f"{NAME} refuses it: {reason[0]}") from None
        self._server.stage("running it")
        given, outputs = found.get_input_details(0), _outputs(content)
        rows = []
        for number, row in enumerate(arrays[0]):
            found.set_input(row.view(given["dtype"]).reshape(given["shape"]), 0)
            found.invoke()
            answers = (np.ascontiguousarray(found.get_output(each)) for each in range(outputs))
            rows.append(np.concatenate([each.reshape(-1).view(np.uint8) for each in answers]))
            self._server.progress(number + 1)
        with _messages() as printed:
            found.print_allocations()
            sizes = {name: int(size) for name, size in _ALLOCATION.findall("\n".join(printed()))}
        found_sizes = {"arena": [sizes[name] for name in SIZES]}
        return found_sizes, [np.stack(rows), np.frombuffer(content, np.uint8)]


def _outputs(content: bytes) -> int:
    from edgecv.formats.tflite.tables import TFLiteTables

    return len(TFLiteTables(content, NAME).outputs)


@contextmanager
def _messages() -> Iterator[Any]:
    """Catch what native code prints; the value is a function that returns its lines so far."""
    with tempfile.TemporaryFile() as caught:
        before = os.dup(2)
        os.dup2(caught.fileno(), 2)

        def lines() -> list[str]:
            sys.stderr.flush()
            caught.seek(0)
            return caught.read(2**16).decode("ascii", "replace").splitlines()

        try:
            yield lines
        finally:
            os.dup2(before, 2)
            os.close(before)
