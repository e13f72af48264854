"""The parent's side of conversion: a child process opens, converts and counts models."""

import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from edgecv.core.artifact import Artifact
from edgecv.core.costs import ModelCost
from edgecv.core.data import Outputs
from edgecv.core.errors import InputError, RuntimeFailure, UnsuitableFile
from edgecv.core.images import ImageSequence
from edgecv.core.input_evidence import InputEvidence
from edgecv.core.plugins import Exporter, Task
from edgecv.core.preprocessing import Preprocessing
from edgecv.core.registry import EXPORTERS, TASKS
from edgecv.formats.lookup import needs_tensorflow
from edgecv.formats.model_file import ModelFile
from edgecv.formats.onnx.adapt import Ends
from edgecv.formats.trust import NO_TRUST
from edgecv.pipeline.conversion.process_pool import PooledProcess, keep, take
from edgecv.reports.json_file import read_artifact
from edgecv.system.isolation.client import ProcessClient
from edgecv.system.isolation.codec import decode, decode_outputs, decode_printable
from edgecv.system.isolation.hdf5_check import REMEDY
from edgecv.system.isolation.process import ChildProcess
from edgecv.system.isolation.protocol import Frame, MalformedFrame
from edgecv.system.isolation.request import Request, StartFailure

SILENCE_S = 600.0
"""Longest time between two heartbeats of a step. Calibration sends one for each image; running a
model of Keras 3 beside its original may take 420 s alone."""
LONGEST_S = 3600.0
"""Longest time of a step that is no prediction."""
PREDICTIONS = ("predict", "predict_each")
"""Steps of any length: the child tells after each batch that it lives, and answers in parts."""
LOG_BYTES = 2**16
"""The most that is kept of what native code prints during one request."""

T = TypeVar("T")


class PlainOnnx(NamedTuple):
    """An ONNX file as one file of float32, and what the user's own was."""

    path: Path
    was_external: bool
    """True if it kept weights in other files."""
    had_halves: bool
    """True if it holds 16-bit floats."""


class Converter(ProcessClient[PooledProcess]):
    """Converts models in a child process with TensorFlow, which a converter may kill.

    A conversion that crashes it, hangs it or uses up its memory raises RuntimeFailure with one
    line, and the next request starts a new child. Errors of exporters and importers arrive as they
    were raised. ``log`` collects what native code prints. Not thread-safe.
    """

    def __init__(self, log: Path | None = None) -> None:
        super().__init__("TensorFlow")
        self._log = log

    def start(self, *, needs_tensorflow: bool = True) -> None:
        """Start the child, without waiting for it, unless there is one."""
        self._started(needs_tensorflow=needs_tensorflow)

    def export(
        self,
        source: ModelFile,
        exporter: Exporter,
        images: ImageSequence,
        path: Path,
        *,
        keep_quantizers: bool = True,
    ) -> Artifact:
        """Write a model as ``exporter`` does: the file, and its facts beside it.

        ``images``: uint8 (N, H, W, C), to find ranges with. ``keep_quantizers``: False to leave
        out those that the model was trained with.
        """
        facts = path.with_name("artifact.json")
        arguments = {
            "exporter": EXPORTERS.table(exporter),
            "images": self._images.place_of(images),
            "path": os.path.abspath(path),
            "facts": os.path.abspath(facts),
            "keep_quantizers": keep_quantizers,
        }
        return self._request("export", source, arguments, path.name, lambda _: read_artifact(facts))

    def predict(self, source: ModelFile, images: ImageSequence) -> tuple[Outputs, int]:
        """Return a model's outputs for images, and its number of parameters."""

        def read(frame: Frame) -> tuple[Outputs, int]:
            return decode_outputs(frame, len(images)), _parameters(frame)

        arguments = {"images": self._images.place_of(images)}
        return self._request("predict", source, arguments, str(source.path), read)

    def predict_each(
        self, source: ModelFile, images: ImageSequence, choices: Mapping[str, Preprocessing]
    ) -> dict[str, Outputs]:
        """Return a model's outputs for images with each preprocessing, by its name."""

        def read(frame: Frame) -> dict[str, Outputs]:
            headers, arrays = frame.header.get("each"), iter(frame.arrays)
            if not isinstance(headers, list) or len(headers) != len(choices):
                raise MalformedFrame("outputs for other preprocessings")
            found = {}
            for name, header in zip(choices, headers, strict=True):
                names = header.get("names") if isinstance(header, dict) else None
                count = len(names) if isinstance(names, list) else 0
                found[name] = decode_outputs(Frame(header, [*islice(arrays, count)]), len(images))
            return found

        arguments = {
            "images": self._images.place_of(images),
            "choices": {name: _plain_table(each) for name, each in choices.items()},
        }
        return self._request("predict_each", source, arguments, str(source.path), read)

    def count(self, source: ModelFile) -> ModelCost:
        """Return the cost of a model by its graph. Raises InputError if it cannot be counted."""
        return self._request(
            "count", source, {}, str(source.path), lambda frame: decode(ModelCost, frame)
        )

    def adopt(
        self, source: ModelFile, task: Task | None = None, *, is_trained: bool = False
    ) -> Path:
        """Open a user's model and adapt it to its input and a task: see ``adapt_model.adapt``.

        Returns a folder with the facts and the adapted model, which exists until ``close``. Raises
        InputError also if the file crashes the child, hangs it or uses up its memory.
        """
        folder = Path(tempfile.mkdtemp(prefix="adopted-", dir=self._folder.name))
        arguments = {
            "path": str(folder),
            "task": None if task is None else TASKS.table(task),
            "is_trained": is_trained,
        }
        where = str(source.path)
        try:
            return self._request("adopt", source, arguments, where, lambda _: folder)
        except StartFailure:
            raise
        except UnsuitableFile as error:
            accepted, remedy = error.accepted, error.remedy
            raise InputError(where, error.found, accepted=accepted, remedy=remedy) from None
        except RuntimeFailure as failure:
            raise InputError(where, failure.found, remedy=REMEDY) from None

    def input_evidence(self, source: ModelFile, images: ImageSequence) -> InputEvidence:
        """Return what a model's graph shows of its pixels; ``images``: uint8 (N, H, W, C)."""

        def read(frame: Frame) -> InputEvidence:
            return decode_printable(InputEvidence, frame)

        arguments = {"images": self._images.place_of(images)}
        return self._request("input_evidence", source, arguments, str(source.path), read)

    def plain_onnx(self, path: Path, *, in_float32: bool = True) -> PlainOnnx:
        """Return an ONNX file as one file, of float32 if asked for.

        A file that is one already stays where it is; another exists until ``close``. Raises
        InputError where the weights that it keeps in other files cannot be taken.
        """
        folder = Path(tempfile.mkdtemp(prefix="plain-", dir=self._folder.name))
        target = folder / path.name

        def read(frame: Frame) -> PlainOnnx:
            was = frame.header.get("was_external") is True, frame.header.get("had_halves") is True
            return PlainOnnx(target if any(was) else path, *was)

        arguments = {"path": str(target), "in_float32": in_float32}
        try:
            return self._request("plain_onnx", ModelFile(path, ""), arguments, str(path), read)
        except StartFailure:
            raise
        except RuntimeFailure as failure:
            raise InputError(
                str(path), failure.found, accepted=failure.accepted, remedy=failure.remedy
            ) from None

    def adapt_onnx(self, source: ModelFile, ends: Ends, target: Path) -> int:
        """Write an adapted copy of a user's ONNX model; return its number of parameters.

        Raises StepError if it cannot be adapted.
        """
        arguments = {"ends": ends.model_dump(mode="json"), "path": os.path.abspath(target)}
        return self._request("adapt", source, arguments, str(source.path), _parameters)

    def close(self) -> None:
        """Release the child, and remove the temporary files."""
        self._release()
        super().close()

    def _release(self) -> None:
        if self._child is not None:
            keep(self._child)
            self._child = None

    def _request(
        self,
        action: str,
        source: ModelFile,
        arguments: dict[str, Any],
        where: str,
        read: Callable[[Frame], T],
    ) -> T:
        is_prediction = action in PREDICTIONS
        arguments = {
            "model": os.path.abspath(source.path),
            "trust": source.trust.model_dump(mode="json"),
            "input_spec": source.input_spec.model_dump(mode="json"),
            **arguments,
        }
        request = Request(
            action,
            arguments,
            read,
            [where],
            [source.path],
            SILENCE_S,
            math.inf if is_prediction else LONGEST_S,
            comes_in_parts=is_prediction,
        )
        return self._ask(request, lambda: self._child_for(source))

    def _started(self, *, needs_tensorflow: bool) -> PooledProcess:
        if self._child is not None and not self._child.is_alive:
            self._discard()  # It was idle for too long and has ended.
        if self._child is None:
            self._child = take() or PooledProcess(needs_tensorflow=needs_tensorflow)
        return self._child

    def _child_for(self, source: ModelFile) -> PooledProcess:
        """Return a child that may open a model with the trust it is given."""
        child = self._started(needs_tensorflow=needs_tensorflow(source.path))
        if source.trust != NO_TRUST and child.was_kept:
            # It may have another working folder, and another module of the same name.
            self._release()
            child = self._child = PooledProcess()
        child.is_clean = child.is_clean and source.trust == NO_TRUST
        return child

    def _on_end(self, child: ChildProcess) -> None:
        """Append what native code has printed to the log of the run."""
        if self._log is not None and (printed := child.printed(LOG_BYTES)):
            with self._log.open("ab") as log:
                log.write(printed)


@contextmanager
def open_converter(log: Path | None = None) -> Iterator[Converter]:
    """Open a converter; its child is released in any case."""
    with closing(Converter(log)) as made:
        yield made


def _plain_table(choice: Preprocessing | None) -> Any:
    return None if choice is None else choice.model_dump(mode="json")


def _parameters(frame: Frame) -> int:
    parameters = frame.header.get("parameters")
    if type(parameters) is not int:
        raise MalformedFrame("no count of parameters")
    return parameters
