"""A tree of TFLite tables, written with equal parts once and without gaps.

An offset leads forward, so tables stand in front of what they refer to, and behind them all the
vectors and texts. These and the tables of fields (vtables) fill the gaps before aligned vectors.
"""

import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edgecv.formats.tflite.schema import fields_of
from edgecv.formats.tflite.tree import IDENTIFIER, Leaf, TableNode

HEADER = 8
"""The bytes of the offset to the root, and of the identifier."""


@dataclass(frozen=True)
class Part:
    """A part of the file. Its offsets are written when all parts have their place."""

    content: bytes
    alignment: int = 4
    shift: int = 0
    """The place in the part that is aligned."""
    vtable: int | None = None
    """The part with the places of a table's fields."""
    offsets: tuple[tuple[int, int], ...] = ()
    """Places in the part, and the parts that they refer to."""


def written(model: TableNode) -> bytes:
    """Return the bytes of a file."""
    parts = _Parts()
    root = parts.table(model)
    places = _places(parts.all)
    content = bytearray(max(places[n] + len(part.content) for n, part in enumerate(parts.all)))
    struct.pack_into("<I4s", content, 0, places[root], IDENTIFIER)
    for number, part in enumerate(parts.all):
        place = places[number]
        content[place : place + len(part.content)] = part.content
        if part.vtable is not None:
            struct.pack_into("<i", content, place, place - places[part.vtable])
        for at, target in part.offsets:
            struct.pack_into("<I", content, place + at, places[target] - place - at)
    return bytes(content)


class _Parts:
    """The parts of a tree, each once, what a part refers to before it."""

    def __init__(self) -> None:
        self.all: list[Part] = []
        self._numbers: dict[Part, int] = {}
        self._tables: dict[int, int] = {}

    def table(self, table: TableNode) -> int:
        """Return the number of the part that a table is."""
        if id(table) not in self._tables:
            self._tables[id(table)] = self._new_table(table)
        return self._tables[id(table)]

    def _number(self, part: Part) -> int:
        if part not in self._numbers:
            self._numbers[part] = len(self.all)
            self.all.append(part)
        return self._numbers[part]

    def _new_table(self, table: TableNode) -> int:
        numbers: list[tuple[int, bytes]] = []
        offsets: dict[int, int] = {}
        for slot, field in sorted(fields_of(table.kind).items()):
            value = table.values.get(field.name)
            if value is None:
                continue
            if not field.code:
                offsets[slot] = self._referred(value)
                numbers.append((slot, bytes(4)))
            elif not field.is_default(value):
                numbers.append((slot, field.packed(value)))
        numbers.sort(key=lambda each: -len(each[1]))  # No gap between them.
        slots = [0] * (1 + max((slot for slot, _ in numbers), default=-1))
        content = bytes(4)
        for slot, number in numbers:
            slots[slot] = len(content)
            content += number
        fields = struct.pack(f"<HH{len(slots)}H", 4 + 2 * len(slots), len(content), *slots)
        return self._number(
            Part(
                content,
                max(4, *(len(number) for _, number in numbers), 4),
                4,
                self._number(Part(fields, 2)),
                tuple((slots[slot], target) for slot, target in offsets.items()),
            )
        )

    def _referred(self, value: Any) -> int:
        if isinstance(value, TableNode):
            return self.table(value)
        if isinstance(value, Leaf):
            return self._number(Part(value.content, max(value.alignment, 4), 4))
        targets = [self.table(each) for each in value]
        content = struct.pack("<I", len(targets)) + bytes(4 * len(targets))
        offsets = tuple((4 + 4 * n, target) for n, target in enumerate(targets))
        return self._number(Part(content, 4, offsets=offsets))


def _places(parts: list[Part]) -> list[int]:
    """Return the place of each part."""
    places, end = [0] * len(parts), HEADER
    leaves = [n for n, part in enumerate(parts) if part.vtable is None and not part.offsets]
    is_leaf = set(leaves)
    for number in reversed([n for n in range(len(parts)) if n not in is_leaf]):
        places[number] = _aligned(end, parts[number])
        end = places[number] + len(parts[number].content)
    small = [number for number in leaves if parts[number].alignment <= 4]
    fillers = _Fillers(parts, small)
    for number in (each for each in leaves if parts[each].alignment > 4):
        place = _aligned(end, parts[number])
        for filler, at in fillers.for_gap(end, place):
            places[filler] = at
        places[number] = place
        end = place + len(parts[number].content)
    # Those that need no alignment of 4 last.
    for number in sorted(fillers.left(), key=lambda each: -parts[each].alignment):
        places[number] = _aligned(end, parts[number])
        end = places[number] + len(parts[number].content)
    return places


class _Fillers:
    """Small parts that can stand in a gap."""

    def __init__(self, parts: list[Part], numbers: list[int]) -> None:
        self._parts = parts
        self._by_size: dict[int, list[int]] = defaultdict(list)
        for number in reversed(numbers):
            self._by_size[len(parts[number].content)].append(number)

    def for_gap(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield parts and their places in a gap, the largest that fits first."""
        for size in range(end - start, 3, -1):
            while numbers := self._by_size.get(size):
                place = _aligned(start, self._parts[numbers[-1]])
                if place + size > end:
                    break
                yield numbers.pop(), place
                start = place + size

    def left(self) -> list[int]:
        """Return the parts that stand in no gap."""
        return [number for numbers in self._by_size.values() for number in numbers]


def _aligned(end: int, part: Part) -> int:
    """Return the first place behind ``end`` at which a part is aligned."""
    return end + -(end + part.shift) % part.alignment
