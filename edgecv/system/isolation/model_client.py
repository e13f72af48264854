"""The parent's side: asks a child, and turns whatever happens to it into one line."""

import math
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.plugins import Progress
from edgecv.core.quantization import Extremes, Stored
from edgecv.core.records import Activation, ExecutedOperator, Images, Predictions, SessionFacts
from edgecv.core.registry import RUNTIMES
from edgecv.system.isolation.decoding import read_activations, read_executed, read_facts
from edgecv.system.isolation.process import ChildProcess
from edgecv.system.isolation.protocol import Frame, MalformedFrame
from edgecv.system.isolation.quantization_codec import read_extremes, read_stored
from edgecv.system.isolation.request import ProcessDied, ProcessRequest
from edgecv.system.isolation.shared_images import ImageFiles

T = TypeVar("T")


class ModelClient:
    """One runtime with a fixed number of threads, in a child process that may die.

    A file that crashes it, hangs it, eats its memory or is refused raises RuntimeFailure with
    one line; the next request starts a new child. ``time_limit_s`` is how long the child may be
    silent: a long prediction reports its progress, so only a stuck one is ended.
    ``memory_limit_bytes`` is what the files may add to the child's own memory. ``options`` are
    those of the runtime. ``log`` collects what native code prints.

    Not for two threads at once: one request follows the other.
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
        self.runtime = RUNTIMES.get(runtime, "worker").name
        self._settings = {
            "runtime": runtime,
            "options": dict(options or {}),
            "threads": threads,
            "memory_limit_bytes": memory_limit_bytes,
        }
        self._time_limit_s = time_limit_s
        self._folder = tempfile.TemporaryDirectory(prefix="edgecv-worker-")
        self._log = log or Path(self._folder.name) / "stderr.txt"
        self._child: ChildProcess | None = None
        self._images = ImageFiles(Path(self._folder.name))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The child's process id, None while there is no child."""
        return self._child.process.pid if self._child else None

    def start(self) -> None:
        """Begin to start the child, without waiting for it, unless there is one."""
        self._started()

    def close(self) -> None:
        """End the child and remove the temporary files."""
        self._discard()
        self._images.clear()
        self._folder.cleanup()

    def open(self, path: Path, input_spec: InputSpec = DEFAULT_INPUT) -> SessionFacts:
        """Return what the runtime says of the file at ``path``."""
        return self._ask("open", [path], _one(path, input_spec), read_facts)

    def predict(
        self,
        path: Path,
        images: Path | Images,
        progress: Progress | None = None,
        input_spec: InputSpec = DEFAULT_INPUT,
    ) -> Predictions:
        """Run all images through the file at ``path``: float32 (N, K).

        ``images``: uint8 (N, H, W, C), or the path of an .npy file of them. An array is written
        out once, the first time it is seen: it may not be changed between requests.
        """
        images_path, count = self._on_disk(images)

        def read(frame: Frame) -> Predictions:
            if len(frame.arrays) != 1:
                raise MalformedFrame(f"{len(frame.arrays)} arrays of predictions")
            (predictions,) = frame.arrays
            if predictions.dtype != np.float32 or predictions.ndim != 2:
                raise MalformedFrame(f"predictions of {predictions.dtype} {predictions.shape}")
            if len(predictions) != count:
                raise MalformedFrame(f"{len(predictions)} predictions for {count} images")
            return predictions

        return self._ask(
            "predict",
            [path],
            {**_one(path, input_spec), "images": str(images_path)},
            read,
            on_progress=lambda done: progress(done, count) if progress else None,
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

        ``readings``: one a file, or none where every file says all of itself.

        ``budget_s`` is for all files together, after their warm-ups; every file gets at least
        ``min_blocks`` blocks and ``min_runs`` runs, even where that takes longer. The runs stay
        on ``cores`` where some are given. Returns path -> nanoseconds: int64 (blocks, runs a
        block).
        """
        if len(set(paths)) != len(paths):
            raise ValueError("a path is given twice")
        images_path, _ = self._on_disk(image)

        def read(frame: Frame) -> dict[Path, NDArray[np.int64]]:
            if len(frame.arrays) != len(paths):
                raise MalformedFrame(f"timings of {len(frame.arrays)} files, not {len(paths)}")
            for blocks in frame.arrays:
                if blocks.dtype != np.int64 or blocks.ndim != 2 or not blocks.size:
                    raise MalformedFrame(f"timings of {blocks.dtype} {blocks.shape}")
            return dict(zip(paths, frame.arrays, strict=True))

        return self._ask(
            "time",
            paths,
            {
                "paths": [os.path.abspath(path) for path in paths],
                "input_specs": [
                    input_spec.model_dump_json()
                    for input_spec in input_specs or [DEFAULT_INPUT] * len(paths)
                ],
                "images": str(images_path),
                "budget_s": budget_s,
                "min_runs": min_runs,
                "min_blocks": min_blocks,
                "cores": list(cores),
            },
            read,
            longer_s=2 * budget_s,
        )

    def warm_up(self, path: Path, images: Images, cores: Sequence[int] = ()) -> float:
        """Run images, uint8 (N, H, W, C), at once until that is steady: seconds of a run."""
        images_path, _ = self._on_disk(images)

        def read(frame: Frame) -> float:
            median_s = frame.header.get("median_s")
            if not isinstance(median_s, float) or not 0 < median_s < math.inf:
                raise MalformedFrame(f"a run of {median_s!r} seconds")
            return median_s

        arguments = {"path": os.path.abspath(path), "images": str(images_path)}
        return self._ask("warm_up", [path], {**arguments, "cores": list(cores)}, read)

    def time_block(self, path: Path, runs: int) -> NDArray[np.int64]:
        """Time so many runs of what was warmed up last: nanoseconds, int64 (runs,)."""

        def read(frame: Frame) -> NDArray[np.int64]:
            if len(frame.arrays) != 1:
                raise MalformedFrame(f"{len(frame.arrays)} arrays of timings")
            (block,) = frame.arrays
            if block.dtype != np.int64 or block.shape != (runs,) or block.min() <= 0:
                raise MalformedFrame(f"timings of {block.dtype} {block.shape}")
            return block

        return self._ask("block", [path], {"path": os.path.abspath(path), "runs": runs}, read)

    def executed(self, path: Path, image: Images) -> list[ExecutedOperator]:
        """Return the operators that really run for one image, uint8 (1, H, W, C)."""
        arguments = {"path": os.path.abspath(path), "images": str(self._on_disk(image)[0])}
        return self._ask("executed", [path], arguments, read_executed)

    def activations(self, path: Path, images: Images) -> list[Activation]:
        """Return what each operator gives for some images, uint8 (N, H, W, C)."""
        arguments = {"path": os.path.abspath(path), "images": str(self._on_disk(images)[0])}
        return self._ask("activations", [path], arguments, read_activations)

    def stored(self, path: Path, input_spec: InputSpec = DEFAULT_INPUT) -> Stored:
        """Return what a file stores: its weights as reals, and how its tensors are quantized."""
        return self._ask("stored", [path], _one(path, input_spec), read_stored)

    def extremes(
        self,
        path: Path,
        images: Images,
        *,
        budget_s: float,
        progress: Progress | None = None,
        input_spec: InputSpec = DEFAULT_INPUT,
    ) -> Extremes:
        """Return how far each point of a file goes for each image, uint8 (N, H, W, C).

        After ``budget_s`` no further images are begun: then there are fewer rows than images.
        """
        images_path, count = self._on_disk(images)
        return self._ask(
            "extremes",
            [path],
            {**_one(path, input_spec), "images": str(images_path), "budget_s": budget_s},
            lambda frame: read_extremes(frame, count),
            on_progress=lambda done: progress(done, count) if progress else None,
        )

    def _on_disk(self, images: Path | Images) -> tuple[Path, int]:
        if isinstance(images, Path):
            return images.absolute(), len(np.load(images, mmap_mode="r", allow_pickle=False))
        return self._images.path_of(images), len(images)

    def _ask(
        self,
        do: str,
        paths: Sequence[Path],
        arguments: dict[str, Any],
        read: Callable[[Frame], T],
        *,
        longer_s: float = 0.0,
        on_progress: Callable[[int], None] = lambda done: None,
    ) -> T:
        silence_s = self._time_limit_s + longer_s
        request = {"do": do, "with": arguments, "silence_s": silence_s}

        def attempt() -> T:
            child = self._started()
            conversation = ProcessRequest(child, self.runtime, paths)
            try:
                answer = conversation.answer(request, silence_s, on_progress)
                child.opened |= set(paths)
                return read(answer)
            except MalformedFrame as error:
                self._discard()
                raise conversation.nonsense(error) from None
            except BaseException:  # KeyboardInterrupt too: a child half-way is of no use
                self._discard()
                raise

        # A damaged file may harm the child long before it dies, while it serves the next one: the
        # verdict on a file is that of a child which has seen no other.
        others_opened = bool(self._started().opened - set(paths))
        try:
            return attempt()
        except ProcessDied:
            if not others_opened:
                raise
            return attempt()

    def _started(self) -> ChildProcess:
        if self._child is None:
            self._child = ChildProcess(self._settings, self._log)
        return self._child

    def _discard(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None


def _one(path: Path, input_spec: InputSpec) -> dict[str, str]:
    return {"path": os.path.abspath(path), "input_spec": input_spec.model_dump_json()}
