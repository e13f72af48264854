"""Pools and means."""

import math

import numpy as np

from edgecv.formats.tflite.operators import TFLiteOperator
from edgecv.targets.c.fixed_point import rounded, scaled
from edgecv.targets.c.program import Program, call
from edgecv.targets.c.tensors import activation_limits, elements, kind_of, only, quantization
from edgecv.targets.c.unsupported import UnsupportedInC, damaged_unless, same_sides
from edgecv.targets.c.windows import Window, axes

INTEGER = {"ELEMENT": "int8_t", "WIDE": "int32_t", "CLAMP": "clamp"}
FLOAT = {"ELEMENT": "float", "WIDE": "float", "CLAMP": "clamp_float"}
LARGEST = [
    {"START": start, "NEXT": "x > found ? x : found", "RESULT": "found"}
    for start in ("-128", "-INFINITY")
]
ROUNDED_MEAN = "(found + (found > 0 ? t.count / 2 : -(t.count / 2))) / t.count"
AVERAGE = [
    {"START": "0", "NEXT": "found + x", "RESULT": result}
    for result in (ROUNDED_MEAN, "found / (float)t.count")
]
"""Code of a pool of int8, and of float."""

LANES = 16
"""The channels that LiteRT's mean of an image takes at a time, by vector instructions."""


def pool(program: Program, operator: TFLiteOperator) -> None:
    """MAX_POOL_2D and AVERAGE_POOL_2D."""
    source, output = only(operator)
    taps = operator.option("FilterHeight"), operator.option("FilterWidth")
    window = Window(source, output, axes(operator, source.shape[1:3], output.shape[1:3], taps))
    same_sides(output.shape[3:], source.shape[3:])
    is_float = kind_of(source, output) == "float32"
    if not is_float:
        damaged_unless(quantization(source) == quantization(output), "it changes the scale")
    name = f"{operator.kind.lower()}_{'float' if is_float else 'int8'}"
    program.kernel(
        "pool",
        NAME=name,
        **(FLOAT if is_float else INTEGER),
        **(LARGEST if operator.kind == "MAX_POOL_2D" else AVERAGE)[is_float],
    )
    places = program.place(source), program.place(output)
    code = window.repeated(call(name, "&p", *activation_limits(operator, output), *places), places)
    program.add(operator, window.record() + code, window.above())


def mean(program: Program, operator: TFLiteOperator) -> None:
    """MEAN over axes that lie side by side."""
    source, output = only(operator, 2)
    sides = source.shape
    axes_given = program.weights(operator.inputs[1]).reshape(-1).tolist()
    damaged_unless(
        all(-len(sides) <= axis < len(sides) for axis in axes_given), f"its axes {axes_given}"
    )
    reduced = sorted({axis % len(sides) for axis in axes_given})
    if not reduced or reduced != list(range(reduced[0], reduced[-1] + 1)):
        raise UnsupportedInC(f"a mean over the axes {reduced}")
    elements(source)
    outer, count, inner = (
        math.prod(sides[start:end])
        for start, end in (
            (0, reduced[0]),
            (reduced[0], reduced[-1] + 1),
            (reduced[-1] + 1, len(sides)),
        )
    )
    damaged_unless(elements(output) == outer * inner, "its output has another size")
    places = program.place(source), program.place(output)
    if kind_of(source, output) == "float32":
        program.kernel("mean_float")
        program.add(operator, call("mean_float", outer, count, inner, *places))
        return
    program.kernel("mean_int8")
    is_image = len(sides) == 4 and reduced == [1, 2] and bool(operator.option("KeepDims"))
    is_vector = is_image and program.arithmetic == "builtin"
    numbers = (_image_mean if is_vector else _any_mean)(
        quantization(source), quantization(output), count
    )
    lanes = inner - inner % LANES if is_vector else 0
    program.add(operator, call("mean_int8", outer, count, inner, *numbers, lanes, *places))


def _any_mean(
    source: tuple[float, int], output: tuple[float, int], count: int
) -> tuple[int, int, int, int]:
    """Return what is added before, multiplier, shift, and what is added after."""
    multiplier, shift = scaled(source[0] / output[0])
    divided = min(count.bit_length() - 1, 32, 31 + shift)
    return -source[1] * count, (multiplier << divided) // count, shift - divided, output[1]


def _image_mean(
    source: tuple[float, int], output: tuple[float, int], count: int
) -> tuple[int, int, int, int]:
    """Return the same as LiteRT's kernel for images computes it, in float32."""
    given, made = np.float32(source[0]), np.float32(output[0])
    moved = rounded(np.float32(source[1]) * given / made)
    return 0, *scaled(float(given / (np.float32(count) * made))), output[1] - moved


WRITERS = {"MAX_POOL_2D": pool, "AVERAGE_POOL_2D": pool, "MEAN": mean}
