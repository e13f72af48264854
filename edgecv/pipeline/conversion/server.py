"""The child's side: opens models, converts them, runs them, counts what they cost.

A converter is native code that trusts the model: some layers make it die of a signal, some hang it.
"""

import json
import os
import resource
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import EdgecvError, InputError, RuntimeFailure, StepError
from edgecv.core.preprocessing import Preprocessing
from edgecv.core.records import Images
from edgecv.core.registry import EXPORTERS
from edgecv.formats.lookup import importer_of
from edgecv.formats.trust import Trust
from edgecv.pipeline.conversion.adapt_model import adapt, as_if, misfits
from edgecv.reports.json_file import write_artifact, write_model_cost
from edgecv.system.isolation.heartbeat import LISTENER
from edgecv.system.isolation.limits import (
    ALARM_AFTER_PARENT_S,
    Memory,
    die_with_parent,
    end_with_parent,
    is_of_memory,
    take_pipes,
)
from edgecv.system.isolation.protocol import pack, read_exactly, unpack, write_all
from edgecv.system.storage import on_disk, write_bytes

THREADS_A_CORE = 4
MEMORY_A_FILE_BYTE = 32
LARGEST_FILE_BYTES = 2**30
FILE_A_FILE_BYTE = 16
"""A converter writes a model several times on its way."""
SECONDS_BETWEEN_SIGNS = 1.0
MOST_MODELS = 2
"""Open at a time: a baseline, and what was made of it."""
PREDICT_AT_ONCE = 512

Answer = tuple[dict[str, Any], Sequence[NDArray[Any]]]
ERRORS: dict[str, type[EdgecvError]] = {
    cls.__name__: cls for cls in (EdgecvError, InputError, StepError, RuntimeFailure)
}
OUT_OF_MEMORY = "OutOfMemory"


def main() -> None:
    """Serve requests from standard input until it ends, or none comes any more."""
    settings = json.loads(sys.argv[1])
    requests, answers = take_pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle.
    threading.Thread(target=end_with_parent, args=(requests,), daemon=True).start()
    if settings["dies_with_parent"]:
        die_with_parent()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    service = ConversionServer(requests, answers, settings["idle_s"])
    service.serve(needs_tensorflow=settings["needs_tensorflow"])
    # Native destructors may hang or crash after a hostile file; nothing here is left to save.
    os._exit(0)


class ConversionServer:
    """Answers requests. Models stay open while their file stays as it is."""

    def __init__(self, requests: int, answers: int, idle_s: float) -> None:
        self._idle_s = idle_s
        self._requests = requests
        self._answers = answers
        self._models: dict[tuple[str, int, int, str], Any] = {}
        self._doing = "starting"
        self._alarm_s = 0.0
        self._memory_bytes = 0
        self._said_at = 0.0
        self._actions: dict[str, Callable[..., Answer]] = {
            "export": self._export,
            "predict": self._predict,
            "count": self._count,
            "adapt": self._adapt,
            "adopt": self._adopt,
            "misfits": self._misfits,
        }

    def serve(self, *, needs_tensorflow: bool) -> None:
        """Answer until the input ends."""
        from edgecv.models.tf import load_tensorflow

        try:
            if needs_tensorflow:
                load_tensorflow()
        except EdgecvError as error:
            self._say({"kind": "failure", **_said(error)})
            return
        self._say({"kind": "ready"})
        LISTENER.set(self._sign)
        while self._is_asked():
            try:
                request = unpack(lambda count: read_exactly(self._requests, count)).header
            except EOFError:
                return
            self._answer(request)
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _is_asked(self) -> bool:
        poll = select.poll()
        poll.register(self._requests, select.POLLIN)
        return bool(poll.poll(self._idle_s * 1000))

    def _answer(self, request: dict[str, Any]) -> None:
        arguments = request["with"]
        self._alarm_s = request["silence_s"] + ALARM_AFTER_PARENT_S
        self._memory_bytes = request["memory_bytes"]
        trust = Trust.model_validate(arguments.pop("trust"))
        try:
            _limit(Path(arguments["model"]), self._memory_bytes)
            with trust.scope(), on_disk(Path(arguments.get("path", arguments["model"]))):
                answer, arrays = self._actions[request["do"]](
                    Path(arguments.pop("model")), trust, **arguments
                )
        except Exception as error:  # noqa: BLE001  whatever a library raises is about the model
            self._say({"kind": "failure", **self._failure(error)})
        else:
            self._say({"kind": "answer", **answer}, arrays)

    def _opened(self, path: Path, trust: Trust) -> Any:
        self._stage("opening it")
        facts = path.stat()
        key = (str(path), facts.st_mtime_ns, facts.st_size, trust.model_dump_json())
        if key not in self._models:
            while len(self._models) >= MOST_MODELS:
                del self._models[next(iter(self._models))]
            self._models[key] = _load(path, trust)
        return self._models[key]

    def _export(
        self, source: Path, trust: Trust, exporter: Any, images: str, path: str, facts: str
    ) -> Answer:
        model = self._opened(source, trust)
        self._stage("converting it")
        made = EXPORTERS.parse(exporter, "open_converter")
        artifact = made.export(model, _mapped(images), Path(path))
        write_artifact(artifact, Path(facts))
        return {}, []

    def _predict(self, source: Path, trust: Trust, images: str, choice: Any) -> Answer:
        from edgecv.formats.keras.runtime import KerasSession

        model = self._opened(source, trust)
        if choice is not None:
            model = as_if(model, Preprocessing.model_validate(choice), source)
        self._stage("running it")
        pixels = _mapped(images)
        session = KerasSession(model)
        parts = [session.predict(pixels[:0])]
        for start in range(0, len(pixels), PREDICT_AT_ONCE):
            parts.append(session.predict(pixels[start : start + PREDICT_AT_ONCE]))
            self._sign()
        return {"parameters": int(model.count_params())}, [np.concatenate(parts)]

    def _count(self, source: Path, trust: Trust, facts: str) -> Answer:
        from edgecv.models.channels.costs import cost_of_model

        model = self._opened(source, trust)
        self._stage("counting its operations")
        write_model_cost(cost_of_model(model), Path(facts))
        return {}, []

    def _adapt(self, source: Path, trust: Trust, ends: Any, path: str) -> Answer:
        from edgecv.formats.onnx.adapt import Ends, adapted

        self._stage("adapting it")
        content, parameters = adapted(source, Ends.model_validate(ends))
        write_bytes(Path(path), content)
        return {"parameters": parameters}, []

    def _adopt(self, source: Path, trust: Trust, asked: Any, path: str) -> Answer:
        from edgecv.models.tf import model_bytes

        self._stage("opening it")
        choice = None if asked is None else Preprocessing.model_validate(asked)
        adapted = adapt(source, choice, trust)
        folder = Path(path)
        if not adapted.facts.is_own:
            suffix, content = model_bytes(adapted.model)
            write_bytes(folder / f"model{suffix}", content)
        write_bytes(folder / "facts.json", adapted.facts.model_dump_json().encode())
        return {}, []

    def _misfits(self, source: Path, trust: Trust, images: str) -> Answer:
        model = self._opened(source, trust)
        self._stage("running it")
        found = misfits(model, _mapped(images))
        return {"names": list(found)}, [np.array(list(found.values()), np.float32)]

    def _stage(self, doing: str) -> None:
        self._doing = doing
        self._say({"kind": "stage", "doing": doing, "index": 0})

    def _sign(self) -> None:
        """Tell the parent that the work goes on, once a second."""
        if time.monotonic() - self._said_at > SECONDS_BETWEEN_SIGNS:
            self._say({"kind": "progress", "done": 0})

    def _failure(self, error: BaseException) -> dict[str, str]:
        if any(is_of_memory(each) for each in _causes(error)):
            found = f"needs more than {self._memory_bytes / 2**30:.1f} GiB of memory"
            return {"error": OUT_OF_MEMORY, "found": f"{found} while {self._doing}"}
        if isinstance(error, EdgecvError):
            return _said(error)
        traceback.print_exception(error)  # Into the log.
        found = f"{type(error).__name__} while {self._doing}: {error}"
        return {"error": "StepError", "found": found, "remedy": "please report it: it is a bug"}

    def _say(self, header: dict[str, Any], arrays: Sequence[NDArray[Any]] = ()) -> None:
        self._said_at = time.monotonic()
        write_all(self._answers, pack(header, arrays))
        signal.setitimer(signal.ITIMER_REAL, self._alarm_s)


def _mapped(path: str) -> Images:
    """Return images: the parent has the same pages."""
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _load(path: Path, trust: Trust) -> Any:
    if path.suffix == ".onnx":
        from edgecv.formats.onnx.adapt import OnnxNetwork

        return OnnxNetwork.at(path)
    return importer_of(path).load(path, trust)


def _limit(path: Path, memory_bytes: int) -> None:
    """Limit what the next request may take, beyond what this process has by now."""
    size = path.stat().st_size
    threads = THREADS_A_CORE * (os.cpu_count() or 1)
    Memory(memory_bytes + MEMORY_A_FILE_BYTE * size, threads)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    largest = LARGEST_FILE_BYTES + FILE_A_FILE_BYTE * size
    largest = largest if hard == resource.RLIM_INFINITY else min(largest, hard)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))


def _said(error: EdgecvError) -> dict[str, str]:
    """Return an error as plain values: the nearest class that the parent knows."""
    name = next(cls.__name__ for cls in type(error).__mro__ if cls.__name__ in ERRORS)
    return {
        "error": name,
        "where": error.where,
        "found": error.found,
        "accepted": error.accepted,
        "remedy": error.remedy,
    }


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give an error and what it was raised from, in turn."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__
