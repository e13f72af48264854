"""Checks of an exported TFLite file: the types asked for are in it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import StepError
from edgecv.core.text import counted, listed
from edgecv.formats.dtypes import FLOATS, count
from edgecv.formats.export_checks import SHOWN
from edgecv.formats.kernel_layout import StoredKernel
from edgecv.formats.tflite.operators import TFLiteOperator, TFLiteTensor
from edgecv.formats.tflite.tables import CONVERSIONS, INT8_SHIFT, TFLiteTables

KERNEL_INPUT = 1
KERNEL_OPERATORS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "CONV_3D")
KERNEL_TYPE = {
    "float32": "float32",
    "float16": "float16",
    "dynamic": "int8",
    "int8": "int8",
    "int16x8": "int8",
}
ENDS = {"int8": ("int8", "int8"), "int16x8": ("int16", "int16")}
LARGEST_FLOAT16 = 65504.0
SMALLEST_DYNAMIC = 1024
"""The fewest elements of a kernel that the converter stores as int8 at precision dynamic."""


Kernels = list[tuple[TFLiteOperator, TFLiteTensor]]
"""Operators that multiply by weights, and the tensors that store these."""


def prove(
    content: bytes, precision: str, where: str, io: str | None = None, *, partly: bool = False
) -> tuple[str, ...]:
    """Return notes on the file's types. Raises StepError if they are not those of ``precision``.

    ``io``: the type of the input; None for the usual one. ``partly``: operators that have no
    integer kernel may be left in float32, and are named.
    """
    tables = TFLiteTables(content, where)
    notes: tuple[str, ...] = ()
    if precision in ENDS:
        usual, output = ENDS[precision]
        ends = io or usual, "float32" if io == "float32" else output
        notes = _check_integers(tables, precision, ends, where, partly=partly)
    else:
        _check_not_quantized(tables, precision, where)
    kernels = constant_kernels(tables)
    wanted = KERNEL_TYPE[precision]
    others = [(operator, kernel) for operator, kernel in kernels if kernel.type != wanted]
    if precision == "dynamic":
        return _prove_dynamic(kernels, others, where)
    if others:
        found = sorted({kernel.type for _, kernel in others})
        raise StepError(
            where,
            f"{precision} was asked for; the weights of {counted(len(others), 'operator')} came"
            f" back {' and '.join(found)}:"
            f" {listed([str(operator) for operator, _ in others], SHOWN)}",
        )
    if precision == "float16":
        _check_range(tables, kernels, where)
    if precision == "int16x8":
        return (
            "a PC has no fast kernels for int16 activations: its latency says nothing of a device",
        )
    return notes


def _check_integers(
    tables: TFLiteTables, precision: str, wanted: tuple[str, str], where: str, *, partly: bool
) -> tuple[str, ...]:
    floats = [
        operator
        for operator in tables.operators
        if any(each is not None and each.type in FLOATS for each in operator.inputs)
        or any(each.type in FLOATS for each in operator.outputs)
        if not ("float32" in wanted and _stands_at_an_end(operator, tables))
    ]
    # Those that turn numbers into others stand beside an operator without an integer kernel.
    without = [each for each in floats if each.kind not in CONVERSIONS]
    if floats and not partly:
        named = without or floats
        raise StepError(
            where,
            f"{precision} was asked for; {counted(len(named), 'operator')} came back with floats:"
            f" {listed([str(operator) for operator in named], SHOWN)}",
            remedy="replace these layers, or choose mixed, which leaves them in float32, or the"
            " onnx format",
        )
    ends = [tensor.type for tensor in tables.inputs + tables.outputs]
    if ends != [wanted[0], *(wanted[1] for _ in tables.outputs)]:
        raise StepError(
            where,
            f"{precision} was asked for; input and output came back {' and '.join(ends)}",
            accepted=" and ".join(wanted),
        )
    left = [str(each) for each in without]
    note = (
        f"left in float32: {len(left)} of {counted(len(tables.operators), 'operator')}, for"
        f" want of an integer kernel: {listed(left, SHOWN)}"
    )
    return (note,) if left else ()


def _stands_at_an_end(operator: TFLiteOperator, tables: TFLiteTables) -> bool:
    """Return True if an operator only quantizes the input or dequantizes the output."""
    if operator.kind == "QUANTIZE":
        return operator.inputs[0] in tables.inputs
    return operator.kind == "DEQUANTIZE" and operator.outputs[0] in tables.outputs


def _check_not_quantized(tables: TFLiteTables, precision: str, where: str) -> None:
    # LiteRT's predictions from such a mixture were wrong (CIFAR CNN: 38% agreement).
    quantized = [operator for operator in tables.operators if operator.kind == "QUANTIZE"]
    if quantized:
        raise StepError(
            where,
            f"{precision} was asked for; it quantizes in {counted(len(quantized), 'operator')}:"
            f" {listed([str(operator) for operator in quantized], SHOWN)}",
            remedy="a model that was trained with quantization is exported as int8",
        )


def _prove_dynamic(kernels: Kernels, others: Kernels, where: str) -> tuple[str, ...]:
    large = [str(each) for each, kernel in others if (count(kernel.shape) or 0) >= SMALLEST_DYNAMIC]
    if large:
        raise StepError(
            where,
            f"dynamic was asked for; the weights of {counted(len(large), 'operator')} came back"
            " float32:"
            f" {listed(large, SHOWN)}",
        )
    if len(others) == len(kernels):
        raise StepError(
            where,
            "dynamic was asked for; every weight came back float32",
            accepted=f"layers with {SMALLEST_DYNAMIC} weights and more",
            remedy="choose int8: this model is too small for dynamic to change anything",
        )
    if not others:
        return ()
    return (
        f"float32 are the weights of {len(others)} of {counted(len(kernels), 'layer')}, fewer than"
        f" {SMALLEST_DYNAMIC} in each: {listed([str(operator) for operator, _ in others], SHOWN)}",
    )


def _check_range(tables: TFLiteTables, kernels: Kernels, where: str) -> None:
    for operator, kernel in kernels:
        # The converter replaces larger values by the largest float16.
        if not (np.abs(_values(tables, kernel)) < LARGEST_FLOAT16).all():
            raise StepError(
                where,
                f"weights of {operator} are too large for float16",
                accepted=f"weights between -{LARGEST_FLOAT16:.0f} and {LARGEST_FLOAT16:.0f}",
                remedy="choose float32 or int8",
            )


def kernels_in(content: bytes, where: str) -> list[StoredKernel]:
    """Return the weights of each layer as they are stored, in the order of the file."""
    tables = TFLiteTables(content, where)
    found = []
    for operator, kernel in constant_kernels(tables):
        output = operator.outputs[0]
        quantized = output.type in ("int8", "uint8") and len(output.scales) == 1
        shift = INT8_SHIFT if output.type == "int8" else 0
        found.append(
            StoredKernel(
                weights=_values(tables, kernel).ravel(),
                scales=kernel.scales,
                output_scale=output.scales[0] if quantized else None,
                output_zero_point=(output.zero_point or 0) + shift if quantized else None,
                type=kernel.type if kernel.type == "int4" else "",
            )
        )
    return found


def constant_kernels(tables: TFLiteTables) -> Kernels:
    """Return the operators with constant weights, and the tensors that store these."""
    found = [
        (each, tables.constant(each.inputs[KERNEL_INPUT]))
        for each in tables.operators
        if each.kind in KERNEL_OPERATORS
    ]
    return [(operator, kernel) for operator, kernel in found if kernel is not None]


def _values(tables: TFLiteTables, kernel: TFLiteTensor) -> NDArray[Any]:
    values = tables.values(kernel)
    assert values is not None
    return values
