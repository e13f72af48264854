"""TFLite metadata, as the Task Library reads it: labels and normalization, in the file itself.

The table is that of ``metadata_schema.fbs`` (version 1.0.0, identifier M001). It becomes a buffer
of the model without writing the rest of the file anew: a new root stands in front of the old bytes,
whose offsets are all relative. Labels are a zip archive behind them.
"""

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import StepError
from edgecv.core.plugins import DeployedFile
from edgecv.core.preprocessing import affine_of
from edgecv.core.text import counted, printable

NAME = b"TFLITE_METADATA"
IDENTIFIER = b"M001"
LABELS = "labels.txt"
ALIGNMENT = 64
"""The old bytes move by a multiple of this, so that every buffer stays aligned."""
FIELDS = 8
"""Fields of a model's table in version 3 of the schema: other numbers are not known here."""
VERSION_FIELD, BUFFERS_FIELD, METADATA_FIELD = 0, 4, 6
GRAYSCALE, RGB = 2, 1
IMAGE_PROPERTIES, FEATURE_PROPERTIES, NORMALIZATION = 2, 1, 1
"""Numbers of the members of unions."""
AXIS_LABELS = 2
ROOT_AT = 28
"""The place of the new root, behind the offset to it, the identifier and its table of fields."""
ENTRY = struct.pack("<HHHH", 8, 12, 4, 8)
"""The fields of an entry of a model's metadata: its name, and the number of its buffer."""
BUFFER = struct.pack("<HHHH", 6, 8, 4, 0)
"""The fields of a buffer: its data."""


def with_metadata(content: bytes, file: DeployedFile) -> bytes:
    """Return a .tflite file with its metadata; a runtime that ignores them gives the same answers.

    A file that has metadata keeps its own. Raises StepError for one whose table has fields that are
    not known.
    """
    if NAME in content:
        return content
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    if any(model.Buffers(number).Offset() > 1 for number in range(model.BuffersLength())):
        raise StepError(str(file.path), "keeps weights behind its tables: they cannot be moved")
    whole = _with_buffer(content, model_metadata(file), str(file.path))
    packed = io.BytesIO()
    packed.write(whole)
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(
            zipfile.ZipInfo(LABELS), labels_text(file)
        )  # Of 1980: the same bytes each time.
    return packed.getvalue()


def labels_text(file: DeployedFile) -> str:
    """Return the names of the outputs, a line each."""
    return "".join(f"{printable(name)}\n" for name in file.labels)


def model_metadata(file: DeployedFile) -> bytes:
    """Return the metadata of a file as a flatbuffer."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    channels = file.facts.image[2]
    scale, offset, _ = affine_of(file.preprocess, channels, str(file.path))
    # (pixel - mean) / std = pixel * scale + offset
    normalized = _table(
        builder,
        {0: _floats(builder, -offset / scale), 1: _floats(builder, 1 / scale)},
    )
    unit = _table(builder, {1: normalized}, numbers={0: NORMALIZATION})
    height, width, _ = file.facts.image
    size = _table(builder, {}, uints={0: width, 1: height})
    image = _table(builder, {1: size}, numbers={0: GRAYSCALE if channels == 1 else RGB})
    content = _table(builder, {1: image}, numbers={0: IMAGE_PROPERTIES})
    taken = _table(
        builder,
        {
            0: builder.CreateString(file.facts.input.name),
            1: builder.CreateString(
                f"an image of {height}x{width} pixels, {'grey' if channels == 1 else 'RGB'}"
            ),
            3: content,
            4: _tables(builder, [unit]),
        },
    )
    given = [_output(builder, file, number) for number in range(len(file.facts.outputs))]
    graph = _table(builder, {2: _tables(builder, [taken]), 3: _tables(builder, given)})
    root = _table(
        builder,
        {
            0: builder.CreateString(file.path.stem),
            1: builder.CreateString(f"task: {file.task.name}; made by edgecv"),
            3: _tables(builder, [graph]),
            7: builder.CreateString("1.0.0"),
        },
    )
    builder.Finish(root, IDENTIFIER)
    return bytes(builder.Output())


def _output(builder: Any, file: DeployedFile, number: int) -> int:
    """Write the metadata of an output, with labels if its last axis has as many."""
    name, labels = file.facts.outputs[number].name, file.labels
    content = _table(builder, {1: _table(builder, {})}, numbers={0: FEATURE_PROPERTIES})
    fields = {0: builder.CreateString(name), 3: content}
    if labels and file.facts.answers[number][-1] == len(labels):
        text = builder.CreateString(counted(len(labels), "label"))
        of_axis = _table(
            builder, {0: builder.CreateString(LABELS), 1: text}, numbers={2: AXIS_LABELS}
        )
        fields[6] = _tables(builder, [of_axis])
    return _table(builder, fields)


def _table(
    builder: Any,
    offsets: Mapping[int, int],
    *,
    numbers: Mapping[int, int] | None = None,
    uints: Mapping[int, int] | None = None,
) -> int:
    """Write a table of offsets, bytes and unsigned integers, by the number of the field."""
    numbers, uints = numbers or {}, uints or {}
    builder.StartObject(max([-1, *offsets, *numbers, *uints]) + 1)
    for field, place in offsets.items():
        builder.PrependUOffsetTRelativeSlot(field, place, 0)
    for field, value in uints.items():
        builder.PrependUint32Slot(field, value, 0)
    for field, value in numbers.items():
        builder.PrependInt8Slot(field, value, 0)
    return int(builder.EndObject())


def _tables(builder: Any, places: Sequence[int]) -> int:
    builder.StartVector(4, len(places), 4)
    for place in reversed(places):
        builder.PrependUOffsetTRelative(place)
    return int(builder.EndVector())


def _floats(builder: Any, values: NDArray[np.float64]) -> int:
    """Write one number for each channel, or one for all where they are equal."""
    some = values[:1] if np.all(values == values[0]) else values
    return int(builder.CreateNumpyVector(some.astype(np.float32)))


def _with_buffer(content: bytes, metadata: bytes, where: str) -> bytes:
    """Return a model with one more buffer, and its name among the model's metadata."""
    (root,) = struct.unpack_from("<I", content)
    (back,) = struct.unpack_from("<i", content, root)
    (length,) = struct.unpack_from("<H", content, root - back)
    slots = struct.unpack_from(f"<{length // 2 - 2}H", content, root - back + 4)
    if len(slots) > FIELDS or not slots[VERSION_FIELD]:
        raise StepError(where, "has a table of another version: no metadata can be added")
    fields = {
        number: _target(content, root + slot)
        for number, slot in enumerate(slots)
        if slot and number != VERSION_FIELD
    }
    buffers = _vector(content, fields[BUFFERS_FIELD])
    named = _vector(content, fields[METADATA_FIELD]) if METADATA_FIELD in fields else []
    buffers_at = ROOT_AT + 4 + 4 * FIELDS
    named_at = buffers_at + 4 + 4 * (len(buffers) + 1)
    entry_at = named_at + 4 + 4 * (len(named) + 1) + len(ENTRY)
    name_at = entry_at + 12
    buffer_at = name_at + 4 + len(NAME) + 1 + len(BUFFER)
    data_at = -(-(buffer_at + 12) // ALIGNMENT) * ALIGNMENT
    moved = -(-(data_at + len(metadata)) // ALIGNMENT) * ALIGNMENT
    front = bytearray(moved)
    struct.pack_into("<I4s", front, 0, ROOT_AT, content[4:8])
    fields = {number: place + moved for number, place in fields.items()}
    fields |= {BUFFERS_FIELD: buffers_at, METADATA_FIELD: named_at}
    has = [4 + 4 * n if n in fields or n == VERSION_FIELD else 0 for n in range(FIELDS)]
    struct.pack_into(f"<HH{FIELDS}H", front, 8, 4 + 2 * FIELDS, 4 + 4 * FIELDS, *has)
    struct.pack_into("<i4s", front, ROOT_AT, ROOT_AT - 8, content[root + slots[0] :][:4])
    for number, place in fields.items():
        _refer(front, ROOT_AT + 4 + 4 * number, place)
    _refer_all(front, buffers_at, [*(each + moved for each in buffers), buffer_at])
    _refer_all(front, named_at, [*(each + moved for each in named), entry_at])
    front[entry_at - len(ENTRY) : entry_at] = ENTRY
    struct.pack_into("<iII", front, entry_at, len(ENTRY), name_at - entry_at - 4, len(buffers))
    struct.pack_into(f"<I{len(NAME)}s", front, name_at, len(NAME), NAME)
    front[buffer_at - len(BUFFER) : buffer_at] = BUFFER
    struct.pack_into("<i", front, buffer_at, len(BUFFER))
    _refer(front, buffer_at + 4, data_at - 4)
    struct.pack_into("<I", front, data_at - 4, len(metadata))
    front[data_at : data_at + len(metadata)] = metadata
    return bytes(front) + content


def _target(content: bytes, place: int) -> int:
    """Return the place that the offset at ``place`` refers to."""
    return int(place + struct.unpack_from("<I", content, place)[0])


def _vector(content: bytes, place: int) -> list[int]:
    """Return the places of the tables of a vector."""
    (count,) = struct.unpack_from("<I", content, place)
    return [_target(content, place + 4 + 4 * number) for number in range(count)]


def _refer(front: bytearray, place: int, target: int) -> None:
    struct.pack_into("<I", front, place, target - place)


def _refer_all(front: bytearray, place: int, targets: Sequence[int]) -> None:
    """Write a vector of offsets."""
    struct.pack_into("<I", front, place, len(targets))
    for number, target in enumerate(targets):
        _refer(front, place + 4 + 4 * number, target)
