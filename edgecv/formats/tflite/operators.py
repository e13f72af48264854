"""Tensors and operators of a TFLite file."""

import math
from dataclasses import dataclass
from typing import Any

from edgecv.formats.dtypes import bytes_of, count, for_one_image


@dataclass(frozen=True)
class TFLiteTensor:
    """One tensor of the file. ``place`` and ``stored_bytes`` are None if it stores no values."""

    number: int
    name: str
    type: str
    declared: tuple[int, ...]
    """With -1 for open sides."""
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    buffer: int
    place: int | None
    """The offset of its values in the file."""
    stored_bytes: int | None
    is_sparse: bool
    is_variable: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape for one image, with -1 for sides that stay open."""
        return for_one_image(self.declared)

    @property
    def key(self) -> str:
        """A unique name; the names in the file need not be."""
        return str(self.number)

    @property
    def first_name(self) -> str:
        """The first of the names that a converter joined."""
        return self.name.split(";")[0]

    @property
    def is_constant(self) -> bool:
        """True if its values are known before the first image is run."""
        return self.stored_bytes is not None and not self.is_variable

    @property
    def zero_point(self) -> int | None:
        """The zero point of the whole tensor, or of its first channel."""
        return self.zero_points[0] if self.zero_points else None

    @property
    def bytes(self) -> int | None:
        """The size of its values in bytes; None if it is unknown."""
        elements = count(self.shape)
        return None if elements is None else bytes_of(self.type, elements)

    @property
    def has_finite_scales(self) -> bool:
        """True if all its scales are finite."""
        return all(map(math.isfinite, self.scales))


@dataclass(frozen=True)
class TFLiteOperator:
    """One operator of the file. An omitted input is None."""

    kind: str
    inputs: tuple[TFLiteTensor | None, ...]
    outputs: tuple[TFLiteTensor, ...]
    table: Any

    def __str__(self) -> str:
        return f'{self.kind} "{self.outputs[0].first_name}"'

    def option(self, name: str, default: int = 0) -> int:
        """Return an integer or boolean option, by its name in the schema's classes."""
        return int(self.number(name, default))

    def number(self, name: str, default: float = 0) -> float:
        """Return an option that may be a real number."""
        from ai_edge_litert import schema_py_generated as schema

        union = self.table.BuiltinOptions()
        kind = names_of(schema.BuiltinOptions).get(self.table.BuiltinOptionsType(), "NONE")
        if union is None or kind == "NONE":
            return default
        options = getattr(schema, kind)()
        options.Init(union.Bytes, union.Pos)
        found = getattr(options, name, None)
        return default if found is None else float(found())


def names_of(enumeration: type) -> dict[int, str]:
    """Map the numbers of an enumeration of the schema to their names."""
    return {value: key for key, value in vars(enumeration).items() if isinstance(value, int)}
