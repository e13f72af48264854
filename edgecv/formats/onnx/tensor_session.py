"""An ONNX file of any inputs and outputs, run on arrays."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgecv.core.artifact import FileEnds
from edgecv.core.errors import RuntimeFailure, UnsuitableFile
from edgecv.core.input_spec import InputSpec
from edgecv.core.text import first_line
from edgecv.formats.declared_inputs import FileTensors, with_known_shape
from edgecv.formats.image_axes import OPEN
from edgecv.formats.onnx.ends import ends_of
from edgecv.formats.onnx.session import bound_call


class OnnxTensors(FileTensors):
    """One ONNX file in a session of ONNX Runtime, for a batch of arrays."""

    def __init__(
        self, path: Path, session: Any, content: bytes, input_spec: InputSpec, batch: int
    ) -> None:
        super().__init__(path, input_spec, batch)
        self._session = session
        inputs = []
        for tensor in ends_of(session, content, path, "input"):
            if batch > 1 and tensor.shape[:1] not in ((OPEN,), (batch,)):
                raise UnsuitableFile(
                    str(path),
                    f"its batch is fixed at {tensor.shape[0] if tensor.shape else 1},"
                    f" and {batch} images were given",
                    accepted=f"a batch of {tensor.shape[0] if tensor.shape else 1}",
                )
            inputs.append(with_known_shape(path, tensor, input_spec, batch))
        self.ends = FileEnds(tuple(inputs), tuple(ends_of(session, content, path, "output")))

    def call(self, values: Sequence[NDArray[Any]]) -> Callable[[], object]:
        """Return a function that runs it on one array an input, set beforehand."""
        named = dict(zip([each.name for each in self.ends.inputs], values, strict=True))
        return bound_call(self._session, named, [each.name for each in self.ends.outputs])

    def run(self, values: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the outputs for one array an input."""
        names = [each.name for each in self.ends.inputs]
        try:
            return list(self._session.run(None, dict(zip(names, values, strict=True))))
        except Exception as error:  # noqa: BLE001  its errors have no base class of their own
            found = f"ONNX Runtime refused it: {first_line(error)}"
            raise RuntimeFailure(str(self._path), found) from None
