"""A root that is written in front of a TFLite file, whose old bytes stay as they are.

Offsets of a flatbuffer are relative and point forward, so that new tables may refer to old ones: no
weight is copied through a library, and every buffer keeps its alignment.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from edgecv.core.errors import StepError

ALIGNMENT = 64
"""The old bytes move by a multiple of this."""
IDENTIFIER = b"TFL3"
MODEL_FIELDS = ("number", *["offset"] * 7)
"""The kinds of the fields of a model's table in version 3 of the schema."""
OPERATOR_CODES, SUBGRAPHS, BUFFERS, METADATA, SIGNATURES = 1, 2, 4, 6, 7


class NewRoot:
    """A builder of flatbuffers that begins with the bytes of a file. Raises StepError."""

    def __init__(self, content: bytes, where: str) -> None:
        import flatbuffers
        from ai_edge_litert import schema_py_generated as schema

        self.model = schema.Model.GetRootAs(content, 0)
        self._where = where
        if any(self.model.Buffers(n).Offset() > 1 for n in range(self.model.BuffersLength())):
            raise StepError(where, "keeps weights behind its tables: they cannot be moved")
        old = content + bytes(-len(content) % ALIGNMENT)
        self.builder = flatbuffers.Builder(0)
        self.builder.Bytes, self.builder.head = bytearray(old), 0
        self.builder.minalign = ALIGNMENT
        self._end = len(old)

    def bytes(self, changed: Mapping[int, int]) -> bytes:
        """Return the file with some fields of its model replaced."""
        root = self.table(self.model, MODEL_FIELDS, changed)
        self.builder.Finish(root, IDENTIFIER)
        return bytes(self.builder.Output())

    def table(self, old: Any, kinds: Sequence[str], changed: Mapping[int, int]) -> int:
        """Write an old table again, with some of its fields replaced by new offsets.

        ``kinds``: "offset" or "number" (of four bytes) for each field of the table.
        """
        found = old._tab
        slots = [found.Offset(4 + 2 * field) for field in range(len(kinds))]
        (back,) = struct.unpack_from("<i", found.Bytes, found.Pos)
        (length,) = struct.unpack_from("<H", found.Bytes, found.Pos - back)
        if length // 2 - 2 > len(kinds):
            raise StepError(self._where, "has a table of another version: it cannot be changed")
        self.builder.StartObject(len(kinds))
        for field, (kind, slot) in enumerate(zip(kinds, slots, strict=True)):
            if field in changed:
                self.builder.PrependUOffsetTRelativeSlot(field, changed[field], 0)
            elif slot and kind == "offset":
                self.builder.PrependUOffsetTRelativeSlot(field, self.kept(old, field), 0)
            elif slot:
                (value,) = struct.unpack_from("<I", found.Bytes, found.Pos + slot)
                self.builder.PrependUint32Slot(field, value, None)
        return int(self.builder.EndObject())

    def kept(self, old: Any, field: int) -> int:
        """Return the offset to what a field of an old table refers to."""
        found = old._tab
        return int(self._end - found.Indirect(found.Pos + found.Offset(4 + 2 * field)))

    def place(self, old: Any) -> int:
        """Return the offset to an old table."""
        return int(self._end - old._tab.Pos)

    def tables(self, places: Sequence[int]) -> int:
        """Write a vector of tables."""
        self.builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            self.builder.PrependUOffsetTRelative(place)
        return int(self.builder.EndVector())
