"""Inputs and outputs as browsers' runtimes take them: of a fixed shape, and no int8.

An operator at each int8 end moves the codes by 128 and the zero point with them: every uint8 code
stands for the very same number. The rest of the file stays as it is.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgecv.core.artifact import TensorFacts
from edgecv.core.plugins import DeployedFile
from edgecv.formats.tflite.edit import edited
from edgecv.formats.tflite.tables import INT8_SHIFT
from edgecv.formats.tflite.tree import TableNode, int32s, vector

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
    have the order of the file. Raises StepError for a file that cannot be written again.
    """
    return edited(content, where, lambda model: _fix_ends(model, *shapes))


def _fix_ends(model: TableNode, taken: Sequence[int], given: Sequence[Sequence[int]]) -> None:
    from ai_edge_litert import schema_py_generated as schema

    codes, graphs = model.tables("OperatorCodes"), model.tables("Subgraphs")
    graph = graphs[0].copy()
    tensors = [*graph.tables("Tensors")]
    inputs, outputs = graph.numbers("Inputs"), graph.numbers("Outputs")
    new_inputs = [_new_end(tensors, number, taken) for number in inputs]
    new_outputs = [
        _new_end(tensors, number, shape) for number, shape in zip(outputs, given, strict=True)
    ]
    before = zip(new_inputs, inputs, strict=True)
    behind = zip(outputs, new_outputs, strict=True)
    first, last = (
        [
            TableNode(
                "Operator",
                {"OpcodeIndex": len(codes), "Inputs": int32s([one]), "Outputs": int32s([other])},
            )
            for one, other in pairs
            if one != other
        ]
        for pairs in (before, behind)
    )
    graph.values["Tensors"] = tensors
    graph.values["Inputs"], graph.values["Outputs"] = int32s(new_inputs), int32s(new_outputs)
    graph.values["Operators"] = [*first, *graph.tables("Operators"), *last]
    kind = schema.BuiltinOperator.QUANTIZE
    quantize = {"DeprecatedBuiltinCode": kind, "BuiltinCode": kind, "Version": QUANTIZE_VERSION}
    model.values["OperatorCodes"] = [*codes, TableNode("OperatorCode", quantize)]
    model.values["Subgraphs"] = [graph, *graphs[1:]]
    model.values.pop("SignatureDefs", None)


def _new_end(tensors: list[TableNode], number: int, shape: Sequence[int]) -> int:
    """Give a tensor another shape; return its number, that of a new one in place of int8."""
    from ai_edge_litert import schema_py_generated as schema

    kept = ("Type", "Buffer", "Name", "Quantization")
    old = tensors[number]
    new = TableNode("Tensor", {key: old.values[key] for key in kept if key in old.values})
    new.values |= {"Shape": int32s(shape), "HasRank": True}
    if old.number("Type") != schema.TensorType.INT8:
        tensors[number] = new
        return number
    quantization = old.values["Quantization"].values
    zeros = np.frombuffer(quantization["ZeroPoint"].values, "<i8") + INT8_SHIFT
    moved = {"Scale": quantization["Scale"], "ZeroPoint": vector(zeros.tobytes(), 8)}
    new.values["Type"] = schema.TensorType.UINT8
    new.values["Quantization"] = TableNode("QuantizationParameters", moved)
    new.values.pop("Buffer", None)
    tensors.append(new)
    return len(tensors) - 1
