"""The child's side: one runtime, and whatever files the parent asks it to open.

It ends with its parent: at the end of its input, when the pipe hangs up while it is busy, and at
the latest by an alarm where native code never lets go of the interpreter.
"""

import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import EdgecvError
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.plugins import Runtime, Session
from edgecv.core.records import Images
from edgecv.core.registry import RUNTIMES
from edgecv.system.isolation.amx import leave_tiles_off
from edgecv.system.isolation.limits import (
    ALARM_AFTER_PARENT_S,
    Memory,
    end_with_parent,
    is_of_memory,
    take_pipes,
)
from edgecv.system.isolation.protocol import pack, read_exactly, unpack, write_all
from edgecv.system.isolation.quantization_codec import pack_stored
from edgecv.system.isolation.timing import Call, interleave, runs_a_block, timed_block, warm_up

FIRST_IMAGES = 16
CHUNK_S = 0.1
IMAGES_AT_ONCE = 16
"""Of which all activations are looked at: what they give stays in the cache. 128 at once took twice
as long."""
PROGRESS_EVERY = 512
LARGEST_FILE_WRITTEN_BYTES = 2**26
TENSORFLOW_BYTES = 2**33
"""Address space that TensorFlow maps for itself, most of which it never touches."""


class Version(NamedTuple):
    """A file as it was at some time."""

    path: str
    written_ns: int
    bytes: int


Answer = tuple[dict[str, Any], Sequence[NDArray[Any]]]


def main() -> None:
    """Serve requests from standard input until it ends."""
    settings = json.loads(sys.argv[1])
    requests, answers = take_pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle.
    threading.Thread(target=end_with_parent, args=(requests,), daemon=True).start()
    options = {"runtime": settings["runtime"], **settings["options"]}
    runtime = RUNTIMES.parse(options, "worker")
    leave_tiles_off()
    limit = settings["memory_limit_bytes"]
    if limit is not None and runtime.needs_tensorflow:
        limit += TENSORFLOW_BYTES
    memory = Memory(limit, settings["threads"])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not runtime.needs_tensorflow:
        largest = LARGEST_FILE_WRITTEN_BYTES
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    ModelServer(runtime, settings["threads"], memory, requests, answers).serve()
    # Native destructors may hang or crash after a hostile file; nothing here is left to save.
    os._exit(0)


class ModelServer:
    """Answers requests. Sessions stay open while their file stays as it is."""

    def __init__(
        self, runtime: Runtime, threads: int, memory: Memory, requests: int, answers: int
    ) -> None:
        self._runtime = runtime
        self._threads = threads
        self._memory = memory
        self._requests = requests
        self._answers = answers
        self._sessions: dict[tuple[Version, str], Session] = {}
        self._images: dict[Version, Images] = {}
        self._warm: tuple[str, Call] | None = None
        """The file that is warmed up, and what runs it once."""
        self._alarm_s = 0.0
        self._doing = "starting"
        self._actions: dict[str, Callable[..., Answer]] = {
            "open": self._open,
            "predict": self._predict,
            "time": self._time,
            "warm_up": self._warm_up,
            "block": self._block,
            "executed": self._executed,
            "activations": self._activations,
            "stored": self._stored,
            "extremes": self._extremes,
        }

    def serve(self) -> None:
        """Answer until the input ends."""
        self._say({"kind": "ready"})
        while True:
            signal.setitimer(signal.ITIMER_REAL, 0)
            try:
                request = unpack(lambda count: read_exactly(self._requests, count)).header
            except EOFError:
                return
            self._alarm_s = request["silence_s"] + ALARM_AFTER_PARENT_S
            signal.setitimer(signal.ITIMER_REAL, self._alarm_s)
            try:
                answer, arrays = self._actions[request["do"]](**request["with"])
            except Exception as error:  # noqa: BLE001  whatever a library raises is about the file
                self._say({"kind": "failure", **self._failure(error)})
            else:
                self._say({"kind": "answer", **answer}, arrays)

    def _open(self, path: str, input_spec: str) -> Answer:
        return {"facts": asdict(self._session(path, input_spec, 0).facts)}, []

    def _predict(self, path: str, input_spec: str, images: str) -> Answer:
        session = self._session(path, input_spec, 0)
        pixels = self._mapped(images)
        self._stage("running it", 0)
        # In chunks, so that the parent hears from a slow model long before it takes it for dead.
        parts, start, size = [session.predict(pixels[:0])], 0, FIRST_IMAGES
        while start < len(pixels):
            began = time.monotonic()
            parts.append(session.predict(pixels[start : start + size]))
            start += size
            self._say({"kind": "progress", "done": min(start, len(pixels))})
            if time.monotonic() - began < CHUNK_S:
                size *= 2
        return {}, [np.concatenate(parts)]

    def _time(
        self,
        paths: list[str],
        input_specs: list[str],
        images: str,
        budget_s: float,
        min_runs: int,
        min_blocks: int,
        cores: list[int],
    ) -> Answer:
        _pin(cores)
        sessions = [
            self._session(*each, index)
            for index, each in enumerate(zip(paths, input_specs, strict=True))
        ]
        calls, runs = [], []
        for index, session in enumerate(sessions):
            self._stage("warming it up", index)
            calls.append(session.single_call(self._mapped(images)[:1]))
            median_s = warm_up(calls[-1])
            runs.append(runs_a_block(median_s, budget_s / len(paths), min_runs, min_blocks))
        self._stage("timing it", None)
        return {}, interleave(calls, runs, budget_s=budget_s, min_blocks=min_blocks)

    def _warm_up(self, path: str, images: str, cores: list[int]) -> Answer:
        _pin(cores)
        session, pixels = (
            self._session(path, DEFAULT_INPUT.model_dump_json(), 0),
            self._mapped(images),
        )
        self._stage("warming it up", 0)
        call = session.single_call(pixels) if len(pixels) == 1 else session.batch_call(pixels)
        median_s = warm_up(call)
        self._warm = path, call
        self._stage("timing it", 0)
        return {"median_s": median_s}, []

    def _block(self, path: str, runs: int) -> Answer:
        if self._warm is None or self._warm[0] != path:
            raise ValueError("it was not warmed up")
        return {}, [timed_block(self._warm[1], runs)]

    def _executed(self, path: str, images: str) -> Answer:
        self._stage("running it", 0)
        found = self._runtime.executed(Path(path), self._mapped(images)[:1])
        return {"operators": [asdict(each) for each in found]}, []

    def _activations(self, path: str, images: str) -> Answer:
        self._stage("running it", 0)
        found = self._runtime.activations(Path(path), self._mapped(images))
        named = [{"name": each.name, "type": each.type, "inputs": each.inputs} for each in found]
        return {"activations": named}, [each.values for each in found]

    def _stored(self, path: str, input_spec: str) -> Answer:
        self._stage("opening it", 0)
        return pack_stored(
            self._runtime.stored(Path(path), InputSpec.model_validate_json(input_spec))
        )

    def _extremes(self, path: str, input_spec: str, images: str, budget_s: float) -> Answer:
        self._stage("running it", 0)
        asked = InputSpec.model_validate_json(input_spec)
        watchers = [
            self._runtime.watcher(Path(path), 1, asked) for _ in range(max(1, self._threads))
        ]
        pixels, parts = self._mapped(images), [watchers[0](self._mapped(images)[:1])]
        began, done = time.monotonic(), 1
        with ThreadPoolExecutor(len(watchers)) as pool:
            while done < len(pixels) and time.monotonic() - began < budget_s:
                starts = range(done, len(pixels), IMAGES_AT_ONCE)[: len(watchers)]
                some = [pixels[start : start + IMAGES_AT_ONCE] for start in starts]
                parts += pool.map(lambda watch, part: watch(part), watchers, some)
                done += sum(map(len, some))
                if done // PROGRESS_EVERY != (done - IMAGES_AT_ONCE) // PROGRESS_EVERY:
                    self._say({"kind": "progress", "done": done})
        low, high = (
            np.concatenate([getattr(each, end) for each in parts]) for end in ("low", "high")
        )
        return {}, [low, high]

    def _session(self, path: str, input_spec: str, index: int) -> Session:
        self._stage("opening it", index)
        key = _version(path), input_spec
        if key not in self._sessions:
            asked = InputSpec.model_validate_json(input_spec)
            self._sessions[key] = self._runtime.open(Path(path), self._threads, asked)
        return self._sessions[key]

    def _mapped(self, path: str) -> Images:
        key = _version(path)
        if key not in self._images:
            self._memory.allow(key.bytes)
            # asarray, because every slice of a memmap costs several microseconds of bookkeeping.
            self._images[key] = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        return self._images[key]

    def _stage(self, doing: str, index: int | None) -> None:
        self._doing = doing
        self._say({"kind": "stage", "doing": doing, "index": index})

    def _failure(self, error: Exception) -> dict[str, str]:
        limit = self._memory.limit_bytes
        if limit is not None and is_of_memory(error):
            return {"found": f"needs more than {limit / 2**30:.1f} GiB of memory"}
        if isinstance(error, EdgecvError):
            return {"found": error.found, "accepted": error.accepted, "remedy": error.remedy}
        if isinstance(error, OSError):
            return {"found": f"cannot be read: {error.strerror or error}"}
        name, kind = self._runtime.name, type(error).__name__
        return {"found": f"{name} refused it while {self._doing}: {error or kind}"}

    def _say(self, header: dict[str, Any], arrays: Sequence[NDArray[Any]] = ()) -> None:
        write_all(self._answers, pack(header, arrays))
        signal.setitimer(signal.ITIMER_REAL, self._alarm_s)


def _pin(cores: Sequence[int]) -> None:
    """Keep this thread, and those that it starts from now on, on some cores; on any without."""
    if cores:
        os.sched_setaffinity(0, cores)


def _version(path: str) -> Version:
    facts = os.stat(path)
    return Version(path, facts.st_mtime_ns, facts.st_size)
