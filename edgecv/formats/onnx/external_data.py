"""Weights that an ONNX file keeps in other files: taken where they lie in its folder."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from edgecv.core.errors import UnsuitableFile
from edgecv.core.files import open_regular
from edgecv.core.text import first_line
from edgecv.formats.onnx.graph_types import ModelProto

SIGN = b"location"
"""The key under which a tensor names its file: a file without it has no weights elsewhere."""
LARGEST_DATA_BYTES = 2**30
"""Most bytes of all tensors that are stored in other files."""
LONGEST_NAME = 300
REMEDY = "save it with onnx.save(..., save_as_external_data=False)"


def external_tensors(content: bytes, model: ModelProto) -> Iterator[Any]:
    """Yield the tensors that are stored in other files, also those of nested graphs and functions.

    Such a tensor names its file under the key "location". A file without that string is not
    searched, which saves 0.1 s.
    """
    for message in messages(model) if SIGN in content else ():
        is_tensor = message.DESCRIPTOR.name == "TensorProto"
        if is_tensor and (message.external_data or message.data_location == type(message).EXTERNAL):
            yield message


def messages(model: ModelProto) -> Iterator[Any]:
    """Yield every message of a model: those of nested graphs and functions too, down to tensors."""
    waiting: list[Any] = [model]
    while waiting:
        message = waiting.pop()
        yield message
        if message.DESCRIPTOR.name == "TensorProto":
            continue  # To list its fields would copy its values.
        for descriptor, value in message.ListFields():
            if descriptor.message_type is not None:
                waiting.extend(value if descriptor.is_repeated else [value])


def may_be_external(path: Path) -> bool:
    """Return True if an ONNX file may keep weights in other files; it is read, and not parsed."""
    return SIGN in _content(path)


def files_beside(path: Path) -> list[Path]:
    """Return the files in an ONNX file's folder that it names, if any of them may hold weights.

    It is read, and not parsed: an exporter may change them alone.
    """
    content = _content(path)
    if SIGN not in content:
        return []
    folder = sorted(path.absolute().parent.iterdir())
    return [
        each
        for each in folder
        if each.is_file() and each.name != path.name and os.fsencode(each.name) in content
    ]


def _content(path: Path) -> bytes:
    """Return the bytes of an ONNX file; none of another file."""
    if path.suffix.lower() != ".onnx" or not path.is_file():
        return b""
    with open_regular(path) as file:
        return file.read()


def in_one_file(path: Path, content: bytes) -> bytes:
    """Return an ONNX file's content with the weights that it keeps beside it.

    Raises UnsuitableFile where they lie outside of its folder, are missing, too large or cut short.
    """
    if SIGN not in content:
        return content
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError as error:
        raise UnsuitableFile(str(path), f"is not an ONNX file: {first_line(error)}") from None
    left, found = LARGEST_DATA_BYTES, False
    for tensor in external_tensors(content, model):
        data = _data_of(tensor, path, left)
        left, found = left - len(data), True
        del tensor.external_data[:]
        tensor.data_location = type(tensor).DEFAULT
        tensor.raw_data = data
    return bytes(model.SerializeToString(deterministic=True)) if found else content


def is_inside(location: str, folder: Path) -> bool:
    """Return True if a path that a model names is inside the model's folder."""
    path = PurePosixPath(location.replace("\\", "/"))
    if not location or "\0" in location or path.is_absolute() or ".." in path.parts:
        return False
    return _real(folder / path).is_relative_to(_real(folder))


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # Unlike resolve(), it survives a loop of links.


def _data_of(tensor: Any, path: Path, most_bytes: int) -> bytes:
    """Return the bytes of one tensor that is stored in another file."""
    named = {each.key: each.value for each in tensor.external_data}
    location, folder = named.get("location", ""), path.absolute().parent
    name = f'its weights "{tensor.name[:LONGEST_NAME]}" are in "{location[:LONGEST_NAME]}"'

    def refused(why: str) -> UnsuitableFile:
        accepted = f"files in its folder, {LARGEST_DATA_BYTES / 1e6:,.0f} MB of weights in all"
        return UnsuitableFile(str(path), f"{name}, {why}", accepted=accepted, remedy=REMEDY)

    if not is_inside(location, folder):
        raise refused("which is outside of its folder")
    offset, length = (_number(named.get(key, "0")) for key in ("offset", "length"))
    if offset is None or length is None:
        raise refused("at a place that is no number")
    try:
        with open_regular(_real(folder / location), str(path)) as file:
            file.seek(offset)
            data = file.read(min(length, most_bytes + 1) if "length" in named else most_bytes + 1)
    except OSError as error:
        raise refused(f"which cannot be read: {error.strerror or first_line(error)}") from None
    if len(data) > most_bytes:
        raise refused("and there are too many of them")
    if len(data) < length:
        raise refused(f"which ends after {offset + len(data):,} of {offset + length:,} bytes")
    return data


def _number(text: str) -> int | None:
    """Return a number of bytes; None where it is none, or too large for any file."""
    is_number = text.isascii() and text.isdecimal() and len(text) < len(str(2**62))
    return int(text) if is_number else None
