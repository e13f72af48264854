"""The child's side of inspection: reads one file and returns its contents."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from edgecv.core.files import read_regular
from edgecv.core.input_spec import InputSpec
from edgecv.formats.contents import Contents
from edgecv.system.isolation.codec import encode
from edgecv.system.isolation.server import ActionServer, Response


def main() -> None:
    """Serve requests from standard input until it ends."""
    actions: dict[str, Callable[[Path, InputSpec], Contents]] = {
        "keras": partial(read_keras, suffix=".keras"),
        "h5": partial(read_keras, suffix=".h5"),
        "saved_model": read_saved_model,
        "tflite": read_tflite,
        "onnx": read_onnx,
    }
    ActionServer("inspection").serve({name: partial(_read, each) for name, each in actions.items()})


def _read(reader: Callable[[Path, InputSpec], Contents], path: str, input_spec: str) -> Response:
    return encode(Contents, reader(Path(path), InputSpec.model_validate_json(input_spec)))


def read_keras(path: Path, input_spec: InputSpec, suffix: str) -> Contents:
    """Read a Keras archive, or a Keras file in HDF5."""
    from edgecv.formats.keras import inspect as keras

    return keras.read(path, suffix, input_spec)


def read_saved_model(path: Path, input_spec: InputSpec) -> Contents:
    """Read a SavedModel folder; ``input_spec`` changes nothing of what its tables say."""
    from edgecv.formats.saved_model import inspect as saved_model

    return saved_model.read(path)


def read_tflite(path: Path, input_spec: InputSpec) -> Contents:
    """Read a TFLite file."""
    from edgecv.formats.tflite import inspect as tflite

    return tflite.read(read_regular(path), str(path), input_spec)


def read_onnx(path: Path, input_spec: InputSpec) -> Contents:
    """Read an ONNX file."""
    from edgecv.formats.onnx import inspect as onnx

    return onnx.read(read_regular(path), str(path), input_spec)
