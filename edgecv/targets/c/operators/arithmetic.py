"""Arithmetic of two tensors, of which one may be repeated along axes of the other."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecv.formats.tflite.operators import TFLiteOperator, TFLiteTensor
from edgecv.targets.c.fixed_point import scaled
from edgecv.targets.c.overlap import elementwise
from edgecv.targets.c.program import Program, call, record
from edgecv.targets.c.tensors import (
    activation_limits,
    elements,
    kind_of,
    quantization,
    size,
)
from edgecv.targets.c.unsupported import UnsupportedInC, damaged_unless, same_sides

AXES = 4
LEFT_SHIFT, SQUARED_SHIFT = 20, 14
"""The bits by which LiteRT scales sums and squares of int8 values up."""
FLOATS = {
    "ADD": "clamp_float(x + y, lowest, highest)",
    "SUB": "clamp_float(x - y, lowest, highest)",
    "MUL": "clamp_float(x * y, lowest, highest)",
    "MAXIMUM": "x > y ? x : y",
    "MINIMUM": "x < y ? x : y",
    "PRELU": "x >= 0 ? x : x * y",
    "DIV": "clamp_float(x / y, lowest, highest)",
    "SQUARED_DIFFERENCE": "(x - y) * (x - y)",
}
FUSED = ("ADD", "SUB", "MUL", "DIV")
SUM = """{
    const int32_t a = rescale((x - f.first_zero) * (1 << 20), f.first, f.first_shift, 0);
    const int32_t b = rescale((y - f.second_zero) * (1 << 20), f.second, f.second_shift, 0);
    *output++ = (int8_t)clamp(rescale(a $SIGN b, f.factor, f.shift, 0) + f.zero,
                              f.lowest, f.highest);
}"""
SQUARE = """{
    const int32_t a = rescale((x - f.first_zero) * (1 << 7), f.first, f.first_shift, 0);
    const int32_t b = rescale((y - f.second_zero) * (1 << 7), f.second, f.second_shift, 0);
    *output++ = (int8_t)clamp(rescale((a - b) * (a - b), f.factor, f.shift, 0) + f.zero,
                              f.lowest, f.highest);
}"""
PRODUCT = """{
    const int32_t product = (x - f.first_zero) * (y - f.second_zero);
    *output++ = (int8_t)clamp(rescale(product, f.factor, f.shift, 0) + f.zero,
                              f.lowest, f.highest);
}"""
RECTIFIED = """{
    const int32_t value = x - f.first_zero;
    const int32_t scaled = value >= 0
        ? rescale(value, f.first, f.first_shift, 0)
        : rescale(value * (y - f.second_zero), f.factor, f.shift, 0);
    *output++ = (int8_t)clamp(scaled + f.zero, f.lowest, f.highest);
}"""
INTEGERS = {
    "ADD": SUM.replace("$SIGN", "+"),
    "SUB": SUM.replace("$SIGN", "-"),
    "MUL": PRODUCT,
    "PRELU": RECTIFIED,
    "SQUARED_DIFFERENCE": SQUARE,
}
SELECTIONS = ("MAXIMUM", "MINIMUM")


@dataclass(frozen=True)
class Walk:
    """Two tensors that are walked together: the sizes of axes and the steps along each."""

    sizes: tuple[int, ...]
    first: tuple[int, ...]
    second: tuple[int, ...]

    def record(self) -> str:
        """Return C for its constant ``p``."""
        listed = {"size": self.sizes, "first": self.first, "second": self.second}
        fields = {key: f"{{{', '.join(map(str, each))}}}" for key, each in listed.items()}
        return record("steps", "p", **fields)


def walk(output: TFLiteTensor, first: TFLiteTensor, second: TFLiteTensor) -> Walk:
    """Return the walk over an output's elements, with as few axes as can be."""
    sides = output.shape or (1,)
    same_sides(output.shape, np.broadcast_shapes(first.shape, second.shape))
    steps = [repeated_steps(each.shape, len(sides)) for each in (first, second)]
    axes: list[list[int]] = []
    for side, *stepped in zip(sides, *steps, strict=True):
        if side == 1:
            continue
        if axes and axes[-1][1:] == [step * side for step in stepped]:
            axes[-1] = [axes[-1][0] * side, *stepped]
        else:
            axes.append([side, *stepped])
    if len(axes) > AXES:
        raise UnsupportedInC(f"shapes that repeat along {len(axes)} axes")
    padded = [[1, 0, 0]] * (AXES - len(axes)) + axes
    sizes, one, other = zip(*padded, strict=True)
    return Walk(sizes, one, other)


def repeated_steps(shape: tuple[int, ...], axes: int) -> list[int]:
    """Return the step along each axis in elements: 0 where it is repeated.

    >>> repeated_steps((2, 1, 4), 4)
    [0, 4, 0, 1]
    """
    steps, step = [], 1
    for side in reversed(shape):
        steps.append(step if side > 1 else 0)
        step *= side
    return [0] * (axes - len(shape)) + steps[::-1]


def binary(program: Program, operator: TFLiteOperator) -> None:
    """Add an operator of two tensors."""
    damaged_unless(len(operator.inputs) == 2, "it has not two inputs")
    first, second = operator.inputs
    output = operator.outputs[0]
    if first is None or second is None:
        raise UnsupportedInC("an input that is left out")
    kind = kind_of(first, second, output)
    count = elements(output)
    elements(first), elements(second)
    try:
        steps = walk(output, first, second)
    except ValueError:
        raise UnsupportedInC(f"the shapes {first.shape} and {second.shape}") from None
    suffix = "float" if kind == "float32" else "int8"
    name = f"{operator.kind.lower()}_{suffix}"
    needs, parameters, declared, arguments, body = (
        _float(operator) if kind == "float32" else _integer(program, operator)
    )
    element = "float" if kind == "float32" else "int8_t"
    program.kernel(
        "binary",
        NAME=name,
        NEEDS=needs,
        PARAMETERS=parameters,
        ELEMENT=element,
        WIDE="float" if kind == "float32" else "int32_t",
        BODY="\n".join(" " * 20 + line for line in body.splitlines()),
    )
    places = [program.place(each) for each in (first, second, output)]
    above = {
        each.number: elementwise(count, size(each), size(output))
        for each in (first, second)
        if elements(each) == count
    }
    program.add(operator, steps.record() + declared + call(name, "&p", *arguments, *places), above)


Parts = tuple[str, str, str, tuple[str, ...], str]
"""Kernels needed, parameters, declarations, arguments and body."""


def _float(operator: TFLiteOperator) -> Parts:
    fused = operator.kind in FUSED
    return (
        " clamp_float" if fused else "",
        "float lowest, float highest," if fused else "",
        "",
        activation_limits(operator, operator.outputs[0]) if fused else (),
        f"*output++ = {FLOATS[operator.kind]};",
    )


def _integer(program: Program, operator: TFLiteOperator) -> Parts:
    first, second = operator.inputs
    assert first is not None
    assert second is not None
    output = operator.outputs[0]
    if operator.kind in SELECTIONS:
        damaged_unless(
            quantization(first) == quantization(second) == quantization(output),
            "it changes the scale",
        )
        return "", "", "", (), f"*output++ = (int8_t)({FLOATS[operator.kind]});"
    if operator.kind not in INTEGERS:
        raise UnsupportedInC("int8 values")
    declared = record("factors", "f", **_factors(operator, first, second, output))
    needs = " factors clamp rescale"
    return needs, "factors f,", declared, ("f",), INTEGERS[operator.kind]


def _factors(
    operator: TFLiteOperator, first: TFLiteTensor, second: TFLiteTensor, output: TFLiteTensor
) -> dict[str, Any]:
    (one, first_zero), (other, second_zero), (made, zero) = map(
        quantization, (first, second, output)
    )
    single = np.float32
    parts: dict[str, Any] = {}
    if operator.kind in ("ADD", "SUB", "SQUARED_DIFFERENCE"):
        twice = 2 * max(one, other)
        parts["first"], parts["first_shift"] = scaled(one / twice)
        parts["second"], parts["second_shift"] = scaled(other / twice)
        if operator.kind == "SQUARED_DIFFERENCE":
            factor = twice * twice / (made * (1 << SQUARED_SHIFT))
        else:
            factor = twice / float(single(1 << LEFT_SHIFT) * single(made))
    else:
        factor = float(single(one) * single(other) / single(made))
    if operator.kind == "PRELU":
        parts["first"], parts["first_shift"] = scaled(float(single(one) / single(made)))
    parts["factor"], parts["shift"] = scaled(factor)
    lowest, highest = activation_limits(operator, output)
    zeros = {"first_zero": first_zero, "second_zero": second_zero, "zero": zero}
    return {**parts, **zeros, "lowest": lowest, "highest": highest}


WRITERS = dict.fromkeys(FLOATS, binary)
