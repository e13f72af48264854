"""The runtime of TFLite files: LiteRT, formerly TensorFlow Lite."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray

from edgecv.core.artifact import Activation, ExecutedOperator
from edgecv.core.data import Images
from edgecv.core.errors import RuntimeFailure, UnsuitableFile
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.plugins import Watcher
from edgecv.formats.file_runtime import FileRuntime, FileSession
from edgecv.formats.image_axes import OPEN, image_axes
from edgecv.formats.tensors import check_images, facts_of, other_ends, with_answers
from edgecv.formats.tflite.execution import activations, executed, extremes
from edgecv.formats.tflite.input_probe import TFLiteProbe
from edgecv.formats.tflite.interpreter import (
    Kernels,
    facts_of_tensor,
    named_inputs,
    named_outputs,
    new_interpreter,
    refusal,
)
from edgecv.formats.tflite.state import keeps_state, without_state
from edgecv.formats.tflite.stored_weights import TFLiteWeights
from edgecv.formats.tflite.tensor_session import LiteRTTensors

TYPES = ("float32", "float16", "uint8", "int8", "int16")


class LiteRT(FileRuntime):
    """Runs TFLite files with LiteRT's interpreter and its default (XNNPACK) kernels."""

    name: ClassVar[str] = "litert"
    format: ClassVar[str] = "tflite"
    format_title: ClassVar[str] = "TFLite"
    suffixes: ClassVar[tuple[str, ...]] = (".tflite",)
    has_delegate: ClassVar[bool] = True
    fixes_scales: ClassVar[bool] = True
    kernel_variants: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "XNNPACK": {"kernels": "xnnpack"},
        "builtin": {"kernels": "builtin"},
        "reference": {"kernels": "reference"},
    }

    kernels: Kernels = "xnnpack"
    """The kernels that run the operators. builtin: those of interpreters without XNNPACK, as on
    microcontrollers; reference: plain loops, up to a thousand times slower."""

    def open(
        self, path: Path, threads: int, input_spec: InputSpec = DEFAULT_INPUT
    ) -> "LiteRTSession":
        """Open the file at ``path``. Raises RuntimeFailure if it is not usable."""
        return LiteRTSession(path, threads, input_spec, self.kernels)

    def open_tensors(
        self, path: Path, threads: int, input_spec: InputSpec = DEFAULT_INPUT, batch: int = 1
    ) -> LiteRTTensors:
        """Open a file of any inputs and outputs. Raises RuntimeFailure if it is not usable."""
        return LiteRTTensors(path, threads, input_spec, batch, self.kernels)

    def executed(
        self, path: Path, image: Images, input_spec: InputSpec = DEFAULT_INPUT
    ) -> list[ExecutedOperator]:
        """Return the file's operators and which of them XNNPACK runs; LiteRT gives no times."""
        return executed(self.open(path, 1, input_spec).interpreter(threads=1))

    def activations(
        self, path: Path, images: Images, input_spec: InputSpec = DEFAULT_INPUT
    ) -> list[Activation]:
        """Return the output of each operator for some images, in the file's order."""
        session = self.open(path, 1, input_spec)
        check_images(path, session.facts, images)
        interpreter = session.interpreter(threads=1, keep_all=True)
        run = session.invocation(interpreter)
        return activations(interpreter, run, session.feed, images, session.images_of_a_run)

    def weights(self, content: bytes, path: Path) -> TFLiteWeights:
        """Return the reader of a file's graph."""
        return TFLiteWeights(content, str(path))

    def probe(self, session: FileSession, path: Path) -> TFLiteProbe:
        """Return the file, run up to one of its first layers."""
        assert isinstance(session, LiteRTSession)
        interpreter = session.interpreter(threads=1, keep_all=True)
        number = self.weights(session.content, path).first_weights_input()
        return TFLiteProbe(interpreter, session.invocation(interpreter), number, session.first_part)

    def watcher(
        self,
        path: Path,
        threads: int,
        input_spec: InputSpec = DEFAULT_INPUT,
        padding: Sequence[float] = (),
    ) -> Watcher:
        """Return a function that gives the extremes of each point for uint8 images (N, H, W, C)."""
        if padding:
            raise RuntimeFailure(str(path), "its borders cannot be given other values")
        session = self.open(path, threads, input_spec)
        interpreter = session.interpreter(threads=threads, keep_all=True)
        numbers = self.weights(session.content, path).point_numbers()
        run = session.invocation(interpreter)
        at_once = session.images_of_a_run if session.has_fixed_batch else None
        return lambda images: extremes(interpreter, run, numbers, session.feed, images, at_once)


class LiteRTSession(FileSession):
    """One TFLite file, opened.

    Predictions run one image at a time on ``threads`` interpreters of one thread each: that is
    as fast as a batch (int8 CIFAR network, 5,000 images: 0.12 s on one thread, 0.07 s on two,
    batched or not), it is what a device does, and predictions cannot depend on the batch size or
    the number of threads.

    A recurrent file keeps its state from one invocation to the next: it is reset before each
    image, and such a file never runs several at once.
    """

    def __init__(
        self, path: Path, threads: int, input_spec: InputSpec, kernels: Kernels = "xnnpack"
    ) -> None:
        super().__init__(path, threads)
        self._kernels = kernels
        self._reading = input_spec
        self._interpreters = [self.interpreter(threads=1)]
        self.has_state = keeps_state(self.content, str(path))
        (taken,), given = self._ends()
        self._input: int = taken["index"]
        self._outputs: list[int] = [each["index"] for each in given]
        outputs = named_outputs(self._interpreters[0], given)
        self.facts, self.encode = facts_of(
            path, named_inputs(self._interpreters[0], [taken])[0], outputs, input_spec, TYPES, TYPES
        )
        if not self.facts.answers:  # Nothing is declared for one image: it is refused by its shape.
            self.facts = with_answers(path, self.facts, [each.shape for each in outputs])
        self._batch = self.facts.batch
        for tensor, shape in zip(outputs, self.facts.answers, strict=True):
            if math.prod(tensor.shape) != self._batch * math.prod(shape):
                raise UnsuitableFile(
                    str(path),
                    f"its batch is fixed at {self._batch} images, and its output has shape"
                    f" {list(tensor.shape)}",
                    accepted="an answer for each image",
                    remedy="convert the model again with a batch of 1",
                )

    @property
    def has_fixed_batch(self) -> bool:
        """True if a run takes a certain number of images only: its batch, or one for a state."""
        return self.has_state or self._batch > 1 or not self.facts.axes.startswith("N")

    def single_call(self, image: Images) -> Callable[[], object]:
        """Return a function that runs one image, uint8 (1, H, W, C), on all threads.

        The reset of a recurrent file is a part of the call: a device needs it for each image too.
        """
        check_images(self._path, self.facts, image)
        interpreter = self.interpreter(threads=self._threads)
        interpreter.set_tensor(self._input, self.feed(image[:1]))
        return self.invocation(interpreter)

    def invocation(self, interpreter: Any) -> Callable[[], object]:
        """Return a function that runs an interpreter, without anything of an image before."""
        invoke: Callable[[], object] = interpreter.invoke
        return without_state(interpreter) if self.has_state else invoke

    def _runners(
        self, images: Images, values: Sequence[NDArray[Any]]
    ) -> list[Callable[[slice], None]]:
        while len(self._interpreters) < self._threads:
            self._interpreters.append(self.interpreter(threads=1))
        return [self._runner(each, images, values) for each in self._interpreters]

    def _runner(
        self, interpreter: Any, images: Images, values: Sequence[NDArray[Any]]
    ) -> Callable[[slice], None]:
        set_tensor, get_tensor = interpreter.set_tensor, interpreter.get_tensor
        invoke = self.invocation(interpreter)

        def run(part: slice) -> None:
            for start in range(part.start, part.stop, self._batch):
                stop = min(start + self._batch, part.stop)
                set_tensor(self._input, self.feed(images[start:stop]))
                invoke()
                self._keep(values, slice(start, stop), [get_tensor(each) for each in self._outputs])

        return run

    def interpreter(self, threads: int, *, keep_all: bool = False) -> Any:
        """Return an interpreter, ready to run; with ``keep_all``, all its tensors can be read."""
        try:
            interpreter = new_interpreter(self.content, threads, self._kernels, keep_all=keep_all)
            self._give_size(interpreter)
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise self._refusal(error) from None
        return interpreter

    def _give_size(self, interpreter: Any) -> None:
        """Resize an input of open height and width, before its tensors are allocated."""
        for details in interpreter.get_input_details():
            signature = tuple(int(length) for length in details["shape_signature"])
            if OPEN not in signature[1:]:
                continue
            tensor = replace(facts_of_tensor(details), shape=signature)
            axes = image_axes(self._path, tensor, self._reading)
            interpreter.resize_tensor_input(details["index"], axes.shape(max(1, axes.batch)))

    def _ends(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        (interpreter,) = self._interpreters
        try:
            inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        except ValueError as error:
            raise self._refusal(error) from None
        if len(inputs) != 1 or not outputs:
            found = f"it has {_ends_text(inputs, 'input')} and {_ends_text(outputs, 'output')}"
            raise other_ends(self._path, found)
        return inputs, outputs

    def _refusal(self, error: Exception) -> RuntimeFailure:
        return refusal(self._path, error)


def _ends_text(ends: list[dict[str, Any]], kind: str) -> str:
    names = ", ".join(str(each["name"]) for each in ends)
    return f"{len(ends)} {kind}{'s' if len(ends) != 1 else ''}" + (f" ({names})" if names else "")
