"""The runtime of Keras models: TensorFlow, which measures the baseline."""

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgecv.core.artifact import TensorFacts
from edgecv.core.data import Images, Outputs
from edgecv.core.input_evidence import InputEvidence, evidence_of
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import Runtime, Session
from edgecv.core.preprocessing import fitting
from edgecv.core.text import counted
from edgecv.formats.keras.image_input import axes_of, tensor_facts
from edgecv.formats.tensors import check_images, facts_of, finite_outputs, other_ends, with_answers
from edgecv.formats.trust import Trust
from edgecv.models.float_batches import fitting_batch

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
        from edgecv.models.tf import Inference, load_tensorflow

        tensorflow, _ = load_tensorflow()
        self._path = path
        self.model = model
        self._shapes: list[tuple[int, ...]] | None = None
        """Shapes of the outputs of one image, where the model leaves them open."""
        self._constant, self._flatten = tensorflow.constant, tensorflow.nest.flatten
        self._ends = _ends_of(path, model)
        height, width, _ = axes_of(model, input_spec, path)[0].image
        self._size = height, width
        self._read(input_spec)
        one = self._encode(np.zeros((1, *self.facts.image), np.uint8))
        self._call = Inference(model, one.shape[1:])
        if not self.facts.answers:
            self._shapes = [each.shape for each in self.answers(one)]
            self._read(input_spec)

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
        if self._shapes is not None:
            self.facts = with_answers(self._path, self.facts, self._shapes)

    def predict(self, images: Images) -> Outputs:
        """Run all images in batches: uint8 (N, H, W, C) -> float32 (N, ...) an output."""
        check_images(self._path, self.facts, images)
        values = [np.empty((len(images), *shape), np.float32) for shape in self.facts.answers]
        size = fitting_batch(images.shape[1:], BATCH)
        for start in range(0, len(images), size):
            batch = self._encode(images[start : start + size])
            for kept, answer in zip(values, self.answers(batch), strict=True):
                kept[start : start + size] = answer.reshape(len(batch), *kept.shape[1:])
        return finite_outputs(self._path, self.facts, values)

    def answers(self, batch: NDArray[Any]) -> list[NDArray[Any]]:
        """Return each output of the model for its encoded input."""
        answer = self._call(self._constant(batch))
        return [each.numpy() for each in self._flatten(answer)]

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


def _ends_of(path: Path, model: KerasModel) -> tuple[TensorFacts, list[TensorFacts]]:
    if len(model.inputs) != 1 or not model.outputs:
        found = f"it has {counted(len(model.inputs), 'input')}"
        raise other_ends(path, f"{found} and {counted(len(model.outputs), 'output')}")
    from edgecv.models.outputs import output_names

    outputs = [tensor_facts(each) for each in model.outputs]
    if len(outputs) > 1:
        named = zip(outputs, output_names(model), strict=True)
        outputs = [replace(each, name=name) for each, name in named]
    return tensor_facts(model.inputs[0]), outputs
