"""The runtime of TFLite files: LiteRT, formerly TensorFlow Lite."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import RuntimeFailure
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.plugins import Watcher
from edgecv.core.records import Activation, ExecutedOperator, Images, TensorFacts
from edgecv.formats.file_runtime import FileRuntime, FileSession
from edgecv.formats.image_input import OPEN, image_of
from edgecv.formats.tensors import check_images, classes_of, facts_of, first_line
from edgecv.formats.tflite.execution import activations, executed, extremes
from edgecv.formats.tflite.state import keeps_state, without_state
from edgecv.formats.tflite.stored_weights import TFLiteWeights

TYPES = ("float32", "float16", "uint8", "int8", "int16")
Kernels = Literal["xnnpack", "builtin", "reference"]
USUAL_KERNELS: Kernels = "xnnpack"
RESOLVERS: dict[Kernels, str] = {
    "xnnpack": "AUTO",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}


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

    def executed(self, path: Path, image: Images) -> list[ExecutedOperator]:
        """Return the file's operators and which of them XNNPACK runs; LiteRT gives no times."""
        return executed(self.open(path, 1).interpreter(threads=1))

    def activations(self, path: Path, images: Images) -> list[Activation]:
        """Return the output of each operator for some images, in the file's order."""
        session = self.open(path, 1)
        check_images(path, session.facts, images)
        interpreter = session.interpreter(threads=1, keep_all=True)
        run = session.invocation(interpreter)
        return activations(interpreter, run, session.encode, images)

    def weights(self, content: bytes, path: Path) -> TFLiteWeights:
        """Return the reader of a file's graph."""
        return TFLiteWeights(content, str(path))

    def watcher(self, path: Path, threads: int, input_spec: InputSpec = DEFAULT_INPUT) -> Watcher:
        """Return a function that gives the extremes of each point for uint8 images (N, H, W, C)."""
        session = self.open(path, threads, input_spec)
        interpreter = session.interpreter(threads=threads, keep_all=True)
        numbers = self.weights(session.content, path).point_numbers()
        run = session.invocation(interpreter)
        at_once = 1 if session.has_state else None
        return lambda images: extremes(interpreter, run, numbers, session.encode(images), at_once)


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
        taken, given = self._only_input_and_output()
        self._input: int = taken["index"]
        self._output: int = given["index"]
        ends = _facts(taken), _facts(given)
        self.facts, self.encode = facts_of(path, *ends, input_spec, TYPES, TYPES)
        self._classes = classes_of(path, ends[1], ends[1].shape)
        if ends[0].shape[0] != 1 or ends[1].shape[0] != 1:
            raise RuntimeFailure(
                str(path),
                f"its batch is fixed at {ends[0].shape[0]} images and {ends[1].shape[0]} answers",
                accepted="a batch of 1",
                remedy="convert the model again with a batch of 1",
            )

    def single_call(self, image: Images) -> Callable[[], object]:
        """Return a function that runs one image, uint8 (1, H, W, C), on all threads.

        The reset of a recurrent file is a part of the call: a device needs it for each image too.
        """
        check_images(self._path, self.facts, image)
        interpreter = self.interpreter(threads=self._threads)
        interpreter.set_tensor(self._input, self.encode(image[:1]))
        return self.invocation(interpreter)

    def batch_call(self, images: Images) -> Callable[[], object]:
        """Return a function that runs some images at once, uint8 (N, H, W, C), on all threads.

        Raises RuntimeFailure if the graph fixes its batch at 1.
        """
        check_images(self._path, self.facts, images)
        if self.has_state and len(images) > 1:
            found = f"it is recurrent and cannot take {len(images)} images at once"
            raise RuntimeFailure(str(self._path), found, accepted="a batch of 1")
        interpreter = self.interpreter(threads=self._threads)
        try:
            interpreter.resize_tensor_input(self._input, [len(images), *self.facts.input.shape[1:]])
            interpreter.allocate_tensors()
            interpreter.set_tensor(self._input, self.encode(images))
            interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            found = f"it cannot take {len(images)} images at once: {first_line(error)}"
            raise RuntimeFailure(str(self._path), found, accepted="a batch of 1") from None
        answers = len(interpreter.get_tensor(self._output))
        if answers != len(images):
            found = f"it gives {answers} answers for {len(images)} images at once"
            raise RuntimeFailure(str(self._path), found, accepted="a batch of 1")
        return self.invocation(interpreter)

    def invocation(self, interpreter: Any) -> Callable[[], object]:
        """Return a function that runs an interpreter, without anything of an image before."""
        invoke: Callable[[], object] = interpreter.invoke
        return without_state(interpreter) if self.has_state else invoke

    def _runners(self, images: Images, values: NDArray[Any]) -> list[Callable[[slice], None]]:
        while len(self._interpreters) < self._threads:
            self._interpreters.append(self.interpreter(threads=1))
        return [self._runner(each, images, values) for each in self._interpreters]

    def _runner(
        self, interpreter: Any, images: Images, values: NDArray[Any]
    ) -> Callable[[slice], None]:
        set_tensor, get_tensor = interpreter.set_tensor, interpreter.get_tensor
        invoke = self.invocation(interpreter)
        shape = self.facts.output.shape

        def run(part: slice) -> None:
            for index in range(part.start, part.stop):
                set_tensor(self._input, self.encode(images[index : index + 1]))
                invoke()
                answer = get_tensor(self._output)
                if answer.shape != shape:
                    raise RuntimeFailure(
                        str(self._path),
                        f"it answers {list(answer.shape)}",
                        accepted=f"{list(shape)}, as it declares",
                    )
                values[index] = answer.ravel()

        return run

    def interpreter(self, threads: int, *, keep_all: bool = False) -> Any:
        """Return an interpreter, ready to run; with ``keep_all``, all its tensors can be read."""
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # It warns that keeping all tensors takes memory.
                interpreter = Interpreter(
                    model_content=self.content,
                    num_threads=threads,
                    experimental_op_resolver_type=OpResolverType[RESOLVERS[self._kernels]],
                    experimental_preserve_all_tensors=keep_all,
                )
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
            tensor = replace(_facts(details), shape=signature)
            layout, (height, width, channels) = image_of(self._path, tensor, self._reading)
            is_first = layout == "nchw"
            shape = [channels, height, width] if is_first else [height, width, channels]
            interpreter.resize_tensor_input(details["index"], [1, *shape])

    def _only_input_and_output(self) -> tuple[dict[str, Any], dict[str, Any]]:
        (interpreter,) = self._interpreters
        try:
            inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        except ValueError as error:
            raise self._refusal(error) from None
        if len(inputs) != 1 or len(outputs) != 1:
            raise RuntimeFailure(
                str(self._path),
                f"it has {_ends_text(inputs, 'input')} and {_ends_text(outputs, 'output')}",
                accepted="exactly one input and one output",
            )
        return inputs[0], outputs[0]

    def _refusal(self, error: Exception) -> RuntimeFailure:
        return RuntimeFailure(str(self._path), f"LiteRT refused it: {first_line(error)}")


def _ends_text(ends: list[dict[str, Any]], kind: str) -> str:
    names = ", ".join(str(each["name"]) for each in ends)
    return f"{len(ends)} {kind}{'s' if len(ends) != 1 else ''}" + (f" ({names})" if names else "")


def _facts(details: dict[str, Any]) -> TensorFacts:
    scale, zero_point = details["quantization"]
    quantized = float(scale) != 0.0  # LiteRT gives 0 for a tensor that is not quantized
    return TensorFacts(
        name=str(details["name"]),
        shape=tuple(int(length) for length in details["shape"]),
        type=np.dtype(details["dtype"]).name,
        scale=float(scale) if quantized else None,
        zero_point=int(zero_point) if quantized else None,
    )
