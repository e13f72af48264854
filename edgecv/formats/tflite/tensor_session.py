"""A TFLite file of any inputs and outputs, run on arrays."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgecv.core.artifact import FileEnds, TensorFacts
from edgecv.core.errors import UnsuitableFile
from edgecv.core.files import read_regular
from edgecv.core.input_spec import InputSpec
from edgecv.core.text import first_line
from edgecv.formats.declared_inputs import FileTensors, with_known_shape
from edgecv.formats.image_axes import OPEN
from edgecv.formats.tflite.interpreter import (
    Kernels,
    named_inputs,
    named_outputs,
    new_interpreter,
    refusal,
)
from edgecv.formats.tflite.state import keeps_state, without_state


class LiteRTTensors(FileTensors):
    """One TFLite file, opened for a batch of arrays; a recurrent one is reset before each run."""

    def __init__(
        self, path: Path, threads: int, input_spec: InputSpec, batch: int, kernels: Kernels
    ) -> None:
        super().__init__(path, input_spec, batch)
        content = read_regular(path)
        try:
            self._interpreter = new_interpreter(content, threads, kernels)
            taken = self._interpreter.get_input_details()
        except (RuntimeError, ValueError) as error:
            raise refusal(path, error) from None
        self._inputs = [int(each["index"]) for each in taken]
        named = zip(named_inputs(self._interpreter, taken), taken, strict=True)
        inputs = [_known(path, *each, input_spec, batch) for each in named]
        try:
            for index, before, now in zip(self._inputs, taken, inputs, strict=True):
                if tuple(before["shape"]) != now.shape:
                    self._interpreter.resize_tensor_input(index, list(now.shape))
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            if batch == 1:
                raise refusal(path, error) from None
            found = f"it cannot take {batch} images at once: {first_line(error)}"
            raise UnsuitableFile(str(path), found, accepted="a batch of 1") from None
        given = self._interpreter.get_output_details()
        self._outputs = [int(each["index"]) for each in given]
        self.ends = FileEnds(tuple(inputs), named_outputs(self._interpreter, given))
        self._has_state = keeps_state(content, str(path))

    def call(self, values: Sequence[NDArray[Any]]) -> Callable[[], object]:
        """Return a function that runs it on one array an input, set beforehand."""
        self.run(values)
        invoke: Callable[[], object] = self._interpreter.invoke
        return without_state(self._interpreter) if self._has_state else invoke

    def run(self, values: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the outputs for one array an input."""
        try:
            for index, array in zip(self._inputs, values, strict=True):
                self._interpreter.set_tensor(index, array)
            if self._has_state:
                self._interpreter.reset_all_variables()
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise refusal(self._path, error) from None
        return [self._interpreter.get_tensor(index) for index in self._outputs]


def _known(
    path: Path, tensor: TensorFacts, details: dict[str, Any], input_spec: InputSpec, batch: int
) -> TensorFacts:
    """Return an input of known shape; a batch of several replaces one of 1."""
    signature = tuple(int(length) for length in details["shape_signature"]) or tensor.shape
    if batch > 1 and signature[:1] == (1,):
        signature = (OPEN, *signature[1:])
    return with_known_shape(path, replace(tensor, shape=signature), input_spec, batch)
