"""The original model, run by Keras 3 in a child process."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgecv.core.closing import Closing
from edgecv.core.errors import InputError, RuntimeFailure, StepError
from edgecv.formats.trust import NO_TRUST, Trust
from edgecv.system.isolation.process import ChildProcess, ChildProgram
from edgecv.system.isolation.protocol import Frame, MalformedFrame
from edgecv.system.isolation.request import Exchange, Request

PROGRAM = ChildProgram("edgecv.formats.keras.keras3.child", stages=("running it",), start_s=120.0)
ANSWER_S = 300.0
REMEDY = "check that this version of Keras loads the file"

Array = NDArray[np.float32]
T = TypeVar("T")


@dataclass(frozen=True)
class OriginalOutputs:
    """The outputs of a model for all images, and those of its layers for the first one."""

    outputs: list[Array]
    layers: Mapping[str, Array]


class OriginalModel(Closing):
    """Keras 3 in a child process, with one model. It starts while the caller does other work.

    ``path``: the name of the model in errors, not the file that is loaded.
    """

    def __init__(self, path: Path, folder: Path, trust: Trust = NO_TRUST) -> None:
        self.path = path
        self._trust = trust
        environment = {
            key: value for key, value in os.environ.items() if key != "TF_USE_LEGACY_KERAS"
        }
        environment |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
        log = folder / "keras3.log"
        self._child = ChildProcess(PROGRAM, {}, log=log, environment=environment)
        self._exchange: Exchange[OriginalOutputs] | None = None

    def close(self) -> None:
        """End the child process."""
        self._child.kill()

    def save(self, source: Path, target: Path) -> None:
        """Write a checked HDF5 file as a Keras 3 archive. Raises InputError."""
        self._write("save", source, target, "cannot be read by Keras 3")

    def export(self, archive: Path, folder: Path) -> None:
        """Write the inference of a checked archive as a SavedModel. Raises InputError."""
        self._write("export", archive, folder, "cannot be exported by Keras 3")

    def _write(self, action: str, source: Path, target: Path, failed: str) -> None:
        arguments = {"path": str(source), "target": str(target), **self._trust.model_dump()}
        request = Request(action, arguments, lambda _: None, [str(self.path)], [], ANSWER_S)
        try:
            Exchange(self._child, "Keras 3", request).run()
        except RuntimeFailure as failure:
            found = failure.found.removeprefix("Keras 3 ")
            raise InputError(str(self.path), f"{failed}: {found}", remedy=REMEDY) from None

    def ask(self, archive: Path, images: Sequence[Array]) -> None:
        """Start a run of a checked archive on images, one array per input. Raises StepError."""
        arguments = {"path": str(archive), **self._trust.model_dump()}
        request = Request("run", arguments, _outputs, [str(self.path)], [], ANSWER_S, arrays=images)
        self._exchange = Exchange(self._child, "Keras 3", request)
        self._or_fail(self._exchange.send)

    def answer(self) -> OriginalOutputs:
        """Return the outputs of the run. Raises StepError."""
        assert self._exchange is not None
        return self._or_fail(self._exchange.receive)

    def _or_fail(self, act: Callable[[], T]) -> T:
        try:
            return act()
        except RuntimeFailure as failure:
            found = failure.found
        if not found.startswith("Keras 3 "):
            found = f"Keras 3 {found}"
        raise StepError(
            str(self.path),
            f"the converted model cannot be compared with the original: {found}",
            remedy=REMEDY,
        ) from None


def _outputs(frame: Frame) -> OriginalOutputs:
    count, names = frame.header.get("outputs"), frame.header.get("layers")
    if not isinstance(count, int) or not isinstance(names, list):
        raise MalformedFrame("it does not say its outputs")
    layers = dict(zip(map(str, names), frame.arrays[count:], strict=False))
    return OriginalOutputs(frame.arrays[:count], layers)
