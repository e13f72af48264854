"""TFLite files of a few operators, written table by table: what no converter makes."""

from collections.abc import Sequence
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

Steps = tuple[float, int]
"""Scale and zero point."""


class OperatorFile:
    """A file to which tensors and operators are added one by one."""

    def __init__(self) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._schema = schema
        self._model, self._graph = schema.ModelT(), schema.SubGraphT()
        self._model.version, self._model.subgraphs = 3, [self._graph]
        self._model.buffers, self._model.operatorCodes = [schema.BufferT()], []
        self._graph.tensors, self._graph.operators = [], []

    def tensor(self, shape: Sequence[int], kind: str = "int8", steps: Steps | None = None) -> int:
        """Add a tensor that is computed, or the input; return its number."""
        schema = self._schema
        tensor = schema.TensorT()
        tensor.shape, tensor.type = list(shape), getattr(schema.TensorType, kind.upper())
        tensor.name, tensor.buffer = f"tensor{len(self._graph.tensors)}", 0
        if -1 in shape:  # Open sides: the file says 1 in their place.
            tensor.shapeSignature, tensor.shape = list(shape), [max(1, side) for side in shape]
        if steps is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [steps[0]], [steps[1]]
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def constant(self, values: NDArray[Any], steps: Steps | None = None) -> int:
        """Add a constant; return its number."""
        number = self.tensor(values.shape, values.dtype.name, steps)
        buffer = self._schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self._graph.tensors[number].buffer = len(self._model.buffers)
        self._model.buffers.append(buffer)
        return number

    def operator(
        self,
        kind: str,
        inputs: Sequence[int],
        output: int,
        options: str = "",
        *,
        version: int = 1,
        **values: object,
    ) -> int:
        """Add an operator; return the number of its output. ``options``: the kind of ``values``."""
        schema = self._schema
        code, operator = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), version
        operator.opcodeIndex = len(self._model.operatorCodes)
        operator.inputs, operator.outputs = list(inputs), [output]
        if options:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            operator.builtinOptions = getattr(schema, f"{options}T")()
            vars(operator.builtinOptions).update(values)
        self._model.operatorCodes.append(code)
        self._graph.operators.append(operator)
        return output

    def subgraph(self, other: "OperatorFile", inputs: Sequence[int], outputs: Sequence[int]) -> int:
        """Add the tensors and operators of another file, without constants; return its number."""
        graph, codes = other._graph, self._model.operatorCodes
        graph.inputs, graph.outputs = list(inputs), list(outputs)
        for operator in graph.operators:
            operator.opcodeIndex += len(codes)
        codes.extend(other._model.operatorCodes)
        self._model.subgraphs.append(graph)
        return len(self._model.subgraphs) - 1

    def content(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """Return the bytes of the file."""
        self._graph.inputs, self._graph.outputs = list(inputs), list(outputs)
        builder = flatbuffers.Builder(1024)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
