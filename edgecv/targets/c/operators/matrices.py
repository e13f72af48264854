"""Products of matrices that are both computed, as those of attention."""

import numpy as np

from edgecv.formats.tflite.operators import TFLiteOperator, TFLiteTensor
from edgecv.targets.c.fixed_point import scaled
from edgecv.targets.c.operators.arithmetic import repeated_steps
from edgecv.targets.c.program import Program, call, record
from edgecv.targets.c.tensors import elements, kind_of, only, quantization
from edgecv.targets.c.unsupported import UnsupportedInC, damaged_unless, same_sides

AXES = 5
DEEPEST = 2**31 // 255**2
"""The most products of two int8 distances whose sum fits 32 bits."""
FLOAT = {
    "TYPE": "float",
    "ELEMENT": "float",
    "WIDE": "float",
    "NEEDS": "",
    "PARAMETERS": "",
    "PRODUCT": "x * y",
    "RESULT": "sum",
}
INT8 = {
    "TYPE": "int8",
    "ELEMENT": "int8_t",
    "WIDE": "int32_t",
    "NEEDS": " factors clamp rescale",
    "PARAMETERS": "factors f,",
    "PRODUCT": "(x - f.first_zero) * (y - f.second_zero)",
    "RESULT": "(int8_t)clamp(rescale(sum, f.factor, f.shift, 0) + f.zero, -128, 127)",
}


def matmul(program: Program, operator: TFLiteOperator) -> None:
    """BATCH_MATMUL."""
    first, output = only(operator, 2)
    second = operator.inputs[1]
    if second is None:
        raise UnsupportedInC("an input that is left out")
    one, one_steps = _matrices(first, turned=bool(operator.option("AdjX")))
    other, other_steps = _matrices(second, turned=not operator.option("AdjY"))
    damaged_unless(one[-1] == other[-1], f"it sums {one[-1]} and {other[-1]} products")
    try:
        batches = np.broadcast_shapes(tuple(one[:-2]), tuple(other[:-2]))
    except ValueError:
        raise UnsupportedInC(f"the shapes {first.shape} and {second.shape}") from None
    elements(output)
    same_sides(_matrices(output, turned=False)[0], [*batches, one[-2], other[-2]])
    is_float = kind_of(first, second, output) == "float32"
    declared = record(
        "matrices",
        "p",
        size=_listed(batches),
        rows=one[-2],
        columns=other[-2],
        depth=one[-1],
        first=_listed(one_steps),
        second=_listed(other_steps),
    )
    if not is_float:
        if one[-1] > DEEPEST:
            raise UnsupportedInC(f"a sum of {one[-1]:,} products")
        (given, first_zero), (scale, second_zero), (made, zero) = map(
            quantization, (first, second, output)
        )
        # LiteRT multiplies the scales of the inputs as float32.
        factor, shift = scaled(float(np.float32(given) * np.float32(scale)) / made)
        zeros = {"first_zero": first_zero, "second_zero": second_zero, "zero": zero}
        declared += record("factors", "f", **zeros, factor=factor, shift=shift)
    program.kernel("matmul", **(FLOAT if is_float else INT8))
    places = map(program.place, (first, second, output))
    name, arguments = ("matmul_float", ()) if is_float else ("matmul_int8", ("f",))
    program.add(operator, declared + call(name, "&p", *arguments, *places))


def _matrices(tensor: TFLiteTensor, *, turned: bool) -> tuple[list[int], list[int]]:
    """Return sides and steps of batches and of both axes of their matrices, turned or not."""
    elements(tensor)
    damaged_unless(2 <= len(tensor.shape) <= AXES, f"{list(tensor.shape)} is no matrix")
    sides = [1] * (AXES - len(tensor.shape)) + list(tensor.shape)
    steps = repeated_steps(tensor.shape, AXES)
    if turned:
        sides[-2:], steps[-2:] = sides[:-3:-1], steps[:-3:-1]
    return sides, steps


def _listed(numbers: "tuple[int, ...] | list[int]") -> str:
    return f"{{{', '.join(map(str, numbers))}}}"


WRITERS = {"BATCH_MATMUL": matmul}
