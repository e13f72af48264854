"""Measurements of artifacts, each runtime in a child process: predictions and timed runs."""

import hashlib
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np

from edgecv.core.artifact import Artifact, SessionFacts
from edgecv.core.closing import Closing
from edgecv.core.comparison import Blocks, Measurement
from edgecv.core.data import Images, Outputs
from edgecv.core.errors import RuntimeFailure
from edgecv.core.events import Event, OnEvent, ignore_event
from edgecv.core.images import ImageSequence, chunks
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.plugins import DeployContext, Target
from edgecv.core.registry import RUNTIMES
from edgecv.core.text import counted
from edgecv.formats.lookup import runtime_of_format
from edgecv.formats.onnx.external_data import may_be_external
from edgecv.formats.tflite.interpreter import USUAL_KERNELS, Kernels
from edgecv.formats.trust import NO_TRUST, Trust
from edgecv.pipeline import timed_files
from edgecv.pipeline.deployed_file import deployed_file
from edgecv.pipeline.device import check_device, measure_on_device
from edgecv.pipeline.prediction_cache import NO_CACHE, PredictionCache
from edgecv.system.isolation import ModelClient
from edgecv.system.storage import content_key, tree_sha256
from edgecv.system.timing_slot import SLOT

CORES = os.cpu_count() or 1


@dataclass(frozen=True)
class MeasuredFile:
    """An artifact, its path, and how its input is read if the file does not define that."""

    artifact: Artifact
    path: Path
    input_spec: InputSpec = DEFAULT_INPUT


@dataclass
class MeasurementPool(Closing):
    """The child processes that measure, two for each runtime.

    One predicts on all cores, the other is timed on ``threads``. They end with the context manager.
    """

    threads: int
    on_event: OnEvent = ignore_event
    log: Path | None = None
    trust: Trust = NO_TRUST
    """Allowed content of the Keras models that are measured."""
    prediction_cache: PredictionCache = NO_CACHE
    kernels: Kernels = USUAL_KERNELS
    """The kernels of LiteRT."""
    device: Target | None = None
    """The device that artifacts are measured on; None for this machine."""
    _workers: dict[tuple[str, int], ModelClient] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        self._stack.enter_context(self.prediction_cache.open())
        return self

    def close(self) -> None:
        """End all child processes."""
        self._stack.close()

    def evaluator(self, runtime: str) -> ModelClient:
        """Return the child of a runtime that predicts on all cores."""
        return self._worker(runtime, CORES)

    def timer(self, runtime: str) -> ModelClient:
        """Return the child of a runtime that is timed."""
        return self._worker(runtime, self.threads)

    def _worker(self, runtime: str, threads: int) -> ModelClient:
        """Return the child of a runtime; it is started at the first call."""
        key = (runtime, threads)
        if key not in self._workers:
            worker = self._stack.enter_context(
                ModelClient(runtime, threads, options=self._options(runtime), log=self.log)
            )
            self._workers[key] = worker
        return self._workers[key]

    def _options(self, runtime: str) -> dict[str, Any]:
        """Return the options of a runtime: its kernels, or what a Keras model may contain."""
        cls = RUNTIMES.get(runtime, "runtime")
        if cls.takes_trust:
            return self.trust.model_dump(mode="json")
        return {"kernels": self.kernels} if "kernels" in cls.model_fields else {}

    def open(self, runtime: str, path: Path, input_spec: InputSpec = DEFAULT_INPUT) -> SessionFacts:
        """Return the input and output of a file as its runtime sees them. Raises RuntimeFailure."""
        return self.prediction_cache.facts(
            self._key(runtime, path, input_spec),
            lambda: self.evaluator(runtime).open(path, input_spec),
        )

    def predict(
        self, runtime: str, path: Path, images: ImageSequence, input_spec: InputSpec = DEFAULT_INPUT
    ) -> Outputs:
        """Return a file's outputs for images: uint8 (N, H, W, C). Raises RuntimeFailure."""
        return self.prediction_cache.outputs(
            self._key(runtime, path, input_spec, images),
            lambda: self.evaluator(runtime).predict(path, images, input_spec=input_spec),
        )

    def _key(
        self, runtime: str, path: Path, input_spec: InputSpec, images: ImageSequence | None = None
    ) -> str | None:
        """Return a key of everything that the predictions depend on; None without a cache.

        A file that may keep weights in others has none: they may change, and it does not.
        """
        if not self.prediction_cache.keeps or may_be_external(path):
            return None
        options = self._options(runtime)
        parts: list[Any] = [runtime, tree_sha256(path), input_spec.model_dump(mode="json"), options]
        if RUNTIMES.get(runtime, "runtime").takes_trust and self.trust.custom_objects:
            parts.append(self.trust.code_sha256())
        if images is not None:
            pixels = hashlib.sha256()
            for part in chunks(images):
                pixels.update(np.ascontiguousarray(part).data)
            parts += [list(images.shape), pixels.hexdigest()]
        return content_key(*parts)

    def start(self, formats: Sequence[str]) -> None:
        """Start the children of some formats early, so that they are ready in time."""
        for file_format in dict.fromkeys(formats):
            runtime = runtime_of_format(file_format).name
            self.evaluator(runtime).start()
            self.timer(runtime).start()

    def reach_device(self, formats: Sequence[str]) -> None:
        """Raise an error where files of some formats cannot be measured on the device."""
        if self.device is not None:
            check_device(self.device, formats, self.device_context())

    def device_context(self) -> DeployContext:
        """Return the context of the device."""
        return DeployContext(
            lambda stage, message: self.on_event(Event(stage, message)), self.log, self.threads
        )

    def measure(
        self, files: Sequence[MeasuredFile], images: ImageSequence, *, timed: bool = True
    ) -> tuple[list[Measurement], dict[str, str]]:
        """Predict all images with each file and, if ``timed``, measure its latency on one.

        It is done on the device where there is one.

        Returns the measurements in the order of ``files``, and path -> reason of the files that
        failed: one failure does not stop the others.
        """
        if self.device is not None:
            return self._measure_there(self.device, files, images, timed=timed)
        facts: dict[str, SessionFacts] = {}
        outputs: dict[str, Outputs] = {}
        failures: dict[str, str] = {}
        for number, file in enumerate(files, start=1):
            name = file.artifact.path
            message = f"{len(images):,} images through {name}"
            self.on_event(Event("evaluate", message, number, len(files)))
            runtime = runtime_of_format(file.artifact.format).name
            try:
                facts[name] = self.open(runtime, file.path, file.input_spec)
                outputs[name] = self.predict(runtime, file.path, images, file.input_spec)
            except RuntimeFailure as failure:
                failures[name] = failure.reason
        alive = [file for file in files if file.artifact.path in outputs]
        blocks: dict[str, tuple[Blocks, ...] | None] = dict.fromkeys(outputs)
        if timed:
            with SLOT.alone():
                blocks = {**self._time(alive, images[:1], failures)}
        return [
            Measurement(
                file.artifact,
                runtime_of_format(file.artifact.format).name,
                outputs[file.artifact.path],
                facts[file.artifact.path],
                blocks[file.artifact.path],
            )
            for file in alive
            if file.artifact.path in blocks
        ], failures

    def _measure_there(
        self, device: Target, files: Sequence[MeasuredFile], images: ImageSequence, *, timed: bool
    ) -> tuple[list[Measurement], dict[str, str]]:
        there, failures = [], {}
        for file in files:
            try:
                there.append(deployed_file(file, self, images[:1]))
            except RuntimeFailure as failure:
                failures[file.artifact.path] = failure.reason
        rounds = timed_files.PROCESSES if timed else 0
        context = self.device_context()
        found, failed = measure_on_device(device, there, images, context, rounds)
        return found, failures | failed

    def _time(
        self,
        files: Sequence[MeasuredFile],
        image: Images,
        failures: dict[str, str],
    ) -> dict[str, tuple[Blocks, ...]]:
        """Time the files of each format in turn; add files that fail to ``failures``."""
        blocks: dict[str, tuple[Blocks, ...]] = {}
        for file_format in dict.fromkeys(file.artifact.format for file in files):
            group = [file for file in files if file.artifact.format == file_format]
            worker = self.timer(runtime_of_format(file_format).name)
            shown = f"{counted(len(group), f'{file_format} file')} in turn"
            if len(group) == 1:
                shown = group[0].artifact.path
            self.on_event(Event("latency", f"timing {shown}"))
            time = partial(timed_files.time_in_turn, worker, image=image, threads=self.threads)
            _, timed = timed_files.timed_together(group, time, failures)
            blocks |= timed or {}
        return blocks
