"""The parent's side of a runtime: facts of files, predictions, timings."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgecv.core.artifact import Activation, ExecutedOperator, FileEnds, ModelStart, SessionFacts
from edgecv.core.data import Images, Outputs
from edgecv.core.errors import RuntimeFailure, UnsuitableFile
from edgecv.core.images import ImageFile, ImageRows, ImageSequence
from edgecv.core.input_evidence import InputEvidence
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.plugins import Progress
from edgecv.core.quantization import Extremes, Stored
from edgecv.core.registry import RUNTIMES
from edgecv.system.isolation.client import ProcessClient
from edgecv.system.isolation.codec import decode_array, decode_outputs, decode_printable
from edgecv.system.isolation.limits import ProcessLimits
from edgecv.system.isolation.model_answers import read_start, read_stored, reader
from edgecv.system.isolation.process import ChildProcess, ChildProgram
from edgecv.system.isolation.protocol import Frame, MalformedFrame
from edgecv.system.isolation.request import Request
from edgecv.system.isolation.shared_images import Place
from edgecv.system.isolation.typed_errors import TYPED_ERRORS

MODELS = ChildProgram(
    "edgecv.system.isolation.model_server",
    stages=("opening it", "running it", "warming it up", "timing it"),
    errors={
        **dict.fromkeys(TYPED_ERRORS, RuntimeFailure),
        **dict.fromkeys(("InputError", "UnsuitableFile"), UnsuitableFile),
    },
)
LARGEST_FILE_WRITTEN_BYTES = 2**26
"""Largest size of the log; a runtime writes no other file."""
TENSORFLOW_BYTES = 2**33
"""Address space that TensorFlow reserves, most of which it never uses."""

T = TypeVar("T")


class ModelClient(ProcessClient[ChildProcess]):
    """One runtime with a fixed number of threads, in a child process that may die.

    A file that crashes it, hangs it, exhausts its memory or is refused raises RuntimeFailure;
    the next request starts a new child. ``time_limit_s`` is how long the child may send
    nothing: a long prediction reports its progress, so that only a stuck one is ended.
    ``memory_limit_bytes`` limits the memory that the files add to the child's own. ``options`` are
    those of the runtime. ``log`` collects the output of native code.

    Not thread-safe: one request at a time.
    """

    def __init__(
        self,
        runtime: str,
        threads: int,
        *,
        options: Mapping[str, Any] | None = None,
        time_limit_s: float = 120.0,
        memory_limit_bytes: int | None = 4 * 2**30,
        log: Path | None = None,
    ) -> None:
        found = RUNTIMES.get(runtime, "worker")
        super().__init__(found.name)
        self.runtime = found.name
        self._settings = {"runtime": {**(options or {}), "runtime": runtime}, "threads": threads}
        if found.needs_tensorflow and memory_limit_bytes is not None:
            memory_limit_bytes += TENSORFLOW_BYTES
        self._limits = ProcessLimits(
            memory_limit_bytes,
            threads,
            file_bytes=None if found.needs_tensorflow else LARGEST_FILE_WRITTEN_BYTES,
        )
        self._time_limit_s = time_limit_s
        self._log = log or Path(self._folder.name) / "stderr.txt"

    def start(self) -> None:
        """Start the child without waiting for it, unless there is one."""
        self._started()

    def open(self, path: Path, input_spec: InputSpec = DEFAULT_INPUT) -> SessionFacts:
        """Open the file at ``path`` and return the runtime's description of it."""
        return self._request("open", [path], _one(path, input_spec), reader(SessionFacts))

    def predict(
        self,
        path: Path,
        images: Path | ImageSequence,
        progress: Progress | None = None,
        input_spec: InputSpec = DEFAULT_INPUT,
    ) -> Outputs:
        """Run all images through the file at ``path``: float32 (N, ...) an output.

        ``images``: uint8 (N, H, W, C), or the path of an .npy file of them. An array is written
        to disk at its first use.
        """
        place, count = self._on_disk(images)
        return self._request(
            "predict",
            [path],
            {**_one(path, input_spec), "images": place},
            lambda frame: decode_outputs(frame, count),
            on_progress=lambda done: progress(done, count) if progress else None,
            comes_in_parts=True,
        )

    def time_interleaved(
        self,
        paths: Sequence[Path],
        image: Images,
        *,
        budget_s: float,
        min_runs: int = 10,
        min_blocks: int = 10,
        input_specs: Sequence[InputSpec] = (),
        cores: Sequence[int] = (),
    ) -> dict[Path, NDArray[np.int64]]:
        """Time one image, uint8 (1, H, W, C), through all files in alternating blocks.

        ``input_specs``: one for each file, or none where every file describes its own input.

        ``budget_s`` is for all files together, after their warm-ups; every file gets at least
        ``min_blocks`` blocks and ``min_runs`` runs, even where that takes longer. The runs are
        pinned to ``cores`` where given. Returns path -> nanoseconds: int64 (blocks, runs a
        block).
        """
        if len(set(paths)) != len(paths):
            raise ValueError("a path is given twice")

        def read(frame: Frame) -> dict[Path, NDArray[np.int64]]:
            if len(frame.arrays) != len(paths):
                raise MalformedFrame(f"timed files: {len(frame.arrays)}, not {len(paths)}")
            for blocks in frame.arrays:
                if blocks.dtype != np.int64 or blocks.ndim != 2 or not blocks.size:
                    raise MalformedFrame(f"timings of {blocks.dtype} {blocks.shape}")
                if blocks.min() <= 0:
                    raise MalformedFrame("timings of no time")
            return dict(zip(paths, frame.arrays, strict=True))

        specs = input_specs or [DEFAULT_INPUT] * len(paths)
        return self._request(
            "time",
            paths,
            {
                "paths": [os.path.abspath(path) for path in paths],
                "input_specs": [each.model_dump_json() for each in specs],
                "images": self._on_disk(image)[0],
                "budget_s": budget_s,
                "min_runs": min_runs,
                "min_blocks": min_blocks,
                "cores": list(cores),
            },
            read,
            longer_s=2 * budget_s,
        )

    def warm_up_random(
        self,
        path: Path,
        *,
        batch: int = 1,
        input_spec: InputSpec = DEFAULT_INPUT,
        cores: Sequence[int] = (),
        longest_s: float = 1.0,
        is_start_timed: bool = False,
    ) -> ModelStart:
        """Run random values of a file's inputs until the time of a call is steady.

        ``is_start_timed``: the file is opened twice, so that the second time is that of the file.
        """
        arguments = {
            **_one(path, input_spec),
            "batch": batch,
            "cores": list(cores),
            "longest_s": longest_s,
            "is_start_timed": is_start_timed,
        }
        return self._request("warm_up_random", [path], arguments, read_start)

    def ends(self, path: Path, input_spec: InputSpec = DEFAULT_INPUT) -> FileEnds:
        """Return all inputs and outputs of a file, of any kind."""
        return self._request("ends", [path], _one(path, input_spec), reader(FileEnds))

    def answers(
        self,
        path: Path,
        samples: Sequence[NDArray[Any]],
        input_spec: InputSpec = DEFAULT_INPUT,
    ) -> Outputs:
        """Run a file on samples, one array an input: float32 (N, shape of the input)."""
        flat = [np.asarray(each, np.float32).reshape(len(each), -1) for each in samples]
        return self._request(
            "answers",
            [path],
            _one(path, input_spec),
            lambda frame: decode_outputs(frame, len(flat[0])),
            arrays=flat,
        )

    def time_block(self, path: Path, runs: int) -> NDArray[np.int64]:
        """Time runs of the batch that was warmed up last: nanoseconds, int64 (runs,)."""

        def read(frame: Frame) -> NDArray[np.int64]:
            block = decode_array(frame, "int64", is_shape=lambda *sides: sides == (runs,))
            if block.min() <= 0:
                raise MalformedFrame("timings of no time")
            return block

        return self._request("block", [path], {"path": os.path.abspath(path), "runs": runs}, read)

    def executed(
        self, path: Path, image: Images, input_spec: InputSpec = DEFAULT_INPUT
    ) -> list[ExecutedOperator]:
        """Return the operators as executed for one image, uint8 (1, H, W, C)."""
        arguments = self._images_of(path, image, input_spec)
        return self._request("executed", [path], arguments, reader(list[ExecutedOperator]))

    def activations(
        self, path: Path, images: Images, input_spec: InputSpec = DEFAULT_INPUT
    ) -> list[Activation]:
        """Return the outputs of each operator for images, uint8 (N, H, W, C)."""
        arguments = self._images_of(path, images, input_spec)
        return self._request("activations", [path], arguments, reader(list[Activation]))

    def stored(self, path: Path, input_spec: InputSpec = DEFAULT_INPUT) -> Stored:
        """Return the weights of a file as reals, and the quantization of its tensors."""
        return self._request("stored", [path], _one(path, input_spec), read_stored)

    def input_evidence(
        self, path: Path, images: Images, input_spec: InputSpec = DEFAULT_INPUT
    ) -> InputEvidence:
        """Return what a file's graph shows of its pixels; ``images``: uint8 (N, H, W, C)."""
        arguments = self._images_of(path, images, input_spec)
        return self._request("input_evidence", [path], arguments, reader(InputEvidence))

    def extremes(
        self,
        path: Path,
        images: Images,
        *,
        budget_s: float,
        progress: Progress | None = None,
        input_spec: InputSpec = DEFAULT_INPUT,
        padding: Sequence[float] = (),
    ) -> Extremes:
        """Return the extremes of each point of a file for each image, uint8 (N, H, W, C).

        After ``budget_s`` no further images are started: then there are fewer rows than images.
        ``padding``: see ``Runtime.watcher``.
        """
        place, count = self._on_disk(images)

        def read(frame: Frame) -> Extremes:
            found = decode_printable(Extremes, frame)
            if found.low.shape != found.high.shape or not 0 < len(found.low) <= count:
                raise MalformedFrame(f"extremes of {len(found.low)} of {count} images")
            return found

        return self._request(
            "extremes",
            [path],
            {
                **_one(path, input_spec),
                "images": place,
                "budget_s": budget_s,
                "padding": list(padding),
            },
            read,
            on_progress=lambda done: progress(done, count) if progress else None,
        )

    def _on_disk(self, images: Path | ImageSequence) -> tuple[Place, int]:
        if isinstance(images, Path):
            images = ImageRows.all_of(ImageFile(images))
        return self._images.place_of(images), len(images)

    def _images_of(self, path: Path, images: Images, input_spec: InputSpec) -> dict[str, Any]:
        return {**_one(path, input_spec), "images": self._on_disk(images)[0]}

    def _request(
        self,
        action: str,
        paths: Sequence[Path],
        arguments: Mapping[str, Any],
        read: Callable[[Frame], T],
        *,
        longer_s: float = 0.0,
        on_progress: Callable[[int], None] = lambda done: None,
        arrays: Sequence[NDArray[Any]] = (),
        comes_in_parts: bool = False,
    ) -> T:
        silence_s = self._time_limit_s + longer_s
        names = [str(path) for path in paths]
        request = Request(
            action,
            arguments,
            read,
            names,
            paths,
            silence_s,
            on_progress=on_progress,
            arrays=arrays,
            comes_in_parts=comes_in_parts,
        )
        return self._ask(request, self._started)

    def _started(self) -> ChildProcess:
        if self._child is None:
            self._child = ChildProcess(MODELS, self._settings, limits=self._limits, log=self._log)
        return self._child


def _one(path: Path, input_spec: InputSpec) -> dict[str, str]:
    return {"path": os.path.abspath(path), "input_spec": input_spec.model_dump_json()}
