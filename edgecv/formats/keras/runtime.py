"""The runtime of Keras models: TensorFlow, which measures the baseline."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from edgecv.core.errors import RuntimeFailure
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import Runtime
from edgecv.core.records import Images, Predictions, TensorFacts
from edgecv.formats.image_input import OPEN
from edgecv.formats.tensors import check_finite, check_images, classes_of, facts_of
from edgecv.formats.trust import Trust

BATCH = 512


class KerasRuntime(Runtime):
    """Runs Keras models with TensorFlow."""

    name: ClassVar[str] = "keras"
    format: ClassVar[str] = "keras"
    suffixes: ClassVar[tuple[str, ...]] = (".keras", ".h5", ".hdf5")
    format_title: ClassVar[str] = "Keras"
    needs_tensorflow: ClassVar[bool] = True
    runs_on_devices: ClassVar[bool] = False
    takes_trust: ClassVar[bool] = True
    everything: bool = False
    """True to let a file run any code of its author."""
    custom_objects: tuple[str, ...] = Field(default=(), strict=False)
    """The user's own classes and functions, each as "module:name"."""

    def open(
        self, path: Path, threads: int, input_spec: InputSpec = DEFAULT_INPUT
    ) -> "KerasSession":
        """Open the file at ``path``. Raises RuntimeFailure if it is not usable."""
        from edgecv.formats.keras.importer import load
        from edgecv.models.tf import load_tensorflow

        # Before the model is built: TensorFlow takes its threads before its first operation.
        load_tensorflow(threads=threads)
        trust = Trust(everything=self.everything, custom_objects=self.custom_objects)
        return KerasSession(load(path, trust), path, input_spec)


class KerasSession:
    """A tf-keras model, from a file or as the caller holds it.

    It runs on the threads that TensorFlow already has: a process fixes them before its first
    operation. ``path``: the name of the model in error messages.
    """

    def __init__(
        self,
        model: KerasModel,
        path: Path = Path("the Keras model"),
        input_spec: InputSpec = DEFAULT_INPUT,
    ) -> None:
        from edgecv.models.tf import compile_inference, load_tensorflow

        tensorflow, _ = load_tensorflow()
        self._path = path
        self._constant = tensorflow.constant
        taken, given = (
            _facts(path, *each) for each in (("input", model.inputs), ("output", model.outputs))
        )
        types = ("float32",)
        self.facts, self._encode = facts_of(path, taken, given, input_spec, types, types)
        self._classes = classes_of(path, given, given.shape)
        # The batch is open, so that a last, smaller batch does not compile the model again.
        signature = tensorflow.TensorSpec([None, *self.facts.image], tensorflow.float32)
        self._call = compile_inference(model, input_signature=[signature])

    def predict(self, images: Images) -> Predictions:
        """Run all images in batches: uint8 (N, H, W, C) -> float32 (N, K)."""
        check_images(self._path, self.facts, images)
        predictions = np.empty((len(images), self._classes), np.float32)
        for start in range(0, len(images), BATCH):
            batch = self._encode(images[start : start + BATCH])
            answer = self._call(self._constant(batch)).numpy()
            predictions[start : start + BATCH] = answer.reshape(len(batch), self._classes)
        return check_finite(self._path, predictions)

    def batch_call(self, images: Images) -> Callable[[], object]:
        """Return a function that runs some images at once, uint8 (N, H, W, C)."""
        check_images(self._path, self.facts, images)
        tensor = self._constant(images.astype(np.float32))
        return lambda: self._call(tensor)

    def single_call(self, image: Images) -> Callable[[], object]:
        """Return a function that runs one image, uint8 (1, H, W, C), converted beforehand."""
        check_images(self._path, self.facts, image)
        tensor = self._constant(self._encode(image[:1]))
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
