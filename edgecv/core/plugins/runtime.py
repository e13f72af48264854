"""The contract of a runtime."""

import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgecv.core.artifact import Activation, ExecutedOperator, FileEnds, SessionFacts
from edgecv.core.data import Images, Outputs
from edgecv.core.errors import RuntimeFailure
from edgecv.core.input_evidence import InputEvidence
from edgecv.core.input_spec import InputSpec
from edgecv.core.plugins.plugin import Plugin
from edgecv.core.quantization import Extremes, Stored

Watcher = Callable[[Images], Extremes]
"""Runs images, uint8 (N, H, W, C), and returns the extremes of each point for each image."""


class Session(Protocol):
    """An artifact opened by a runtime. It applies scale and zero point itself."""

    facts: SessionFacts

    def predict(self, images: Images) -> Outputs:
        """Run all images, batched and on all threads: uint8 (N, H, W, C) -> float32 (N, ...).

        N may be 0: the outputs still have their names and shapes.
        """

    def single_call(self, image: Images) -> Callable[[], object]:
        """Return a function that runs one image, uint8 (1, H, W, C), set as input beforehand."""


@runtime_checkable
class ImageSession(Session, Protocol):
    """An artifact of a runtime that runs files on images only, opened."""

    def batch_call(self, images: Images) -> Callable[[], object]:
        """Return a function that runs a batch, uint8 (N, H, W, C), set as input beforehand.

        Raises RuntimeFailure where the file does not accept a batch of that size.
        """


class TensorSession(Protocol):
    """An artifact of any inputs and outputs, opened by a runtime: arrays in, arrays out."""

    ends: FileEnds
    """Inputs of known shape, for a batch of the size that was asked for, and outputs."""
    images_of_a_call: int
    """Images of a call: those that were asked for, or those of a fixed batch."""
    first_call_s: float = 0.0
    """Seconds of the first run on random values, once ``random_call`` was called."""

    def random_call(self) -> Callable[[], object]:
        """Return a function that runs it on random values, which are set beforehand."""

    def answer(self, sample: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Return each output as real numbers, for one flat array of real numbers an input."""


class ImageTensors(TensorSession):
    """A file that its runtime runs on images only: it can be timed on random ones."""

    def __init__(self, runtime: str, path: Path, session: ImageSession, batch: int) -> None:
        self._runtime, self._path = runtime, path
        self._session, self._batch = session, batch
        self.ends = FileEnds((session.facts.input,), session.facts.outputs)
        self.images_of_a_call = max(batch, session.facts.batch)

    def random_call(self) -> Callable[[], object]:
        """Return a function that runs random images, which are set beforehand."""
        shape = (self._batch, *self._session.facts.image)
        images: Images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        one = self._batch == 1
        call = self._session.single_call(images) if one else self._session.batch_call(images)
        began = time.perf_counter()
        call()
        self.first_call_s = time.perf_counter() - began
        return call

    def answer(self, sample: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Raise RuntimeFailure: it takes images, not arrays."""
        raise RuntimeFailure(str(self._path), f"{self._runtime} runs files on images only")


class Runtime(Plugin):
    """Opens an artifact and runs it."""

    format: ClassVar[str]
    format_title: ClassVar[str]
    """The format's name as people write it."""
    suffixes: ClassVar[tuple[str, ...]]
    needs_tensorflow: ClassVar[bool] = False
    runs_on_devices: ClassVar[bool] = True
    """True if its files run on devices; others are the models that such files are made from."""
    takes_trust: ClassVar[bool] = False
    """True if its files may contain code; its options are then those of ``Trust``."""
    has_delegate: ClassVar[bool] = False
    """True if a delegate such as XNNPACK may run operators instead of the built-in kernels."""
    fixes_scales: ClassVar[bool] = False
    """True if its format fixes the quantization of some outputs, as TFLite does: probabilities have
    the scale 1/256, and an operator that only moves values keeps the scale of its input."""
    kernel_variants: ClassVar[Mapping[str, Mapping[str, str]]] = {"as it is": {}}
    """Named options that select other kernels for the same file; the default comes first."""

    @abstractmethod
    def open(self, path: Path, threads: int, input_spec: InputSpec) -> Session:
        """Open the file at ``path``. Raises RuntimeFailure where it is not usable."""

    def reread(self, session: Session, input_spec: InputSpec) -> Session | None:
        """Return an open file with another reading of its images; None if it is opened again."""
        return None

    def open_tensors(
        self, path: Path, threads: int, input_spec: InputSpec, batch: int = 1
    ) -> TensorSession:
        """Open a file of any inputs and outputs. Raises RuntimeFailure where it is not usable.

        A runtime of files on images alone can still time them.
        """
        session = self.open(path, threads, input_spec)
        if not isinstance(session, ImageSession):
            raise RuntimeFailure(str(path), f"{self.name} runs one image at a time")
        return ImageTensors(self.name, path, session, batch)

    def executed(self, path: Path, image: Images, input_spec: InputSpec) -> list[ExecutedOperator]:
        """Return the operators that run for one image, uint8 (1, H, W, C), in order."""
        raise RuntimeFailure(str(path), f"{self.name} does not say which operators it runs")

    def activations(self, path: Path, images: Images, input_spec: InputSpec) -> list[Activation]:
        """Return the outputs of each operator for images, uint8 (N, H, W, C), in order."""
        raise RuntimeFailure(str(path), f"{self.name} does not say what its operators give")

    def stored(self, path: Path, input_spec: InputSpec) -> Stored:
        """Return the weights of a file as reals, and the quantization of its tensors."""
        raise RuntimeFailure(str(path), f"{self.name} does not say what its files store")

    def input_evidence(
        self, session: Session, path: Path, images: Images, input_spec: InputSpec
    ) -> InputEvidence:
        """Return what an open file shows of the pixels it takes; ``images``: uint8 (N, H, W, C).

        A runtime that cannot read its files finds no evidence.
        """
        return InputEvidence()

    def watcher(
        self, path: Path, threads: int, input_spec: InputSpec, padding: Sequence[float] = ()
    ) -> Watcher:
        """Return a function that gives the extremes of each point of ``stored`` for each image.

        ``padding``: the values behind the borders of the first convolution, one a channel, if they
        are not 0.
        """
        raise RuntimeFailure(str(path), f"{self.name} does not say what its operators give")
