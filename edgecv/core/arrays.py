"""Arrays in pydantic records: serialized as indices into a separate list of arrays."""

import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core.core_schema import CoreSchema, SerializationInfo, ValidationInfo


DAMAGED_ARRAY = (EOFError, ValueError, tokenize.TokenError)
"""Errors of ``numpy.load`` for an .npy file that is damaged, where the disk can be read."""


@dataclass(frozen=True)
class ArrayField:
    """Annotation of an array field: serialized as an index into the list given as context.

    ``type`` and ``sides`` (number of dimensions) are checked when it is read back.
    """

    type: str
    sides: int

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> "CoreSchema":
        """Return how pydantic reads and writes it."""
        from pydantic_core import core_schema

        return core_schema.with_info_plain_validator_function(
            self._read,
            serialization=core_schema.plain_serializer_function_ser_schema(
                self._write, info_arg=True
            ),
        )

    def _write(self, array: Any, info: "SerializationInfo[Any]") -> int:
        info.context.append(array)
        return len(info.context) - 1

    def _read(self, index: Any, info: "ValidationInfo[Any]") -> Any:
        if type(index) is not int or not 0 <= index < len(info.context):
            raise ValueError("is the index of no array")
        found = info.context[index]
        if found.dtype != self.type or found.ndim != self.sides:
            raise ValueError(f"is an array of {found.dtype} {found.shape}")
        return found
