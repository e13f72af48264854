"""The tables of a TFLite file, by its schema alone, with every place checked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgecv.core.errors import InputError
from edgecv.formats.contents import OPEN
from edgecv.formats.dtypes import bytes_of, count, for_one_image

DATA = 4
"""Where a buffer's table says where its bytes are."""
LONGEST_NAME = 300


@dataclass(frozen=True)
class Tensor:
    """One tensor of the file. ``stored_bytes`` is None where it is not a constant."""

    number: int
    name: str
    type: str
    declared: tuple[int, ...]
    """With -1 for open sides."""
    scales: tuple[float, ...]
    zero_point: int | None
    buffer: int
    stored_bytes: int | None
    is_sparse: bool
    is_variable: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape for one image, with -1 for sides that stay open."""
        return for_one_image(self.declared)

    @property
    def key(self) -> str:
        """What tells it from all others: names need not be distinct."""
        return str(self.number)

    @property
    def bytes(self) -> int | None:
        """What its values take; None where that is not known."""
        elements = count(self.shape)
        return None if elements is None else bytes_of(self.type, elements)

    @property
    def has_finite_scales(self) -> bool:
        """Whether its scales are numbers."""
        return all(map(math.isfinite, self.scales))


def damaged(where: str, how: str) -> InputError:
    """Return what to raise for a file that contradicts itself."""
    return InputError(
        where, f"is a damaged TFLite file: {how}", remedy="convert or download it again"
    )


class Tables:
    """One file: its first subgraph, all tensors of that, the kinds of its operators."""

    def __init__(self, content: bytes, where: str) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.schema = schema
        self.model = schema.Model.GetRootAs(content, 0)
        self._content = content
        self._where = where
        if not self.model.SubgraphsLength():
            raise damaged(where, "it has no subgraph")
        self.graph = self.model.Subgraphs(0)
        self._types = _names(schema.TensorType)
        self._kinds = _names(schema.BuiltinOperator)
        self.tensors = [self._tensor(number) for number in range(self.graph.TensorsLength())]
        self.kinds = [self._kind(number) for number in range(self.model.OperatorCodesLength())]

    def listed(self, vector: Any) -> list[Tensor | None]:
        """Return the tensors of a vector of numbers, None where one is left out."""
        numbers: list[int] = _list(vector)
        if (largest := max(numbers, default=-1)) >= len(self.tensors):
            raise damaged(self._where, f"it names tensor {largest} of {len(self.tensors)}")
        return [self.tensors[number] if number >= 0 else None for number in numbers]

    def description(self) -> str:
        """Return what the converter says of itself."""
        return _text(self.model.Description())

    def _tensor(self, number: int) -> Tensor:
        found = self.graph.Tensors(number)
        sides: Sequence[int] = _list(found.ShapeAsNumpy())
        if found.ShapeSignatureLength() == len(sides):
            sides = _list(found.ShapeSignatureAsNumpy())
        quantization = found.Quantization()
        scales = _list(quantization.ScaleAsNumpy()) if quantization is not None else []
        zero_points = _list(quantization.ZeroPointAsNumpy()) if quantization is not None else []
        name = _text(found.Name())
        tensor = Tensor(
            number=number,
            name=name,
            type=self._types.get(found.Type(), f"type {found.Type()}").lower(),
            declared=tuple(OPEN if side < 0 else side for side in sides),
            scales=tuple(scales),
            zero_point=zero_points[0] if zero_points else None,
            buffer=found.Buffer(),
            stored_bytes=self._stored_bytes(found.Buffer(), name),
            is_sparse=found.Sparsity() is not None,
            is_variable=bool(found.IsVariable()),
        )
        self._check_size(tensor)
        return tensor

    def _check_size(self, tensor: Tensor) -> None:
        stored, needed = tensor.stored_bytes, tensor.bytes
        if stored is not None and needed is not None and stored < needed and not tensor.is_sparse:
            how = f'"{tensor.name}" holds {stored:,} bytes, its shape needs {needed:,}'
            raise damaged(self._where, how)

    def _stored_bytes(self, number: int, name: str) -> int | None:
        """Return the size of a buffer, None where it is empty."""
        if not 0 <= number < self.model.BuffersLength():
            raise damaged(self._where, f'"{name}" lies in buffer {number}, which is not there')
        buffer = self.model.Buffers(number)
        if buffer.Offset() > 1:  # Files of more than 2 GB keep their weights behind the tables.
            start, size = buffer.Offset(), int(buffer.Size())
        elif size := int(buffer.DataLength()):
            start = buffer._tab.Vector(buffer._tab.Offset(DATA))
        else:
            return None
        if start + size > len(self._content):
            raise damaged(self._where, f'the values of "{name}" lie beyond its end')
        return size

    def _kind(self, number: int) -> str:
        code = self.model.OperatorCodes(number)
        builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kind = self._kinds.get(builtin, f"OPERATOR {builtin}")
        return f"CUSTOM({_text(code.CustomCode())})" if kind == "CUSTOM" else kind


def _text(value: bytes | None) -> str:
    return (value or b"")[:LONGEST_NAME].decode("utf-8", "replace")


def _list(values: Any) -> list[Any]:
    # flatbuffers gives the number 0 where a vector is left out.
    return values.tolist() if hasattr(values, "tolist") else []


def _names(enumeration: type) -> dict[int, str]:
    return {value: key for key, value in vars(enumeration).items() if isinstance(value, int)}
