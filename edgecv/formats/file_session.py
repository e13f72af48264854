"""A model file that a runtime has opened: what LiteRT and ONNX Runtime have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import RuntimeFailure
from edgecv.core.records import Images, Predictions, SessionFacts
from edgecv.formats.tensors import check_finite, check_images, decode_output, run_slices


class FileSession(ABC):
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
            self.content = path.read_bytes()
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
