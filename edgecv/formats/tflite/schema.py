"""The fields of TFLite's tables, read from LiteRT's own generated classes.

The package brings no schema file; its functions that write a field say place, type and default.
"""

import struct
from dataclasses import dataclass
from functools import cache
from typing import Any

SCALARS = {
    "Bool": "?",
    "Int8": "b",
    "Uint8": "B",
    "Int32": "i",
    "Uint32": "I",
    "Float32": "f",
    "Int64": "q",
    "Uint64": "Q",
}
"""Types of numbers in the names of those functions, and the codes of ``struct``."""


@dataclass(frozen=True)
class Field:
    """One field of a table."""

    name: str
    slot: int
    code: str = ""
    """The type of a number, as ``struct`` has it; empty if the field refers to something."""
    default: float = 0
    kind: str = ""
    """The part that it refers to: a table, "String", "Union"; empty for a vector of numbers."""
    element: int = 0
    """Bytes of an element of a vector; 0 if it is none."""

    def packed(self, number: float) -> bytes:
        """Return the bytes of a number."""
        return struct.pack(f"<{self.code}", number)

    def is_default(self, number: float) -> bool:
        """Return True if a number need not be written; -0.0 is another one than 0.0."""
        return self.packed(number) == self.packed(self.default)


class _Calls:
    """A builder that writes nothing and keeps what it was asked to write."""

    def __init__(self) -> None:
        self.last: tuple[str, tuple[Any, ...]] = ("", ())

    def __getattr__(self, name: str) -> Any:
        def call(*values: Any) -> None:
            self.last = (name, values)

        return call


@cache
def fields_of(table: str) -> dict[int, Field]:
    """Return the fields of a table by their slots."""
    from ai_edge_litert import schema_py_generated as schema

    prefix = f"{table}Add"
    adders = [name for name in vars(schema) if name.startswith(prefix)]
    read = vars(getattr(schema, table))
    found = [_field(table, name.removeprefix(prefix)) for name in adders]
    return {each.slot: each for each in found if each.name in read}


def _field(table: str, name: str) -> Field:
    from ai_edge_litert import schema_py_generated as schema

    calls = _Calls()
    getattr(schema, f"{table}Add{name}")(calls, 0)
    method, (slot, _, default) = calls.last
    scalar = method.removeprefix("Prepend").removesuffix("Slot")
    if scalar in SCALARS:
        return Field(name, slot, SCALARS[scalar], default)
    read = getattr(schema, table)
    used = getattr(read, name).__code__.co_names
    known = [each for each in used if each in ("String", "Union") or hasattr(schema, each)]
    kind = next((each for each in known if each != "flatbuffers"), "")
    element = 0
    if hasattr(read, f"{name}Length"):
        getattr(schema, f"{table}Start{name}Vector")(calls, 1)
        element = calls.last[1][0]
    return Field(name, slot, kind=kind, element=element)


@cache
def union_of(field: str) -> dict[int, str]:
    """Return the tables of a union by their numbers. ``field``: the name of the union's field."""
    from ai_edge_litert import schema_py_generated as schema

    enumeration = UNIONS.get(field, field)
    return {
        number: name
        for name, number in vars(getattr(schema, enumeration)).items()
        if isinstance(number, int) and number
    }


UNIONS = {
    "Details": "QuantizationDetails",
    "ArraySegments": "SparseIndexVector",
    "ArrayIndices": "SparseIndexVector",
}
"""Unions whose field has another name."""
