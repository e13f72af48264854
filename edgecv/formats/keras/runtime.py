"""The runtime of Keras models: TensorFlow, which measures the baseline."""

from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from edgecv.core.errors import RuntimeFailure
from edgecv.core.input_evidence import InputEvidence, evidence_of
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import Runtime, Session
from edgecv.core.preprocessing import fitting
from edgecv.core.records import Images, Predictions, TensorFacts
from edgecv.formats.keras.image_input import axes_of, tensor_facts
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
        from edgecv.formats.saved_model.importer import SavedModelFolder
        from edgecv.models.tf import load_tensorflow

        # Before the model is built: TensorFlow takes its threads before its first operation.
        load_tensorflow(threads=threads)
        trust = Trust(everything=self.everything, custom_objects=self.custom_objects)
        read = SavedModelFolder().load if path.is_dir() else load
        return KerasSession(read(path, trust), path, input_spec)

    def reread(self, session: Session, input_spec: InputSpec) -> Session | None:
        """Return the same compiled model with another reading of its images."""
        return session.reading(input_spec) if isinstance(session, KerasSession) else None

    def input_evidence(
        self, session: Session, path: Path, images: Images, input_spec: InputSpec = DEFAULT_INPUT
    ) -> InputEvidence:
        """Return the evidence of a model's graph."""
        assert isinstance(session, KerasSession)
        return session.evidence(images, input_spec)


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
        self.model = model
        self._constant = tensorflow.constant
        taken, given = (
            _only(path, *each) for each in (("input", model.inputs), ("output", model.outputs))
        )
        self._ends = taken, given
        height, width, _ = axes_of(model, input_spec, path)[0].image
        self._size = height, width
        self._read(input_spec)
        self._classes = classes_of(path, given, given.shape, self.facts.axes)
        # The batch is open, so that a last, smaller batch does not compile the model again.
        one = self._encode(np.zeros((1, *self.facts.image), np.uint8))
        signature = tensorflow.TensorSpec([None, *one.shape[1:]], tensorflow.float32)
        self._call = compile_inference(model, input_signature=[signature])

    def reading(self, input_spec: InputSpec) -> "KerasSession":
        """Return a session of the same compiled model with another reading of its images."""
        other = copy(self)
        other._read(input_spec)
        return other

    def evidence(self, images: Images, input_spec: InputSpec = DEFAULT_INPUT) -> InputEvidence:
        """Return what the graph shows of its pixels; ``images``: uint8 (N, H, W, C)."""
        from edgecv.models.input_probe import KerasProbe

        encoders = {}
        for name, choice in fitting(images.shape[3]).items():
            asked = input_spec.model_copy(update={"preprocess": choice})
            encoders[name] = self.reading(asked)._encode
        return evidence_of(KerasProbe(self.model), encoders, images)

    def _read(self, input_spec: InputSpec) -> None:
        types = ("float32",)
        spec = input_spec.model_copy(update={"input_size": self._size})
        self.facts, self._encode = facts_of(self._path, *self._ends, spec, types, types)

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
        tensor = self._constant(self._encode(images))
        return lambda: self._call(tensor)

    def single_call(self, image: Images) -> Callable[[], object]:
        """Return a function that runs one image, uint8 (1, H, W, C), converted beforehand."""
        check_images(self._path, self.facts, image)
        tensor = self._constant(self._encode(image[:1]))
        return lambda: self._call(tensor)


def _only(path: Path, kind: str, tensors: list[Any]) -> TensorFacts:
    if len(tensors) != 1:
        raise RuntimeFailure(
            str(path), f"it has {len(tensors)} {kind}s", accepted=f"exactly one {kind}"
        )
    (tensor,) = tensors
    return tensor_facts(tensor)
