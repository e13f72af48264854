"""The tables of a TFLite file, read by LiteRT's own schema classes, with every offset checked.

The one reader of TFLite files: exporter, runtime, inspection and checks use it.
"""

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import EdgecvError
from edgecv.formats.contents import OPEN, damaged_file
from edgecv.formats.tflite.operators import TFLiteOperator, TFLiteTensor, names_of
from edgecv.formats.tflite.sparse import densified

DATA = 4
"""The field of a buffer's table that holds its bytes."""
SCALES = 8
"""The field of a quantization's table that holds its scales."""
LONGEST_NAME = 300
INT8_SHIFT = 128
"""The offset from int8 codes to uint8 codes."""
CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")
UNPACKING = ("DEQUANTIZE", "DENSIFY")
"""Operators that turn constants into constants; a runtime runs them once."""
READ_AS = ("int8", "uint8", "int16", "int32", "int64", "float16", "float32")
"""Types whose values are read; their names are numpy's."""


damaged = partial(damaged_file, "TFLite")


@contextmanager
def damage_refused(where: str) -> Iterator[None]:
    """Raise InputError for what the tables of a damaged file make Python raise."""
    try:
        yield
    except EdgecvError:
        raise
    except struct.error:
        raise damaged(where, "it refers to places beyond its end") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise damaged(where, f"{type(error).__name__}: {error}") from error


class TFLiteTables:
    """One file: the tensors and operators of its first subgraph. Raises InputError on damage.

    ``shapes``: by the number of a tensor, for another size of the input than the file declares.
    """

    def __init__(
        self, content: bytes, where: str, shapes: Mapping[int, tuple[int, ...]] | None = None
    ) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.model = schema.Model.GetRootAs(content, 0)
        self._content = content
        self._where = where
        self._shapes = shapes or {}
        if not self.model.SubgraphsLength():
            raise damaged(where, "it has no subgraph")
        self.graph = self.model.Subgraphs(0)
        self._types = names_of(schema.TensorType)
        self._kinds = names_of(schema.BuiltinOperator)
        self.tensors = [self._tensor(number) for number in range(self.graph.TensorsLength())]
        self.kinds = [self._kind(number) for number in range(self.model.OperatorCodesLength())]

    @cached_property
    def inputs(self) -> tuple[TFLiteTensor, ...]:
        """The inputs of the model."""
        return _present(self._listed(self.graph.InputsAsNumpy()))

    @cached_property
    def outputs(self) -> tuple[TFLiteTensor, ...]:
        """The outputs of the model."""
        return _present(self._listed(self.graph.OutputsAsNumpy()))

    @cached_property
    def operators(self) -> tuple[TFLiteOperator, ...]:
        """The operators in the file's order."""
        tables = map(self.graph.Operators, range(self.graph.OperatorsLength()))
        return tuple(
            TFLiteOperator(
                self.kinds[table.OpcodeIndex()],
                tuple(self._listed(table.InputsAsNumpy())),
                _present(self._listed(table.OutputsAsNumpy())),
                table,
            )
            for table in tables
        )

    @property
    def kinds_in_use(self) -> set[str]:
        """The kinds of the operators of all subgraphs, such as the body of a loop."""
        graphs = map(self.model.Subgraphs, range(self.model.SubgraphsLength()))
        return {
            self.kinds[graph.Operators(number).OpcodeIndex()]
            for graph in graphs
            for number in range(graph.OperatorsLength())
        }

    @cached_property
    def _producers(self) -> dict[int, TFLiteOperator]:
        return {made.number: each for each in self.operators for made in each.outputs}

    def producer(self, tensor: TFLiteTensor) -> TFLiteOperator | None:
        """Return the operator that makes a tensor."""
        return self._producers.get(tensor.number)

    def constant(self, tensor: TFLiteTensor | None) -> TFLiteTensor | None:
        """Return the tensor that stores a constant; None if it is computed.

        float16 and sparse weights reach their operator through one that unpacks them.
        """
        for _ in range(len(self.operators) + 1):
            if tensor is None or tensor.is_constant:
                return tensor
            maker = self.producer(tensor)
            if maker is None or maker.kind not in UNPACKING or not maker.inputs:
                return None
            tensor = maker.inputs[0]
        return None

    def values(self, tensor: TFLiteTensor | None) -> NDArray[Any] | None:
        """Return the stored values of a constant; None if it is computed or cannot be read."""
        stored = self.constant(tensor)
        if stored is None or stored.type not in (*READ_AS, "int4"):
            return None
        assert stored.place is not None
        assert stored.stored_bytes is not None
        content = self._content[stored.place : stored.place + stored.stored_bytes]
        if stored.type == "int4":
            if stored.is_sparse:
                return None
            pairs = np.frombuffer(content, np.uint8)
            # A byte holds two, the first in its low half.
            halves = np.stack([pairs << 4, pairs & 0xF0], axis=-1).view(np.int8) >> 4
            return halves.ravel()[: math.prod(stored.declared)].reshape(stored.declared)
        values = np.frombuffer(content, stored.type)
        if not stored.is_sparse:
            return values.reshape(stored.declared)
        try:
            sparsity = self.graph.Tensors(stored.number).Sparsity()
            return densified(sparsity, values, stored.declared)
        except (ArithmeticError, LookupError, TypeError, ValueError, struct.error) as error:
            raise damaged(self._where, f"{stored.name}: {error}") from None

    def write_scales(self, content: bytearray, tensor: TFLiteTensor, scales: NDArray[Any]) -> None:
        """Overwrite the scales of a tensor in a copy of the file by as many others."""
        table = self.graph.Tensors(tensor.number).Quantization()._tab
        place = table.Vector(table.Offset(SCALES))
        written = scales.astype("<f4").tobytes()
        content[place : place + len(written)] = written

    def _listed(self, vector: Any) -> list[TFLiteTensor | None]:
        """Return the tensors of a vector of numbers; an omitted one is None."""
        numbers: list[int] = _list(vector)
        if (largest := max(numbers, default=-1)) >= len(self.tensors):
            raise damaged(self._where, f"it names tensor {largest} of {len(self.tensors)}")
        return [self.tensors[number] if number >= 0 else None for number in numbers]

    def names_of_ends(self, side: Literal["inputs", "outputs"]) -> list[tuple[int, str]]:
        """Return the number of each end's tensor and a name of it, as the signature gives them.

        It is empty where there is no signature, or more than one.
        """
        if self.model.SignatureDefsLength() != 1:
            return []
        signature = self.model.SignatureDefs(0)
        if side == "inputs":
            ends = map(signature.Inputs, range(signature.InputsLength()))
        else:
            ends = map(signature.Outputs, range(signature.OutputsLength()))
        return [(each.TensorIndex(), _text(each.Name())) for each in ends]

    def description(self) -> str:
        """Return the description that the converter wrote."""
        return _text(self.model.Description())

    def _tensor(self, number: int) -> TFLiteTensor:
        found = self.graph.Tensors(number)
        sides: Sequence[int] = _list(found.ShapeAsNumpy())
        if found.ShapeSignatureLength() == len(sides):
            sides = _list(found.ShapeSignatureAsNumpy())
        quantization = found.Quantization()
        scales = _list(quantization.ScaleAsNumpy()) if quantization is not None else []
        zero_points = _list(quantization.ZeroPointAsNumpy()) if quantization is not None else []
        name = _text(found.Name())
        place, size = self._place(found.Buffer(), name)
        tensor = TFLiteTensor(
            number=number,
            name=name,
            type=self._types.get(found.Type(), f"type {found.Type()}").lower(),
            declared=self._shapes.get(number, tuple(OPEN if side < 0 else side for side in sides)),
            scales=tuple(scales),
            zero_points=tuple(zero_points),
            buffer=found.Buffer(),
            place=place,
            stored_bytes=size,
            is_sparse=found.Sparsity() is not None,
            is_variable=bool(found.IsVariable()),
        )
        self._check_size(tensor)
        return tensor

    def _check_size(self, tensor: TFLiteTensor) -> None:
        stored, needed = tensor.stored_bytes, tensor.bytes
        if stored is not None and needed is not None and stored < needed and not tensor.is_sparse:
            how = f'"{tensor.name}" holds {stored:,} bytes, its shape needs {needed:,}'
            raise damaged(self._where, how)

    def _place(self, number: int, name: str) -> tuple[int, int] | tuple[None, None]:
        """Return offset and size of a buffer; None if it is empty."""
        if not 0 <= number < self.model.BuffersLength():
            raise damaged(self._where, f'"{name}" lies in buffer {number}, which is not there')
        buffer = self.model.Buffers(number)
        if buffer.Offset() > 1:  # Files above 2 GB have their weights behind the tables.
            start, size = buffer.Offset(), int(buffer.Size())
        elif size := int(buffer.DataLength()):
            start = buffer._tab.Vector(buffer._tab.Offset(DATA))
        else:
            return None, None
        if start + size > len(self._content):
            raise damaged(self._where, f'the values of "{name}" lie beyond its end')
        return start, size

    def _kind(self, number: int) -> str:
        code = self.model.OperatorCodes(number)
        builtin = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kind = self._kinds.get(builtin, f"OPERATOR {builtin}")
        return f"CUSTOM({_text(code.CustomCode())})" if kind == "CUSTOM" else kind


def _text(value: bytes | None) -> str:
    return (value or b"")[:LONGEST_NAME].decode("utf-8", "replace")


def _list(values: Any) -> list[Any]:
    # flatbuffers gives the number 0 for an omitted vector.
    return values.tolist() if hasattr(values, "tolist") else []


def _present(tensors: Sequence[TFLiteTensor | None]) -> tuple[TFLiteTensor, ...]:
    return tuple(each for each in tensors if each is not None)
