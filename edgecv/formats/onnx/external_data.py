"""Weights that an ONNX file keeps in other files: found, and never opened."""

import contextlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from edgecv.core.errors import RuntimeFailure
from edgecv.formats.tensors import first_line


def external_tensors(content: bytes, model: Any) -> Iterator[Any]:
    """Give the tensors that are in other files: of graphs within graphs and of functions too.

    A tensor that lies in another file says where with the key "location": the model is searched,
    which takes 0.1 s, only where that word occurs.
    """
    waiting = [model] if b"location" in content else []
    while waiting:
        message = waiting.pop()
        if message.DESCRIPTOR.name == "TensorProto":
            if message.external_data or message.data_location == type(message).EXTERNAL:
                yield message
            continue
        for descriptor, value in message.ListFields():
            if descriptor.message_type is not None:
                waiting.extend(value if descriptor.is_repeated else [value])


def refuse_external_data(path: Path, content: bytes) -> None:
    """Raise RuntimeFailure where some tensor of the file says that it lies in another file."""
    if b"location" not in content:
        return
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError as error:
        raise RuntimeFailure(str(path), f"is not an ONNX file: {first_line(error)}") from None
    for tensor in external_tensors(content, model):
        raise RuntimeFailure(
            str(path),
            f'its weights "{tensor.name}" are in another file',
            accepted="one file that holds everything",
            remedy="save it with onnx.save(..., save_as_external_data=False)",
        )


def is_inside(location: str, folder: Path) -> bool:
    """Tell whether a place that a model names lies in the folder of the model."""
    path = PurePosixPath(location.replace("\\", "/"))
    if not location or "\0" in location or path.is_absolute() or ".." in path.parts:
        return False
    with contextlib.suppress(OSError, RuntimeError):
        return (folder / path).resolve().is_relative_to(folder.resolve())
    return False
