"""The child's side of inspection: reads one file and returns its contents."""

from pathlib import Path

from edgecv.core.files import read_regular
from edgecv.core.input_spec import InputSpec
from edgecv.formats.contents import Contents
from edgecv.system.isolation.codec import encode
from edgecv.system.isolation.server import ActionServer, Response


def main() -> None:
    """Serve requests from standard input until it ends."""
    actions = {
        "keras": read_keras,
        "h5": read_h5,
        "saved_model": read_saved_model,
        "tflite": read_tflite,
        "onnx": read_onnx,
    }
    ActionServer("inspection").serve(actions)


def read_keras(path: str, input_spec: str) -> Response:
    """Read a Keras archive."""
    from edgecv.formats.keras import inspect as keras

    return encode(
        Contents, keras.read(Path(path), ".keras", InputSpec.model_validate_json(input_spec))
    )


def read_h5(path: str, input_spec: str) -> Response:
    """Read a Keras file in HDF5."""
    from edgecv.formats.keras import inspect as keras

    return encode(
        Contents, keras.read(Path(path), ".h5", InputSpec.model_validate_json(input_spec))
    )


def read_saved_model(path: str, input_spec: str) -> Response:
    """Read a SavedModel folder; ``input_spec`` changes nothing of what its tables say."""
    from edgecv.formats.saved_model import inspect as saved_model

    return encode(Contents, saved_model.read(Path(path)))


def read_tflite(path: str, input_spec: str) -> Response:
    """Read a TFLite file."""
    from edgecv.formats.tflite import inspect as tflite

    return encode(
        Contents,
        tflite.read(read_regular(Path(path)), path, InputSpec.model_validate_json(input_spec)),
    )


def read_onnx(path: str, input_spec: str) -> Response:
    """Read an ONNX file."""
    from edgecv.formats.onnx import inspect as onnx

    return encode(
        Contents,
        onnx.read(read_regular(Path(path)), path, InputSpec.model_validate_json(input_spec)),
    )
