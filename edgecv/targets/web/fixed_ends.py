"""Inputs and outputs as browsers' runtimes take them: of a fixed shape, and no int8.

An operator at each int8 end moves the codes by 128 and the zero point with them: every uint8 code
stands for the very same number. The rest of the file stays as it is.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgecv.core.artifact import TensorFacts
from edgecv.core.plugins import DeployedFile
from edgecv.formats.tflite.new_root import OPERATOR_CODES, SIGNATURES, SUBGRAPHS, NewRoot
from edgecv.formats.tflite.tables import INT8_SHIFT

GRAPH_FIELDS = (*["offset"] * 5, "number")
TENSORS, INPUTS, OUTPUTS, OPERATORS = 0, 1, 2, 3
QUANTIZATION = 4
"""The field of a tensor's table."""
QUANTIZE_VERSION = 2
"""The version of the operator that takes uint8 and int8."""


def described_with_fixed_ends(file: DeployedFile) -> DeployedFile:
    """Return the description of the file that ``with_fixed_ends`` makes."""
    return replace(
        file,
        facts=replace(
            file.facts,
            input=_moved(file.facts.input),
            outputs=tuple(map(_moved, file.facts.outputs)),
        ),
        golden_outputs=tuple(
            (each.astype(np.int16) + INT8_SHIFT).astype(np.uint8) if each.dtype == np.int8 else each
            for each in file.golden_outputs
        ),
    )


def _moved(tensor: TensorFacts) -> TensorFacts:
    if tensor.type != "int8":
        return tensor
    return replace(tensor, type="uint8", zero_point=(tensor.zero_point or 0) + INT8_SHIFT)


def with_fixed_ends(
    content: bytes, shapes: tuple[Sequence[int], Sequence[Sequence[int]]], where: str
) -> bytes:
    """Return a .tflite file whose ends have the shapes of a run, uint8 where they were int8.

    ``shapes``: of the input, and of the outputs. The file has no signatures, so that its outputs
    have the order of the file. Raises StepError for a file of another version.
    """
    return _Ends(content, where).fixed(*shapes)


class _Ends:
    """A file that gets other ends."""

    def __init__(self, content: bytes, where: str) -> None:
        self._front = NewRoot(content, where)
        self._model = self._front.model
        self._graph = self._model.Subgraphs(0)
        self._tensors = self._places(self._graph.Tensors, self._graph.TensorsLength())
        self._code = self._model.OperatorCodesLength()

    def fixed(self, taken: Sequence[int], given: Sequence[Sequence[int]]) -> bytes:
        """Return the file."""
        graph, front, vector = self._graph, self._front, self._front.builder.CreateNumpyVector
        inputs, before = graph.InputsAsNumpy().copy(), []
        for place, number in enumerate(inputs):
            inputs[place] = self._end(number, taken)
            if inputs[place] != number:
                before.append(self._quantize(inputs[place], number))
        outputs, behind = graph.OutputsAsNumpy().copy(), []
        for place, (number, shape) in enumerate(zip(outputs, given, strict=True)):
            outputs[place] = self._end(number, shape)
            if outputs[place] != number:
                behind.append(self._quantize(number, outputs[place]))
        operators = self._places(graph.Operators, graph.OperatorsLength())
        main = front.table(
            graph,
            GRAPH_FIELDS,
            {
                TENSORS: front.tables(self._tensors),
                INPUTS: vector(inputs),
                OUTPUTS: vector(outputs),
                OPERATORS: front.tables([*before, *operators, *behind]),
            },
        )
        graphs = self._places(self._model.Subgraphs, self._model.SubgraphsLength())
        codes = self._places(self._model.OperatorCodes, self._code)
        return front.bytes(
            {
                OPERATOR_CODES: front.tables([*codes, self._quantize_code()]),
                SUBGRAPHS: front.tables([main, *graphs[1:]]),
                SIGNATURES: front.tables([]),
            }
        )

    def _places(self, table: Any, count: int) -> list[int]:
        return [self._front.place(table(number)) for number in range(count)]

    def _end(self, number: int, shape: Sequence[int]) -> int:
        """Write a tensor with another shape; return its number, a new one in place of int8."""
        from ai_edge_litert import schema_py_generated as schema

        builder, old = self._front.builder, self._graph.Tensors(number)
        is_int8 = old.Type() == schema.TensorType.INT8
        quantization = old.Quantization()
        if is_int8:
            scale = builder.CreateNumpyVector(quantization.ScaleAsNumpy())
            zero_point = builder.CreateNumpyVector(quantization.ZeroPointAsNumpy() + INT8_SHIFT)
            schema.QuantizationParametersStart(builder)
            schema.QuantizationParametersAddScale(builder, scale)
            schema.QuantizationParametersAddZeroPoint(builder, zero_point)
            kept = schema.QuantizationParametersEnd(builder)
        elif quantization is not None:
            kept = self._front.kept(old, QUANTIZATION)
        name = builder.CreateString(old.Name() or b"")
        sides = builder.CreateNumpyVector(np.array(shape, np.int32))
        schema.TensorStart(builder)
        schema.TensorAddShape(builder, sides)
        schema.TensorAddType(builder, schema.TensorType.UINT8 if is_int8 else old.Type())
        schema.TensorAddBuffer(builder, 0 if is_int8 else old.Buffer())
        schema.TensorAddName(builder, name)
        if quantization is not None:
            schema.TensorAddQuantization(builder, kept)
        schema.TensorAddHasRank(builder, hasRank=True)
        written = int(schema.TensorEnd(builder))
        if not is_int8:
            self._tensors[number] = written
            return number
        self._tensors.append(written)
        return len(self._tensors) - 1

    def _quantize(self, taken: int, given: int) -> int:
        """Write an operator that moves codes from one tensor to another."""
        from ai_edge_litert import schema_py_generated as schema

        builder = self._front.builder
        inputs = builder.CreateNumpyVector(np.array([taken], np.int32))
        outputs = builder.CreateNumpyVector(np.array([given], np.int32))
        schema.OperatorStart(builder)
        schema.OperatorAddOpcodeIndex(builder, self._code)
        schema.OperatorAddInputs(builder, inputs)
        schema.OperatorAddOutputs(builder, outputs)
        return int(schema.OperatorEnd(builder))

    def _quantize_code(self) -> int:
        from ai_edge_litert import schema_py_generated as schema

        builder, kind = self._front.builder, schema.BuiltinOperator.QUANTIZE
        schema.OperatorCodeStart(builder)
        schema.OperatorCodeAddDeprecatedBuiltinCode(builder, kind)
        schema.OperatorCodeAddBuiltinCode(builder, kind)
        schema.OperatorCodeAddVersion(builder, QUANTIZE_VERSION)
        return int(schema.OperatorCodeEnd(builder))
