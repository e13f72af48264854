"""Base classes of the LiteRT and ONNX Runtime plug-ins: the runtime, and an open file."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgecv.core.artifact import SessionFacts
from edgecv.core.data import Images, Outputs
from edgecv.core.errors import RuntimeFailure, UnsuitableFile
from edgecv.core.files import read_regular
from edgecv.core.input_evidence import InputEvidence, InputProbe, evidence_of
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.plugins import Runtime, Session
from edgecv.core.preprocessing import fitting
from edgecv.core.quantization import Stored
from edgecv.core.text import counted
from edgecv.formats.image_axes import batch_axis
from edgecv.formats.pixel_transform import Pixels
from edgecv.formats.tensors import check_images, finite_outputs, run_slices


class WeightsReader(Protocol):
    """The reader of a file's graph."""

    def stored(self, pixels: Pixels) -> Stored:
        """Return kernels, points and links; ``pixels``: their encoding in the file's input."""


class FileRuntime(Runtime):
    """A runtime whose files can also be read as a graph."""

    @abstractmethod
    def open(
        self, path: Path, threads: int, input_spec: InputSpec = DEFAULT_INPUT
    ) -> "FileSession":
        """Open the file at ``path``. Raises RuntimeFailure if it is not usable."""

    @abstractmethod
    def weights(self, content: bytes, path: Path) -> WeightsReader:
        """Return the reader of a file's graph."""

    @abstractmethod
    def probe(self, session: "FileSession", path: Path) -> InputProbe:
        """Return an open file, run up to one of its first layers."""

    def input_evidence(
        self, session: Session, path: Path, images: Images, input_spec: InputSpec = DEFAULT_INPUT
    ) -> InputEvidence:
        """Return the evidence of a file's graph, or of its input if that declares a range."""
        assert isinstance(session, FileSession)
        taken = session.facts.input
        if np.dtype(taken.type).kind != "f":
            return InputEvidence(f"its {taken.type} input declares its range")
        if not session.facts.axes.startswith("N"):
            return InputEvidence()  # Its batch is not in front: images cannot be told apart inside.
        encoders = {}
        for name, choice in fitting(session.facts.image[2]).items():
            asked = input_spec.model_copy(update={"preprocess": choice})
            encoders[name] = self.open(path, 1, asked).runs
        return evidence_of(self.probe(session, path), encoders, images)

    def stored(self, path: Path, input_spec: InputSpec = DEFAULT_INPUT) -> Stored:
        """Return kernels, points and links of a file, also of one that the runtime refuses."""
        try:
            session = self.open(path, 1, input_spec)
        except RuntimeFailure:
            return self.weights(read_regular(path), path).stored(Pixels(None, (1, 1, 1)))
        pixels = Pixels(session.encode, session.facts.image, session.facts.axes)
        return self.weights(session.content, path).stored(pixels)


class FileSession(Session, ABC):
    """An open file: its bytes, and predictions by several runners in parallel."""

    facts: SessionFacts
    encode: Callable[[Images], NDArray[Any]]
    _batch = 1

    def __init__(self, path: Path, threads: int) -> None:
        self._path = path
        self._threads = threads
        try:
            # Pass bytes, not the path: a mapped file that is replaced kills the process, and
            # ONNX Runtime could map other files in the folder.
            self.content = read_regular(path)
        except OSError as error:
            raise RuntimeFailure(str(path), f"cannot be read: {error.strerror}") from None

    @property
    def images_of_a_run(self) -> int:
        """Images of one run: those of a fixed batch, else one."""
        return self._batch

    def feed(self, images: Images) -> NDArray[Any]:
        """Return the input of one run for up to a batch of images, uint8 (N, H, W, C).

        A fixed batch is filled with copies of the first image.
        """
        missing = self._batch - len(images)
        if missing > 0:
            images = np.concatenate([images, np.repeat(images[:1], missing, axis=0)])
        return self.encode(images)

    def runs(self, images: Images) -> NDArray[Any]:
        """Return the input of one run for each image: (N, shape of the input)."""
        return np.stack([self.feed(images[n : n + 1]) for n in range(len(images))])

    def first_part(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the part of a run's tensor that belongs to the first image: (1, ...)."""
        if self.facts.axes.startswith("N"):
            return values[:1]
        return values if values.shape[:1] == (1,) else values[np.newaxis]

    def rows_of(self, answer: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        """Return an output of one run as (batch, *shape). Raises UnsuitableFile for others."""
        axis = batch_axis(answer.shape, self.facts.axes, self._batch)
        if answer.size != self._batch * math.prod(shape) or (axis is None and self._batch > 1):
            raise UnsuitableFile(
                str(self._path),
                f"it answers {list(answer.shape)} for {counted(self._batch, 'image')}",
                accepted=f"{[self._batch, *shape]}, as it declares",
            )
        rows = answer if axis is None else np.moveaxis(answer, axis, 0)
        return rows.reshape(self._batch, *shape)

    def predict(self, images: Images) -> Outputs:
        """Run all images on all threads: uint8 (N, H, W, C) -> float32 (N, ...) an output.

        Raises RuntimeFailure if the images do not fit, or a prediction is not finite.
        """
        check_images(self._path, self.facts, images)
        values = [
            np.empty((len(images), *shape), tensor.type)
            for tensor, shape in zip(self.facts.outputs, self.facts.answers, strict=True)
        ]
        run_slices(self._runners(images, values), len(images), multiple=self._batch)
        return finite_outputs(self._path, self.facts, values)

    def _keep(
        self, values: Sequence[NDArray[Any]], part: slice, answers: Sequence[NDArray[Any]]
    ) -> None:
        """Write the outputs of a run for the images of ``part`` where they belong."""
        count = part.stop - part.start
        for kept, answer in zip(values, answers, strict=True):
            kept[part] = self.rows_of(answer, kept.shape[1:])[:count]

    @abstractmethod
    def _runners(
        self, images: Images, values: Sequence[NDArray[Any]]
    ) -> Sequence[Callable[[slice], None]]:
        """Return one function per thread, each of which fills the rows of a slice of ``values``."""
