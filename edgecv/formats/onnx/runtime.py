"""The runtime of ONNX files: ONNX Runtime on the CPU."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from edgecv.core.artifact import Activation, ExecutedOperator, TensorFacts
from edgecv.core.data import Images
from edgecv.core.files import read_regular
from edgecv.core.input_evidence import InputEvidence
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.plugins import Session, Watcher
from edgecv.core.text import counted
from edgecv.formats.file_runtime import FileRuntime, FileSession
from edgecv.formats.image_axes import OPEN
from edgecv.formats.onnx.canonical import PRODUCER
from edgecv.formats.onnx.ends import ends_of
from edgecv.formats.onnx.execution import activations, executed, watcher
from edgecv.formats.onnx.external_data import in_one_file
from edgecv.formats.onnx.input_probe import OnnxProbe
from edgecv.formats.onnx.session import Optimization, bound_call, new_session
from edgecv.formats.onnx.stored_weights import OnnxWeights
from edgecv.formats.onnx.tensor_session import OnnxTensors
from edgecv.formats.tensors import check_images, facts_of, other_ends, with_answers

TYPES = ("float32", "float16", "uint8", "int8")
OUTPUT_TYPES = (*TYPES, "float64")


class OnnxRuntime(FileRuntime):
    """Runs ONNX files with ONNX Runtime on the CPU."""

    name: ClassVar[str] = "onnxruntime"
    format: ClassVar[str] = "onnx"
    format_title: ClassVar[str] = "ONNX"
    suffixes: ClassVar[tuple[str, ...]] = (".onnx",)
    kernel_variants: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "optimized: all": {"optimization": "all"},
        "optimized: extended": {"optimization": "extended"},
        "optimized: basic": {"optimization": "basic"},
        "not optimized": {"optimization": "none"},
    }

    optimization: Optimization = "all"
    """The level of graph optimization before the file runs."""

    def open(
        self, path: Path, threads: int, input_spec: InputSpec = DEFAULT_INPUT
    ) -> "OnnxRuntimeSession":
        """Open the file at ``path``. Raises RuntimeFailure if it is not usable."""
        return OnnxRuntimeSession(path, threads, input_spec, self.optimization)

    def open_tensors(
        self, path: Path, threads: int, input_spec: InputSpec = DEFAULT_INPUT, batch: int = 1
    ) -> OnnxTensors:
        """Open a file of any inputs and outputs. Raises RuntimeFailure if it is not usable."""
        content = in_one_file(path, read_regular(path))
        session = new_session(path, content, threads, self.optimization)
        return OnnxTensors(path, session, content, input_spec, batch)

    def executed(
        self, path: Path, image: Images, input_spec: InputSpec = DEFAULT_INPUT
    ) -> list[ExecutedOperator]:
        """Return the operators after optimization, with the times of ONNX Runtime's profiler."""
        session = self.open(path, 1, input_spec)
        check_images(path, session.facts, image)
        return executed(session.make_session, session.named(session.feed(image[:1])))

    def activations(
        self, path: Path, images: Images, input_spec: InputSpec = DEFAULT_INPUT
    ) -> list[Activation]:
        """Return the output of each operator for some images, without graph optimization."""
        session = OnnxRuntimeSession(path, 1, input_spec, "none")
        check_images(path, session.facts, images)
        parts = (images[i : i + 1] for i in range(len(images)))
        feeds = [session.named(session.feed(each)) for each in parts]
        return activations(session.make_session, session.content, feeds, session.images_of_a_run)

    def weights(self, content: bytes, path: Path) -> OnnxWeights:
        """Return the reader of a file's graph."""
        return OnnxWeights(content)

    def input_evidence(
        self, session: Session, path: Path, images: Images, input_spec: InputSpec = DEFAULT_INPUT
    ) -> InputEvidence:
        """Return the evidence of a file's graph; what edgecv wrote takes pixels of 0..255."""
        assert isinstance(session, OnnxRuntimeSession)
        if session.producer == PRODUCER:
            return InputEvidence("edgecv wrote it, for pixels of 0..255")
        return super().input_evidence(session, path, images, input_spec)

    def probe(self, session: FileSession, path: Path) -> OnnxProbe:
        """Return the file, run up to one of its first layers."""
        assert isinstance(session, OnnxRuntimeSession)
        return OnnxProbe(session.content, session.values)

    def watcher(
        self,
        path: Path,
        threads: int,
        input_spec: InputSpec = DEFAULT_INPUT,
        padding: Sequence[float] = (),
    ) -> Watcher:
        """Return a function that gives the extremes of each point for uint8 images (N, H, W, C)."""
        session = self.open(path, threads, input_spec)
        size = None if session.facts.batch == OPEN else session.images_of_a_run
        watch = watcher(session.make_session, session.content, threads, size, padding)
        return lambda images: watch(lambda part: session.named(session.feed(part)), images)


class OnnxRuntimeSession(FileSession):
    """One ONNX file, opened.

    Predictions run one image at a time (or the file's own fixed batch), several at once, each on
    one thread: that takes a fifth longer than a batch of 32, but predictions cannot depend on the
    number of threads or on the other images of a batch.
    """

    def __init__(
        self, path: Path, threads: int, input_spec: InputSpec, optimization: Optimization = "all"
    ) -> None:
        super().__init__(path, threads)
        self._optimization = optimization
        self.content = in_one_file(path, self.content)
        self._session = self.make_session(threads=1)
        (taken,), given = self._ends("input"), self._ends("output")
        self.facts, self.encode = facts_of(path, taken, given, input_spec, TYPES, OUTPUT_TYPES)
        self._batch = 1 if self.facts.batch == OPEN else self.facts.batch
        if not all(map(self._says_all, given)):
            self.facts = with_answers(path, self.facts, self._shapes_of_answers())

    @property
    def producer(self) -> str:
        """The name of the program that wrote the file, as the file says."""
        return str(self._session.get_modelmeta().producer_name)

    def _says_all(self, given: TensorFacts) -> bool:
        """Return True if the declared shape of an output tells that for one image."""
        is_first = self.facts.axes.startswith("N")
        return len(given.shape) > 1 and is_first and OPEN not in given.shape[1:]

    def _shapes_of_answers(self) -> list[tuple[int, ...]]:
        black = np.zeros((self._batch, *self.facts.image), np.uint8)
        return [each.shape for each in self._session.run(None, self.named(self.encode(black)))]

    def single_call(self, image: Images) -> Callable[[], object]:
        """Return a function that runs one image, uint8 (1, H, W, C), on all threads.

        A file with a fixed batch runs a whole batch, which is its cost of one prediction.
        """
        check_images(self._path, self.facts, image)
        return self._bound(self.feed(image[:1]))

    def _bound(self, values: NDArray[Any]) -> Callable[[], object]:
        session = self.make_session(self._threads) if self._threads > 1 else self._session
        return bound_call(session, self.named(values), [each.name for each in self.facts.outputs])

    def _runners(
        self, images: Images, values: Sequence[NDArray[Any]]
    ) -> list[Callable[[slice], None]]:
        def run(part: slice) -> None:
            for start in range(part.start, part.stop, self._batch):
                stop = min(start + self._batch, part.stop)
                answers = self._session.run(None, self.named(self.feed(images[start:stop])))
                self._keep(values, slice(start, stop), answers)

        return [run] * self._threads

    def named(self, encoded: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return encoded images under the name of the input."""
        return {self.facts.input.name: encoded}

    def values(self, content: bytes, names: Sequence[str], runs: NDArray[Any]) -> list[Any]:
        """Return tensors of ``content``, a model with the inputs of this file, for ``runs``."""
        if list(names) == [self.facts.input.name]:
            return [np.concatenate([self.first_part(each) for each in runs])]
        session = self.make_session(1, content=content)
        rows = [session.run(list(names), self.named(each)) for each in runs]
        parts = zip(*rows, strict=True)
        return [np.concatenate([self.first_part(each) for each in part]) for part in parts]

    def make_session(
        self, threads: int, *, content: bytes | None = None, profile: Path | None = None
    ) -> Any:
        """Return a session of this file, or of ``content``; ``profile``: its path."""
        return new_session(
            self._path, content or self.content, threads, self._optimization, profile
        )

    def _ends(self, kind: Literal["input", "output"]) -> list[TensorFacts]:
        tensors = self._session.get_inputs() if kind == "input" else self._session.get_outputs()
        if not tensors or (kind == "input" and len(tensors) > 1):
            names = ", ".join(tensor.name for tensor in tensors)
            found = f"it has {counted(len(tensors), kind)}" + (f": {names}" if names else "")
            raise other_ends(self._path, found)
        return ends_of(self._session, self.content, self._path, kind)
