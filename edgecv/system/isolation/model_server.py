"""The child's side of a runtime: opens files, runs images through them, times them."""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgecv.core.artifact import Activation, ExecutedOperator, FileEnds, ModelStart, SessionFacts
from edgecv.core.data import Outputs
from edgecv.core.errors import RuntimeFailure
from edgecv.core.images import ImageRows
from edgecv.core.input_evidence import InputEvidence
from edgecv.core.input_spec import InputSpec
from edgecv.core.plugins import Runtime, Session, TensorSession
from edgecv.core.quantization import Extremes, Stored
from edgecv.core.registry import RUNTIMES
from edgecv.system.isolation.amx import leave_tiles_off
from edgecv.system.isolation.codec import encode, encode_outputs
from edgecv.system.isolation.server import ActionServer, Response
from edgecv.system.isolation.shared_images import Place, mapped
from edgecv.system.isolation.timing import Call, interleave, runs_a_block, timed_block, warm_up

FIRST_IMAGES = 16
CHUNK_S = 0.1
IMAGES_AT_ONCE = 16
"""Batch for reading all activations: the results fit the processor's cache. Batches of 128 took
twice as long."""
PROGRESS_EVERY = 512


class Version(NamedTuple):
    """The state of a file at some time."""

    path: str
    written_ns: int
    bytes: int


def main() -> None:
    """Serve requests from standard input until it ends."""
    server = ActionServer()
    runtime = RUNTIMES.parse(server.settings["runtime"], "worker")
    leave_tiles_off()
    server.name = runtime.name
    models = ModelServer(server, runtime, server.settings["threads"])
    server.serve(
        {
            "open": models.open,
            "predict": models.predict,
            "time": models.time,
            "warm_up_random": models.warm_up_random,
            "ends": models.ends,
            "answers": models.answers,
            "block": models.time_block,
            "executed": models.executed,
            "activations": models.activations,
            "stored": models.stored,
            "extremes": models.extremes,
            "input_evidence": models.input_evidence,
        }
    )


class ModelServer:
    """The actions of ``ModelClient``. A session stays open until its file changes."""

    def __init__(self, server: ActionServer, runtime: Runtime, threads: int) -> None:
        self._server = server
        self._runtime = runtime
        self._threads = threads
        self._sessions: dict[tuple[Version, str], Session] = {}
        self._images: dict[tuple[Version, str], ImageRows] = {}
        self._warm: tuple[str, Call] | None = None
        """The file that is warmed up, and a call that runs it once."""

    def open(self, path: str, input_spec: str) -> Response:
        """Return the runtime's description of a file."""
        return encode(SessionFacts, self._session(path, input_spec, 0).facts)

    def predict(self, path: str, input_spec: str, images: Place) -> Response:
        """Run all images in chunks, and report the progress after each."""
        session = self._session(path, input_spec, 0)
        pixels = self._mapped(images)
        self._server.stage("running it")
        parts, start, size = [session.predict(pixels[:0])], 0, FIRST_IMAGES
        while start < len(pixels):
            began = time.monotonic()
            parts.append(session.predict(pixels[start : start + size]))
            start += size
            self._server.progress(min(start, len(pixels)))
            if time.monotonic() - began < CHUNK_S:
                size *= 2
        return self._server.in_parts(encode_outputs(Outputs.joined(parts)))

    def time(
        self,
        paths: list[str],
        input_specs: list[str],
        images: Place,
        budget_s: float,
        min_runs: int,
        min_blocks: int,
        cores: list[int],
    ) -> Response:
        """Time one image through several files in turn."""
        _pin(cores)
        files = enumerate(zip(paths, input_specs, strict=True))
        sessions = [self._session(*each, index) for index, each in files]
        calls, runs = [], []
        for index, session in enumerate(sessions):
            self._server.stage("warming it up", index)
            calls.append(session.single_call(self._mapped(images)[:1]))
            median_s = warm_up(calls[-1])
            runs.append(runs_a_block(median_s, budget_s / len(paths), min_runs, min_blocks))
        self._server.stage("timing it", None)
        return {}, interleave(calls, runs, budget_s=budget_s, min_blocks=min_blocks)

    def warm_up_random(
        self,
        path: str,
        input_spec: str,
        batch: int,
        cores: list[int],
        longest_s: float,
        is_start_timed: bool,
    ) -> Response:
        """Run random values of the declared inputs until the time of a run is steady."""
        _pin(cores)
        self._server.stage("opening it")
        if is_start_timed:
            # Its libraries are loaded, and the file is in memory: a start from then on is warm.
            self._tensors(path, input_spec, batch)
        began = time.perf_counter()
        session = self._tensors(path, input_spec, batch)
        open_s = time.perf_counter() - began
        self._server.stage("warming it up")
        call = session.random_call()
        median_s = warm_up(call, longest_s)
        self._warm = path, call
        self._server.stage("timing it")
        started = ModelStart(median_s, open_s, session.first_call_s, session.images_of_a_call)
        return encode(ModelStart, started)

    def ends(self, path: str, input_spec: str) -> Response:
        """Return all inputs and outputs of a file."""
        self._server.stage("opening it")
        return encode(FileEnds, self._tensors(path, input_spec, 1).ends)

    def answers(self, path: str, input_spec: str, arrays: list[NDArray[Any]]) -> Response:
        """Run samples, one array of real numbers an input, and return each output as reals."""
        self._server.stage("opening it")
        session = self._tensors(path, input_spec, 1)
        self._server.stage("running it")
        parts: list[list[NDArray[Any]]] = []
        for sample in zip(*arrays, strict=True):
            parts.append(session.answer(sample))
            self._server.heartbeat()
        found = {}
        for tensor, values in zip(session.ends.outputs, zip(*parts, strict=True), strict=True):
            if len({each.shape for each in values}) > 1:
                found_text = f'its output "{tensor.name}" has another shape for another input'
                raise RuntimeFailure(path, found_text, accepted="outputs of one shape")
            answers = np.stack(values).astype(np.float32)
            # The batch of 1 that each run has.
            found[tensor.name] = answers[:, 0] if answers.shape[1:2] == (1,) else answers
        return encode_outputs(Outputs(found))

    def _tensors(self, path: str, input_spec: str, batch: int) -> TensorSession:
        asked = InputSpec.model_validate_json(input_spec)
        return self._runtime.open_tensors(Path(path), self._threads, asked, batch)

    def time_block(self, path: str, runs: int) -> Response:
        """Time some runs of the file that was warmed up last."""
        if self._warm is None or self._warm[0] != path:
            raise ValueError("it was not warmed up")
        return {}, [timed_block(self._warm[1], runs)]

    def executed(self, path: str, input_spec: str, images: Place) -> Response:
        """Return the operators that run for one image."""
        self._server.stage("running it")
        asked = InputSpec.model_validate_json(input_spec)
        found = self._runtime.executed(Path(path), self._mapped(images)[:1], asked)
        return encode(list[ExecutedOperator], found)

    def activations(self, path: str, input_spec: str, images: Place) -> Response:
        """Return the outputs of each operator."""
        self._server.stage("running it")
        asked = InputSpec.model_validate_json(input_spec)
        found = self._runtime.activations(Path(path), self._mapped(images)[:], asked)
        return encode(list[Activation], found)

    def stored(self, path: str, input_spec: str) -> Response:
        """Return the weights and the quantization of a file."""
        self._server.stage("opening it")
        asked = InputSpec.model_validate_json(input_spec)
        return encode(Stored, self._runtime.stored(Path(path), asked))

    def input_evidence(self, path: str, input_spec: str, images: Place) -> Response:
        """Return what a file's graph shows of its pixels."""
        session = self._session(path, input_spec, 0)
        asked = InputSpec.model_validate_json(input_spec)
        self._server.stage("running it")
        pixels = self._mapped(images)[:]
        found = self._runtime.input_evidence(session, Path(path), pixels, asked)
        return encode(InputEvidence, found)

    def extremes(
        self, path: str, input_spec: str, images: Place, budget_s: float, padding: list[float]
    ) -> Response:
        """Return the extremes of each point of a file for each image."""
        self._server.stage("running it")
        asked = InputSpec.model_validate_json(input_spec)
        watchers = [
            self._runtime.watcher(Path(path), 1, asked, padding)
            for _ in range(max(1, self._threads))
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
                    self._server.progress(done)
        low, high = (
            np.concatenate([getattr(each, end) for each in parts]) for end in ("low", "high")
        )
        return encode(Extremes, Extremes(low, high))

    def _session(self, path: str, input_spec: str, index: int) -> Session:
        self._server.stage("opening it", index)
        key = _version(path), input_spec
        if key not in self._sessions:
            asked = InputSpec.model_validate_json(input_spec)
            same = [session for (file, _), session in self._sessions.items() if file == key[0]]
            again = self._runtime.reread(same[0], asked) if same else None
            self._sessions[key] = again or self._runtime.open(Path(path), self._threads, asked)
        return self._sessions[key]

    def _mapped(self, place: Place) -> ImageRows:
        key = _version(place["images"]), place["rows"]
        if key not in self._images:
            if self._server.memory is not None:
                self._server.memory.allow(key[0].bytes)
            self._images[key] = mapped(place)
        return self._images[key]


def _pin(cores: Sequence[int]) -> None:
    """Pin this thread, and those that it starts later, to some cores; without any, to none."""
    if cores:
        os.sched_setaffinity(0, cores)


def _version(path: str) -> Version:
    facts = os.stat(path)
    return Version(path, facts.st_mtime_ns, facts.st_size)
