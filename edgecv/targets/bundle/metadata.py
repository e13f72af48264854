"""TFLite metadata, as the Task Library reads it: labels and normalization, in the file itself.

The table is that of ``metadata_schema.fbs`` (version 1.0.0, identifier M001). It becomes a buffer
of the model, and labels are a zip archive behind it.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.plugins import DeployedFile
from edgecv.core.preprocessing import affine_of
from edgecv.core.text import counted, printable
from edgecv.formats.tflite.edit import edited
from edgecv.formats.tflite.tree import TableNode, text, vector

NAME = b"TFLITE_METADATA"
IDENTIFIER = b"M001"
LABELS = "labels.txt"
COLOURS = {"grey": 2, "RGB": 1}
UNKNOWN = 0
"""Colours that the schema has no number for: a reader must not take them for others."""
IMAGE_PROPERTIES, FEATURE_PROPERTIES, NORMALIZATION = 2, 1, 1
"""Numbers of the members of unions."""
AXIS_LABELS = 2


def with_metadata(content: bytes, file: DeployedFile) -> bytes:
    """Return a .tflite file with its metadata; a runtime that ignores them gives the same answers.

    A file that has metadata keeps its own. Raises StepError for one that cannot be written again.
    """
    if NAME in content:
        return content
    metadata = model_metadata(file)

    def add(model: TableNode) -> None:
        buffers = model.tables("Buffers")
        entry = TableNode("Metadata", {"Name": text(NAME.decode()), "Buffer": len(buffers)})
        model.values["Metadata"] = [*model.tables("Metadata"), entry]
        model.values["Buffers"] = [*buffers, TableNode("Buffer", {"Data": vector(metadata, 1)})]

    whole = edited(content, str(file.path), add)
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
    scale, offset, order = affine_of(file.preprocess, channels, str(file.path))
    colours = "grey" if channels == 1 else "".join("RGBA"[place] for place in order)
    # (pixel - mean) / std = pixel * scale + offset
    normalized = _table(
        builder,
        {0: _floats(builder, 0 - offset / scale), 1: _floats(builder, 1 / scale)},
    )
    unit = _table(builder, {1: normalized}, numbers={0: NORMALIZATION})
    height, width, _ = file.facts.image
    size = _table(builder, {}, uints={0: width, 1: height})
    image = _table(builder, {1: size}, numbers={0: COLOURS.get(colours, UNKNOWN)})
    content = _table(builder, {1: image}, numbers={0: IMAGE_PROPERTIES})
    taken = _table(
        builder,
        {
            0: builder.CreateString(file.facts.input.name),
            1: builder.CreateString(f"an image of {height}x{width} pixels, {colours}"),
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
    """Write the metadata of an output, with labels where its last axis is what they name.

    Boxes have four numbers, whether or not there are four classes.
    """
    name, labels = file.facts.outputs[number].name, file.labels
    content = _table(builder, {1: _table(builder, {})}, numbers={0: FEATURE_PROPERTIES})
    fields = {0: builder.CreateString(name), 3: content}
    is_named = number == 0 and file.task.has_one_output
    if is_named and labels and file.facts.answers[number][-1] == len(labels):
        counts = builder.CreateString(counted(len(labels), "label"))
        of_axis = _table(
            builder, {0: builder.CreateString(LABELS), 1: counts}, numbers={2: AXIS_LABELS}
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
