"""Artifacts through their runtimes, each in a child process: predictions and timed runs."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.core.errors import RuntimeFailure
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.records import (
    Artifact,
    Event,
    Images,
    Measurement,
    Predictions,
    SessionFacts,
)
from edgecv.core.registry import RUNTIMES
from edgecv.evaluation.latency import Blocks
from edgecv.formats.lookup import runtime_of_format
from edgecv.formats.trust import NO_TRUST, Trust
from edgecv.pipeline.prediction_cache import NO_CACHE, PredictionCache
from edgecv.system.cpu import least_busy
from edgecv.system.isolation import ModelClient
from edgecv.system.storage import content_key, tree_sha256

CORES = os.cpu_count() or 1
SECONDS_A_FILE = 0.5
"""Time spent on the latency of one file, after its warm-up."""
OnEvent = Callable[[Event], None]


@dataclass(frozen=True)
class MeasuredFile:
    """An artifact, where it lies, and how it is read where it does not say so itself."""

    artifact: Artifact
    path: Path
    input_spec: InputSpec = DEFAULT_INPUT


@dataclass
class MeasurementPool:
    """The child processes of a run, two a runtime: all threads to predict, few to be timed."""

    threads: int
    log: Path | None = None
    trust: Trust = NO_TRUST
    """What may be in a Keras model that is measured."""
    prediction_cache: PredictionCache = NO_CACHE
    _workers: dict[tuple[str, int], ModelClient] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def worker(self, runtime: str, threads: int) -> ModelClient:
        """Return the worker of a runtime, started at the first call."""
        key = (runtime, threads)
        if key not in self._workers:
            options = self.trust.model_dump() if _takes_trust(runtime) else {}
            worker = self._stack.enter_context(
                ModelClient(runtime, threads, options=options, log=self.log)
            )
            self._workers[key] = worker
        return self._workers[key]

    def evaluator(self, runtime: str) -> ModelClient:
        """Return the worker of a runtime that predicts many images: on all cores."""
        return self.worker(runtime, CORES)

    def open(self, runtime: str, path: Path, input_spec: InputSpec = DEFAULT_INPUT) -> SessionFacts:
        """Return what a runtime says of a file. Raises RuntimeFailure."""
        return self.prediction_cache.facts(
            self._key(runtime, path, input_spec),
            lambda: self.evaluator(runtime).open(path, input_spec),
        )

    def predict(
        self, runtime: str, path: Path, images: Images, input_spec: InputSpec = DEFAULT_INPUT
    ) -> Predictions:
        """Return what a file gives for images: uint8 (N, H, W, C). Raises RuntimeFailure."""
        return self.prediction_cache.predictions(
            self._key(runtime, path, input_spec, images),
            lambda: self.evaluator(runtime).predict(path, images, input_spec=input_spec),
        )

    def _key(
        self, runtime: str, path: Path, input_spec: InputSpec, images: Images | None = None
    ) -> str:
        """Return a key of everything that the answer depends on; hashes only for who remembers."""
        if not self.prediction_cache.keeps:
            return ""
        trust = (
            self.trust.model_dump(mode="json")
            if RUNTIMES.get(runtime, "runtime").takes_trust
            else None
        )
        parts: list[Any] = [runtime, tree_sha256(path), input_spec.model_dump(mode="json"), trust]
        if images is not None:
            pixels = hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
            parts += [list(images.shape), pixels]
        return content_key(*parts)

    def start(self, formats: Sequence[str]) -> None:
        """Start the children for some formats, so that they are ready when they are needed."""
        for file_format in dict.fromkeys(formats):
            runtime = runtime_of_format(file_format)
            for threads in dict.fromkeys((CORES, self.threads)):
                self.worker(runtime.name, threads).start()

    def measure(
        self,
        files: Sequence[MeasuredFile],
        images: Images,
        on_event: OnEvent,
        *,
        timed: bool = True,
    ) -> tuple[list[Measurement], dict[str, str]]:
        """Predict all images and, where ``timed``, time one, for each file.

        Returns the measurements in the order of ``files``, and path -> reason for the files that
        could not be measured: one bad file does not end the others.
        """
        predictions: dict[str, tuple[SessionFacts, Predictions]] = {}
        failures: dict[str, str] = {}
        for number, file in enumerate(files, start=1):
            name = file.artifact.path
            on_event(
                Event("evaluate", f"{len(images):,} images through {name}", number, len(files))
            )
            runtime = runtime_of_format(file.artifact.format).name
            try:
                facts = self.open(runtime, file.path, file.input_spec)
                predictions[name] = facts, self.predict(runtime, file.path, images, file.input_spec)
            except RuntimeFailure as failure:
                failures[name] = failure.reason
        alive = [file for file in files if file.artifact.path in predictions]
        blocks: dict[str, Blocks | None] = dict.fromkeys(predictions)
        if timed:
            blocks = {**self._time(alive, images[:1], on_event, failures)}
        return [
            Measurement(
                file.artifact,
                runtime_of_format(file.artifact.format).name,
                predictions[file.artifact.path][1],
                predictions[file.artifact.path][0],
                blocks[file.artifact.path],
            )
            for file in alive
            if file.artifact.path in blocks
        ], failures

    def _time(
        self,
        files: Sequence[MeasuredFile],
        image: Images,
        on_event: OnEvent,
        failures: dict[str, str],
    ) -> dict[str, Blocks]:
        blocks: dict[str, Blocks] = {}
        for file_format in dict.fromkeys(file.artifact.format for file in files):
            group = [file for file in files if file.artifact.format == file_format]
            worker = self.worker(runtime_of_format(file_format).name, self.threads)
            on_event(Event("latency", f"timing {len(group)} {file_format} files in turn"))
            paths = [file.path for file in group]
            try:
                timed = worker.time_interleaved(
                    paths,
                    image,
                    budget_s=SECONDS_A_FILE * len(group),
                    input_specs=[file.input_spec for file in group],
                    cores=least_busy(self.threads),
                )
            except RuntimeFailure as failure:
                failures |= {file.artifact.path: failure.reason for file in group}
                continue
            blocks |= {file.artifact.path: timed[file.path] for file in group}
        return blocks

    def close(self) -> None:
        """End the children."""
        self._stack.close()


def _takes_trust(runtime: str) -> bool:
    return RUNTIMES.get(runtime, "runtime").takes_trust


@contextmanager
def measurement_pool(
    threads: int,
    log: Path | None = None,
    trust: Trust = NO_TRUST,
    prediction_cache: PredictionCache = NO_CACHE,
) -> Iterator[MeasurementPool]:
    """Give a bench and end its children afterwards, whatever happens."""
    made = MeasurementPool(threads, log, trust, prediction_cache)
    with prediction_cache.open():
        try:
            yield made
        finally:
            made.close()
