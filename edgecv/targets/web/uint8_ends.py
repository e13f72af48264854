"""uint8 inputs and outputs in place of int8 ones, which browsers' runtimes do not take.

An operator at each end moves the codes by 128 and the zero point with them: every code stands for
the very same number as before. The rest of the file stays as it is.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from edgecv.core.artifact import TensorFacts
from edgecv.core.plugins import DeployedFile
from edgecv.formats.tflite.new_root import OPERATOR_CODES, SIGNATURES, SUBGRAPHS, NewRoot
from edgecv.formats.tflite.tables import INT8_SHIFT

GRAPH_FIELDS = (*["offset"] * 5, "number")
TENSORS, INPUTS, OUTPUTS, OPERATORS = 0, 1, 2, 3
SHAPE, QUANTIZATION, SHAPE_SIGNATURE = 0, 4, 7
QUANTIZE_VERSION = 2
"""The version of the operator that takes uint8 and int8."""


def file_with_uint8_ends(file: DeployedFile) -> DeployedFile:
    """Return the description of the file that ``with_uint8_ends`` makes."""
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


def with_uint8_ends(content: bytes, where: str) -> bytes:
    """Return a .tflite file whose int8 inputs and outputs are uint8; all others stay.

    It has no signatures: its outputs have the order of the file. Raises StepError for a file of
    another version.
    """
    from ai_edge_litert import schema_py_generated as schema

    front = NewRoot(content, where)
    graph, builder = front.model.Subgraphs(0), front.builder
    inputs, outputs = graph.InputsAsNumpy().tolist(), graph.OutputsAsNumpy().tolist()
    tensors, before, behind = [], [], []
    code = front.model.OperatorCodesLength()

    def moved(number: int) -> int:
        """Return the number of a uint8 tensor beside an int8 one."""
        tensors.append(_uint8_tensor(front, graph.Tensors(number)))
        return int(graph.TensorsLength()) + len(tensors) - 1

    def is_int8(number: int) -> bool:
        return bool(graph.Tensors(number).Type() == schema.TensorType.INT8)

    for place, number in enumerate(inputs):
        if is_int8(number):
            inputs[place] = moved(number)
            before.append(_quantize(builder, code, inputs[place], number))
    for place, number in enumerate(outputs):
        if is_int8(number):
            outputs[place] = moved(number)
            behind.append(_quantize(builder, code, number, outputs[place]))
    schema.OperatorCodeStart(builder)
    schema.OperatorCodeAddDeprecatedBuiltinCode(builder, schema.BuiltinOperator.QUANTIZE)
    schema.OperatorCodeAddBuiltinCode(builder, schema.BuiltinOperator.QUANTIZE)
    schema.OperatorCodeAddVersion(builder, QUANTIZE_VERSION)
    quantize = schema.OperatorCodeEnd(builder)
    codes = [front.model.OperatorCodes(number) for number in range(code)]
    old_tensors = [graph.Tensors(number) for number in range(graph.TensorsLength())]
    operators = [graph.Operators(number) for number in range(graph.OperatorsLength())]
    main = front.table(
        graph,
        GRAPH_FIELDS,
        {
            TENSORS: front.tables([*map(front.place, old_tensors), *tensors]),
            INPUTS: builder.CreateNumpyVector(np.array(inputs, np.int32)),
            OUTPUTS: builder.CreateNumpyVector(np.array(outputs, np.int32)),
            OPERATORS: front.tables([*before, *map(front.place, operators), *behind]),
        },
    )
    graphs = [front.model.Subgraphs(number) for number in range(1, front.model.SubgraphsLength())]
    return front.bytes(
        {
            OPERATOR_CODES: front.tables([*map(front.place, codes), quantize]),
            SUBGRAPHS: front.tables([main, *map(front.place, graphs)]),
            SIGNATURES: front.tables([]),
        }
    )


def _uint8_tensor(front: NewRoot, old: Any) -> int:
    """Write a uint8 tensor of the same name, shape and scale as an int8 one."""
    from ai_edge_litert import schema_py_generated as schema

    builder, quantization = front.builder, old.Quantization()
    scale = builder.CreateNumpyVector(quantization.ScaleAsNumpy())
    zero_point = builder.CreateNumpyVector(quantization.ZeroPointAsNumpy() + INT8_SHIFT)
    schema.QuantizationParametersStart(builder)
    schema.QuantizationParametersAddScale(builder, scale)
    schema.QuantizationParametersAddZeroPoint(builder, zero_point)
    moved = schema.QuantizationParametersEnd(builder)
    name = builder.CreateString(old.Name() or b"")
    schema.TensorStart(builder)
    schema.TensorAddShape(builder, front.kept(old, SHAPE))
    if old.ShapeSignatureLength():
        schema.TensorAddShapeSignature(builder, front.kept(old, SHAPE_SIGNATURE))
    schema.TensorAddType(builder, schema.TensorType.UINT8)
    schema.TensorAddName(builder, name)
    schema.TensorAddQuantization(builder, moved)
    schema.TensorAddHasRank(builder, old.HasRank())
    return int(schema.TensorEnd(builder))


def _quantize(builder: Any, code: int, taken: int, given: int) -> int:
    """Write an operator that moves codes from one tensor to another."""
    from ai_edge_litert import schema_py_generated as schema

    inputs = builder.CreateNumpyVector(np.array([taken], np.int32))
    outputs = builder.CreateNumpyVector(np.array([given], np.int32))
    schema.OperatorStart(builder)
    schema.OperatorAddOpcodeIndex(builder, code)
    schema.OperatorAddInputs(builder, inputs)
    schema.OperatorAddOutputs(builder, outputs)
    return int(schema.OperatorEnd(builder))
