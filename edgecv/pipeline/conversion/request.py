"""One request to the child with TensorFlow, and what its answer means."""

import os
from pathlib import Path
from typing import Any, ClassVar

from edgecv.core.errors import EdgecvError, RuntimeFailure
from edgecv.core.text import one_line
from edgecv.pipeline.conversion.server import ERRORS, OUT_OF_MEMORY
from edgecv.system.isolation.process import ChildProcess
from edgecv.system.isolation.protocol import MalformedFrame
from edgecv.system.isolation.request import ProcessDied, ProcessRequest

START_S = 180.0
"""TensorFlow's import takes four seconds, and many times that on a machine that is busy."""
LONGEST_TEXT = 2000
TENSORFLOW = "TensorFlow"
STAGES = ("opening it", "converting it", "running it", "counting its operations", "adapting it")


class IdleExit(RuntimeFailure):
    """The child ended by itself: it had nothing to do, and the request came in that moment."""


class ConversionRequest(ProcessRequest):
    """One request to the child, about one model."""

    stages: ClassVar[tuple[str, ...]] = STAGES
    start_s: ClassVar[float] = START_S
    remedy: ClassVar[str] = "choose another format or precision, or replace the layer that needs it"

    def __init__(self, child: ChildProcess, where: str, model: Path) -> None:
        super().__init__(child, TENSORFLOW, [Path(where)])
        self._model = model

    def _refusal(self, header: dict[str, Any]) -> EdgecvError:
        # The child is told where the model lies, whatever folder it stands in itself.
        where, found, accepted, remedy = (
            _plain(header.get(key)).replace(os.path.abspath(self._model), str(self._model))
            for key in ("where", "found", "accepted", "remedy")
        )
        if header.get("error") == OUT_OF_MEMORY:
            return ProcessDied(self._where(), found, remedy=self.remedy)
        cls = ERRORS.get(str(header.get("error")))
        if cls is None:
            raise MalformedFrame(f"an error of kind {header.get('error')!r}")
        return cls(where or self._where(), found, accepted=accepted, remedy=remedy)

    def _death(self) -> RuntimeFailure:
        failure = super()._death()
        if self._child.process.returncode == 0:
            return IdleExit(failure.where, failure.found, remedy=failure.remedy)
        return failure


def _plain(value: Any) -> str:
    return one_line(str(value or ""))[:LONGEST_TEXT]
