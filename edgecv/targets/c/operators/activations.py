"""Functions of one number: of int8 by a table of its 256 answers, of float32 by a formula."""

import math
from collections.abc import Callable

import numpy as np

from edgecv.formats.tflite.operators import TFLiteOperator
from edgecv.targets.c.fixed_point import (
    exponential,
    float32,
    high_product,
    inverse_root,
    multiply,
    real,
    rounded,
    scaled,
    shift_right,
)
from edgecv.targets.c.operators.lookup import add_table, codes
from edgecv.targets.c.overlap import elementwise
from edgecv.targets.c.program import Program, call
from edgecv.targets.c.tensors import (
    LIMITS,
    elements,
    ends_of_one_size,
    kind_of,
    only,
    quantization,
    size,
)
from edgecv.targets.c.unsupported import UnsupportedInC, damaged_unless

single = np.float32
RECTIFIERS = {
    "RELU": (0.0, math.inf),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU_0_TO_1": (0.0, 1.0),
}
FORMULAS = {
    "RELU": "x > 0.0f ? x : 0.0f",
    "RELU6": "x < 0.0f ? 0.0f : x > 6.0f ? 6.0f : x",
    "RELU_N1_TO_1": "x < -1.0f ? -1.0f : x > 1.0f ? 1.0f : x",
    "RELU_0_TO_1": "x < 0.0f ? 0.0f : x > 1.0f ? 1.0f : x",
    "LOGISTIC": "x > 16.6190472f ? 1.0f : x < -9.0f ? expf(x) : 1.0f / (1.0f + expf(-x))",
    "TANH": "tanhf(x)",
    "HARD_SWISH": "x * (x + 3.0f < 0.0f ? 0.0f : x + 3.0f > 6.0f ? 6.0f : x + 3.0f) / 6.0f",
    "LEAKY_RELU": "x > 0.0f ? x : x * alpha",
    "ELU": "x < 0.0f ? expm1f(x) : x",
    "EXP": "expf(x)",
    "ABS": "fabsf(x)",
    "NEG": "-x",
    "SQRT": "sqrtf(x)",
    "RSQRT": "1.0f / sqrtf(x)",
    "SQUARE": "x * x",
    "GELU": "0.5f * x * erfcf(x * -0.707106769f)",
}
TANH_GELU = "0.5f * x * (1.0f + tanhf(0.797884583f * (x + 0.044715f * x * x * x)))"
RSQRT_BITS = 20
"""The bits behind the point of an inverse square root before it is scaled."""
HALF_ROOT, GELU_FACTOR = single(math.sqrt(0.5)), single(math.sqrt(2 / math.pi))
SCALED_DIFFERENCE_BITS = 5
LARGEST_SOFTMAX = 511
"""The most numbers of which the reference softmax can add the exponentials."""
Table = Callable[[TFLiteOperator], list[int]]
"""Return the codes of the output for the input's codes -128 to 127, before they are limited."""


def unary(program: Program, operator: TFLiteOperator) -> None:
    """Add a function of one number."""
    source, output, count = ends_of_one_size(operator)
    places = program.place(source), program.place(output)
    above = {source.number: elementwise(count, size(source), size(output))}
    if kind_of(source, output) == "float32":
        name, formula = operator.kind.lower(), FORMULAS[operator.kind]
        if operator.option("Approximate"):
            name, formula = "tanh_gelu", TANH_GELU
        has_alpha = operator.kind == "LEAKY_RELU"
        parameter = "float alpha," if has_alpha else ""
        program.kernel("unary_float", NAME=name, PARAMETER=parameter, EXPRESSION=formula)
        alpha = (real(operator.number("Alpha")),) if has_alpha else ()
        program.add(operator, call(f"{name}_float", count, *alpha, *places), above)
        return
    if operator.kind not in TABLES:
        raise UnsupportedInC("int8 values")
    add_table(program, operator, (count, TABLES[operator.kind](operator)))


def _real_function(function: Callable[[float], float]) -> Table:
    """Return the table of a function as LiteRT makes it, in float32."""

    def table(operator: TFLiteOperator) -> list[int]:
        given, scale, zero, made, output_zero = codes(operator)
        inverse = single(1) / single(made)
        answers = (function(float(single(scale) * single(code - zero))) for code in given)
        return [rounded(single(each) * inverse) + output_zero for each in answers]

    return table


def _sigmoid(x: float) -> float:
    return float(single(1) / (single(1) + single(float32("exp", -x))))


def _gelu(operator: TFLiteOperator) -> list[int]:
    function = _tanh_gelu if operator.option("Approximate") else _erf_gelu
    return _real_function(function)(operator)


def _erf_gelu(x: float) -> float:
    return float(single(0.5) * single(x) * single(float32("erfc", float(single(x) * -HALF_ROOT))))


def _tanh_gelu(x: float) -> float:
    value = single(x)
    inner = GELU_FACTOR * (value + single(0.044715) * value * value * value)
    return float(single(0.5) * value * (single(1) + single(float32("tanh", float(inner)))))


def _rsqrt(operator: TFLiteOperator) -> list[int]:
    """Return the table of the inverse square root; LiteRT refuses codes below the zero point."""
    given, scale, zero, made, output_zero = codes(operator)
    root = float(np.sqrt(single(scale)) * single(made))
    factor, exponent = scaled(1.0 / root)
    found = []
    for code in given:
        inverse, shift = inverse_root(max(code - zero, 1))
        fine = multiply(1, (inverse, shift + RSQRT_BITS))
        value = multiply(fine, (factor, exponent - RSQRT_BITS)) + output_zero
        found.append(value if code > zero else LIMITS["int8"][1])
    return found


def _rectifier(operator: TFLiteOperator) -> list[int]:
    given, scale, zero, made, output_zero = codes(operator)
    factor = scaled(float(single(scale) / single(made)))
    low, high = RECTIFIERS[operator.kind]
    lowest = output_zero + rounded(single(low) / single(made))
    found = [max(lowest, output_zero + multiply(code - zero, factor)) for code in given]
    if math.isinf(high):
        return found
    highest = output_zero + rounded(single(high) / single(made))
    return [min(each, highest) for each in found]


def _leaky(operator: TFLiteOperator) -> list[int]:
    given, scale, zero, made, output_zero = codes(operator)
    alpha = operator.number("Alpha")
    identity = scaled(float(single(scale) / single(made)))
    slope = scaled(abs(float(single(scale) * single(alpha) / single(made))))
    sign = -1 if alpha < 0 else 1
    return [
        output_zero
        + (multiply(code - zero, identity) if code >= zero else sign * multiply(code - zero, slope))
        for code in given
    ]


def _hard_swish(operator: TFLiteOperator) -> list[int]:
    given, scale, zero, made, output_zero = codes(operator)
    fine = single(1 / 128) * single(scale)
    output_factor, output_exponent = _sixteen_bits(float(fine / single(made)))
    gate_factor, gate_exponent = _sixteen_bits(float(fine / (single(3) / single(32768))))
    if output_exponent > 0:
        raise UnsupportedInC("its output's scale is too small")
    found = []
    for code in given:
        value = (code - zero) * 128
        gate = value
        if gate_exponent > 0:
            gate = _saturated(gate << (gate_exponent - 1))
        gate = high_product(gate, gate_factor, 15)
        if gate_exponent > 0:
            gate = _saturated(gate << 1)
        elif gate_exponent < 0:
            gate = shift_right(gate, -gate_exponent)
        gate = (gate + (1 << 15)) >> 1
        product = gate * high_product(value, output_factor, 15)
        high = int(abs(product) >> 15) * (1 if product >= 0 else -1)
        found.append(shift_right(high, -output_exponent) + output_zero)
    return found


def _sixteen_bits(factor: float) -> tuple[int, int]:
    fixed, exponent = scaled(factor)
    return min((fixed + (1 << 15)) >> 16, 2**15 - 1), exponent


def _saturated(x: int) -> int:
    return max(-(2**15), min(x, 2**15 - 1))


TABLES: dict[str, Table] = {
    **dict.fromkeys(RECTIFIERS, _rectifier),
    "LOGISTIC": _real_function(_sigmoid),
    "TANH": _real_function(lambda x: float32("tanh", x)),
    "HARD_SWISH": _hard_swish,
    "LEAKY_RELU": _leaky,
    "GELU": _gelu,
    "RSQRT": _rsqrt,
}


def softmax(program: Program, operator: TFLiteOperator) -> None:
    """SOFTMAX over the last axis."""
    source, output = only(operator)
    damaged_unless(bool(source.shape) and source.shape == output.shape, "its shapes differ")
    count = source.shape[-1]
    rows = elements(source) // count
    beta = operator.number("Beta")
    places = program.place(source), program.place(output)
    above = {source.number: 0}
    if kind_of(source, output) == "float32":
        program.kernel("softmax_float")
        code = call("softmax_float", rows, count, real(beta), *places)
    elif program.arithmetic == "builtin":
        program.kernel("softmax_table")
        step = -single(quantization(source)[0]) * single(beta)
        table = [float32("exp", float(step * single(each))) for each in range(256)]
        name = program.constant("table", np.array(table, np.float32))
        scale, zero = quantization(output)
        code = call("softmax_table", rows, count, name, real(scale), zero, *places)
    else:
        if count > LARGEST_SOFTMAX:
            raise UnsupportedInC(f"a softmax of {count:,} numbers in the reference arithmetic")
        program.kernel("softmax_fixed")
        name = program.constant("table", _exponentials(beta * quantization(source)[0]))
        code = call("softmax_fixed", rows, count, name, *places)
    program.add(operator, code, above)


def _exponentials(step: float) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
    """Return exp of 0, -step, ... -255 steps, with 31 bits behind the point."""
    bits = 31 - SCALED_DIFFERENCE_BITS
    fixed, shift = scaled(min(step * (1 << bits), 2.0**31 - 1))
    largest = math.floor(((1 << SCALED_DIFFERENCE_BITS) - 1) * 2.0**bits / 2.0**shift)
    found = [
        exponential(multiply(-each, (fixed, shift))) if each <= largest else 0
        for each in range(256)
    ]
    return np.array(found, np.int32)


WRITERS = {**dict.fromkeys(FORMULAS, unary), "SOFTMAX": softmax}
