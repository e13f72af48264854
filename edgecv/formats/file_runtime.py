"""Base classes of LiteRT and ONNX Runtime: a runtime of one file, and the file it has opened."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import RuntimeFailure
from edgecv.core.files import read_regular
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.plugins import Runtime, Session
from edgecv.core.quantization import Stored
from edgecv.core.records import Images, Predictions, SessionFacts
from edgecv.formats.pixel_transform import Pixels
from edgecv.formats.tensors import check_finite, check_images, decode_output, run_slices


class WeightsReader(Protocol):
    """The reader of a file's graph."""

    def stored(self, pixels: Pixels) -> Stored:
        """Return kernels, points and links; ``pixels``: as the file's input holds them."""


class FileRuntime(Runtime):
    """A runtime whose files are read by their own graph too."""

    @abstractmethod
    def open(
        self, path: Path, threads: int, input_spec: InputSpec = DEFAULT_INPUT
    ) -> "FileSession":
        """Open the file at ``path``. Raises RuntimeFailure where it is not usable."""

    @abstractmethod
    def weights(self, content: bytes, path: Path) -> WeightsReader:
        """Return the reader of a file's graph."""

    def stored(self, path: Path, input_spec: InputSpec = DEFAULT_INPUT) -> Stored:
        """Return what the file stores, even where it is refused: the graph may say why."""
        try:
            session = self.open(path, 1, input_spec)
        except RuntimeFailure:
            return self.weights(read_regular(path), path).stored(Pixels(None, (1, 1, 1)))
        pixels = Pixels(session.encode, session.facts.image)
        return self.weights(session.content, path).stored(pixels)


class FileSession(Session, ABC):
    """The bytes of one file, and the predictions of several runners at once."""

    facts: SessionFacts
    encode: Callable[[Images], NDArray[Any]]
    _classes: int
    _batch = 1

    def __init__(self, path: Path, threads: int) -> None:
        self._path = path
        self._threads = threads
        try:
            # Bytes, not the path: a file that is replaced while it is mapped kills the process,
            # and ONNX Runtime could map files that lie beside this one.
            self.content = read_regular(path)
        except OSError as error:
            raise RuntimeFailure(str(path), f"cannot be read: {error.strerror}") from None

    def predict(self, images: Images) -> Predictions:
        """Run all images on all threads: uint8 (N, H, W, C) -> float32 (N, K)."""
        check_images(self._path, self.facts, images)
        values = np.empty((len(images), self._classes), self.facts.output.type)
        run_slices(self._runners(images, values), len(images), multiple=self._batch)
        return check_finite(self._path, decode_output(self.facts.output, values))

    @abstractmethod
    def _runners(self, images: Images, values: NDArray[Any]) -> Sequence[Callable[[slice], None]]:
        """Return a function for each thread, which fills the rows of a slice of ``values``."""
