"""Keras itself: what the baseline is measured with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from edgecv.contracts import Runtime
from edgecv.errors import RuntimeFailure
from edgecv.records import Format, Images, Predictions, SessionFacts, TensorFacts
from edgecv.runtimes.tensors import check_facts, check_finite, check_images

BATCH = 512
OPEN = -1
"""The length of an axis that the model leaves open."""


class KerasRuntime(Runtime):
    """Runs Keras models with TensorFlow."""

    name: ClassVar[str] = "keras"
    format: ClassVar[Format] = "keras"
    suffixes: ClassVar[tuple[str, ...]] = (".keras", ".h5", ".hdf5")
    needs_tensorflow: ClassVar[bool] = True

    def open(self, path: Path, threads: int) -> "KerasSession":
        """Open the file at ``path``. Raises RuntimeFailure where it is not usable."""
        from edgecv.importers.keras import load
        from edgecv.tf import load_tensorflow

        # Before the model is built: TensorFlow takes its threads before its first operation.
        load_tensorflow(threads=threads)
        return KerasSession(load(path), path)


class KerasSession:
    """A tf-keras model, from a file or as the caller holds it.

    It runs on the threads that TensorFlow already has: a process fixes them before its first
    operation. ``path`` is what failures say.
    """

    def __init__(self, model: Any, path: Path = Path("the Keras model")) -> None:
        from edgecv.tf import load_tensorflow

        tensorflow, _ = load_tensorflow()
        self._path = path
        self._constant = tensorflow.constant
        self.facts = SessionFacts(
            input=_facts(path, "input", model.inputs), output=_facts(path, "output", model.outputs)
        )
        check_facts(path, self.facts, ("float32",), ("float32",))
        # The batch is open, so that a last, smaller batch does not compile the model again.
        signature = tensorflow.TensorSpec([None, *self.facts.input.shape[1:]], tensorflow.float32)
        self._call = tensorflow.function(
            lambda images: model(images, training=False), input_signature=[signature]
        )

    def predict(self, images: Images) -> Predictions:
        """Run all images in batches: uint8 (N, H, W, C) -> float32 (N, K)."""
        check_images(self._path, self.facts, images)
        predictions = np.empty((len(images), self.facts.output.shape[1]), np.float32)
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH].astype(np.float32)
            predictions[start : start + BATCH] = self._call(self._constant(batch)).numpy()
        return check_finite(self._path, predictions)

    def batch_call(self, images: Images) -> Callable[[], object]:
        """Return a function that runs some images at once, uint8 (N, H, W, C)."""
        check_images(self._path, self.facts, images)
        tensor = self._constant(images.astype(np.float32))
        return lambda: self._call(tensor)

    def single_call(self, image: Images) -> Callable[[], object]:
        """Return a function that runs one image, uint8 (1, H, W, C), already in place."""
        check_images(self._path, self.facts, image)
        tensor = self._constant(image[:1].astype(np.float32))
        return lambda: self._call(tensor)


def _facts(path: Path, kind: str, tensors: list[Any]) -> TensorFacts:
    if len(tensors) != 1:
        raise RuntimeFailure(
            str(path), f"it has {len(tensors)} {kind}s", accepted=f"exactly one {kind}"
        )
    (tensor,) = tensors
    return TensorFacts(
        name=str(tensor.name),
        shape=tuple(OPEN if length is None else int(length) for length in tensor.shape),
        type=str(tensor.dtype.name if hasattr(tensor.dtype, "name") else tensor.dtype),
    )
