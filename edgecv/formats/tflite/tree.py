"""The tables of a TFLite file as a tree that can be changed and written again.

Read with every offset checked. What the schema of LiteRT does not know is refused, so that nothing
is lost when the tree is written.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgecv.formats.packing import UnknownStructure
from edgecv.formats.tflite.schema import Field, fields_of, union_of

IDENTIFIER = b"TFL3"
BYTES_ALIGNMENT = 16
"""The alignment of the values of a tensor, which the schema asks for."""


@dataclass(frozen=True)
class Leaf:
    """A vector of numbers or a text, with its length in front."""

    content: bytes
    alignment: int

    @property
    def values(self) -> bytes:
        """The bytes of its elements."""
        return self.content[4:]


@dataclass(eq=False)
class TableNode:
    """A table: numbers, leaves, tables and lists of tables by the names of the fields."""

    kind: str
    values: dict[str, Any] = field(default_factory=dict)

    def copy(self) -> "TableNode":
        """Return a table whose fields can be changed without changing this one's."""
        return TableNode(self.kind, dict(self.values))

    def tables(self, name: str) -> list["TableNode"]:
        """Return the tables of a vector, empty if it is left out."""
        return self.values.get(name) or []

    def number(self, name: str) -> int:
        """Return a number or its default."""
        return int(self.values.get(name, 0))

    def numbers(self, name: str) -> list[int]:
        """Return the int32 values of a vector, empty if it is left out."""
        leaf = self.values.get(name)
        return [] if leaf is None else np.frombuffer(leaf.values, "<i4").tolist()

    def text(self, name: str) -> str | None:
        """Return a text, or None."""
        leaf = self.values.get(name)
        return None if leaf is None else leaf.values[:-1].decode("utf-8", "replace")


def vector(content: bytes, element: int) -> Leaf:
    """Return a vector of numbers of ``element`` bytes each."""
    size = len(content) // element
    return Leaf(struct.pack("<I", size) + content, BYTES_ALIGNMENT if element == 1 else element)


def int32s(numbers: Sequence[int]) -> Leaf:
    """Return a vector of int32."""
    return vector(np.asarray(numbers, "<i4").tobytes(), 4)


def text(value: str) -> Leaf:
    """Return a text."""
    content = value.encode()
    return Leaf(struct.pack("<I", len(content)) + content + b"\0", 1)


class TreeReader:
    """Reads the tree of one file. ``end``: the end of the last part that was read."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._read: dict[tuple[int, str, int], Any] = {}
        self._bytes = 0
        self.end = 0

    def model(self) -> TableNode:
        """Return the root. Raises UnknownStructure."""
        try:
            if self._content[4:8] != IDENTIFIER:
                raise UnknownStructure("is no TFLite file of version 3")
            return self._table(self._target(0), "Model")
        except struct.error:
            raise UnknownStructure("refers to something beyond its end") from None

    def _target(self, place: int) -> int:
        return int(place + struct.unpack_from("<I", self._content, place)[0])

    def _table(self, place: int, kind: str) -> TableNode:
        if (place, kind, 0) not in self._read:
            self._read[place, kind, 0] = self._new_table(place, kind)
        table: TableNode = self._read[place, kind, 0]
        return table

    def _new_table(self, place: int, kind: str) -> TableNode:
        (back,) = struct.unpack_from("<i", self._content, place)
        start = place - back
        if start < 0:
            raise UnknownStructure("refers to something before its start")
        length, size = struct.unpack_from("<HH", self._content, start)
        slots = struct.unpack_from(f"<{max(length // 2 - 2, 0)}H", self._content, start + 4)
        self._count(place, size)
        if (start, "vtable", 0) not in self._read:  # Tables of one kind share it.
            self._read[start, "vtable", 0] = None
            self._count(start, length)
        known = fields_of(kind)
        if unknown := [slot for slot, at in enumerate(slots) if at and slot not in known]:
            raise UnknownStructure(f"has a field {unknown[0]} of {kind} that is not known")
        table = TableNode(kind)
        for slot, at in enumerate(slots):
            if at:
                self._value(table, known[slot], place + at)
        return table

    def _value(self, table: TableNode, field: Field, place: int) -> None:
        if field.code:
            (number,) = struct.unpack_from(f"<{field.code}", self._content, place)
            if not field.is_default(number):
                table.values[field.name] = number
            return
        kind = field.kind
        if kind == "Union":
            number = table.number(f"{field.name}Type")
            kind = union_of(field.name).get(number, "")
            if not kind:
                raise UnknownStructure(f"has {field.name} {number} of {table.kind}: not known")
        target = self._target(place)
        if field.element and kind:
            table.values[field.name] = self._tables(target, kind)
        elif field.element or kind == "String":
            table.values[field.name] = self._leaf(target, field.element)
        else:
            table.values[field.name] = self._table(target, kind)

    def _tables(self, place: int, kind: str) -> list[TableNode]:
        (size,) = struct.unpack_from("<I", self._content, place)
        self._count(place, 4 + 4 * size)
        return [self._table(self._target(place + 4 + 4 * n), kind) for n in range(size)]

    def _leaf(self, place: int, element: int) -> Leaf:
        key = (place, "", element)
        if key not in self._read:
            (size,) = struct.unpack_from("<I", self._content, place)
            end = place + 4 + (size * element if element else size + 1)
            self._count(place, end - place)
            values = self._content[place + 4 : end]
            self._read[key] = (
                vector(values, element) if element else Leaf(self._content[place:end], 1)
            )
        leaf: Leaf = self._read[key]
        return leaf

    def _count(self, place: int, size: int) -> None:
        """Count the bytes of a part: those of an honest file do not overlap."""
        self._bytes += size
        self.end = max(self.end, place + size)
        if self.end > len(self._content):
            raise UnknownStructure("refers to something beyond its end")
        if self._bytes > len(self._content):
            raise UnknownStructure("has parts that overlap")
