"""Conversions between real and quantized numbers."""

from edgecv.formats.tflite.operators import TFLiteOperator
from edgecv.targets.c.fixed_point import multiply, real, scaled
from edgecv.targets.c.operators.lookup import add_table, codes
from edgecv.targets.c.overlap import elementwise
from edgecv.targets.c.program import Program, call
from edgecv.targets.c.tensors import C_TYPES, LIMITS, ends_of_one_size, quantization, size
from edgecv.targets.c.unsupported import UnsupportedInC

LANES = 16
"""The bytes whose scale LiteRT changes at a time, by vector instructions."""


def convert(program: Program, operator: TFLiteOperator) -> None:
    """QUANTIZE and DEQUANTIZE: of float32, or from one scale to another."""
    source, output, count = ends_of_one_size(operator)
    if source.type in LIMITS and output.type in LIMITS:
        add_table(program, operator, *_changes_of_scale(program, operator, count))
        return
    if {source.type, output.type} not in ({"float32", each} for each in LIMITS):
        raise UnsupportedInC(f"{source.type} to {output.type}")
    name = operator.kind.lower()
    quantized = output if operator.kind == "QUANTIZE" else source
    scale, zero = quantization(quantized)
    element = C_TYPES[quantized.type]
    parts = {"ELEMENT": element}
    if operator.kind == "QUANTIZE":
        lowest, highest = LIMITS[quantized.type]
        parts |= {"LOWEST": str(lowest), "HIGHEST": str(highest)}
    program.kernel(name, **parts)
    places = program.place(source), program.place(output)
    code = call(f"{name}_{element}", count, real(scale), zero, *places)
    above = {source.number: elementwise(count, size(source), size(output))}
    program.add(operator, code, above)


def _changes_of_scale(
    program: Program, operator: TFLiteOperator, count: int
) -> list[tuple[int, list[int]]]:
    """Return how many elements are rounded in which way, and their answers by code."""
    given, scale, zero, made, output_zero = codes(operator)
    factor = scaled(scale / made)
    upward, usual = (
        [multiply(code - zero, factor, upward=is_upward) + output_zero for code in given]
        for is_upward in (True, False)
    )
    lanes = count - count % LANES if program.arithmetic == "builtin" and upward != usual else 0
    return [part for part in ((lanes, upward), (count - lanes, usual)) if part[0]]


WRITERS = {"QUANTIZE": convert, "DEQUANTIZE": convert}
