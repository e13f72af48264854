"""Resizes of images."""

import math

import numpy as np

from edgecv.formats.tflite.operators import TFLiteOperator, TFLiteTensor
from edgecv.targets.c.fixed_point import real
from edgecv.targets.c.overlap import distance
from edgecv.targets.c.program import Program, call, record
from edgecv.targets.c.tensors import elements, kind_of, only, quantization, size
from edgecv.targets.c.unsupported import damaged_unless, same_sides

PARTS = 1024
"""The parts of a pixel in which the int8 kernel measures."""
FLOAT = {"TYPE": "float", "ELEMENT": "float", "WIDE": "float", "ONE": "1", "RESULT": "sum"}
INT8 = {
    "TYPE": "int8",
    "ELEMENT": "int8_t",
    "WIDE": "int32_t",
    "ONE": f"{PARTS}",
    "RESULT": "(int8_t)((sum + (sum > 0 ? 1 << 19 : -(1 << 19))) / (1 << 20))",
}
single = np.float32


def _images(program: Program, operator: TFLiteOperator) -> tuple[TFLiteTensor, TFLiteTensor]:
    source, output = only(operator, 2)
    for each in (source, output):
        elements(each)
        damaged_unless(
            len(each.shape) == 4 and each.shape[0] == 1, f"{each.shape} is not one image"
        )
    sides = program.weights(operator.inputs[1]).reshape(-1).tolist()
    same_sides(output.shape, [1, *sides, source.shape[3]])
    if kind_of(source, output) == "int8":
        damaged_unless(quantization(source) == quantization(output), "it changes the scale")
    return source, output


def _above(
    source: TFLiteTensor, output: TFLiteTensor, rows: list[int], columns: list[int]
) -> dict[int, int]:
    read, written = source.shape[3] * size(source), output.shape[3] * size(output)
    return {source.number: distance(rows, columns, source.shape[2], read, written)}


def nearest(program: Program, operator: TFLiteOperator) -> None:
    """RESIZE_NEAREST_NEIGHBOR."""
    source, output = _images(program, operator)
    rows, columns = (
        [_nearest(operator, place, given, made) for place in range(made)]
        for given, made in zip(source.shape[1:3], output.shape[1:3], strict=True)
    )
    program.kernel("nearest")
    names = [program.constant("nearest", np.array(each, np.uint16)) for each in (rows, columns)]
    pixel = source.shape[3] * size(source)
    places = program.place(source), program.place(output)
    arguments = (len(rows), len(columns), source.shape[2], pixel, *names, *places)
    above = _above(source, output, rows, columns)
    program.add(operator, call("nearest", *arguments), above)


def _nearest(operator: TFLiteOperator, place: int, given: int, made: int) -> int:
    aligned = bool(operator.option("AlignCorners"))
    half = bool(operator.option("HalfPixelCenters"))
    scale = _step(given, made, aligned=aligned)
    position = float((single(place) + single(0.5 if half else 0.0)) * scale)
    found = math.floor(position + 0.5) if aligned else math.floor(position)
    return max(0, min(found, given - 1))


def _step(given: int, made: int, *, aligned: bool) -> np.float32:
    if aligned and made > 1:
        return single(given - 1) / single(made - 1)
    return single(given) / single(made)


def bilinear(program: Program, operator: TFLiteOperator) -> None:
    """RESIZE_BILINEAR."""
    source, output = _images(program, operator)
    aligned = bool(operator.option("AlignCorners"))
    half = bool(operator.option("HalfPixelCenters"))
    is_float = kind_of(source, output) == "float32"
    step: dict[str, object] = {}
    first: list[list[int]] = []
    sides = zip("yx", source.shape[1:3], output.shape[1:3], strict=True)
    for axis, given, made in sides:
        parts = (PARTS * given + made // 2) // made
        if aligned and made > 1:
            parts = (PARTS * (given - 1) + (made - 1) // 2) // (made - 1)
        exact = _step(given, made, aligned=aligned)
        step[f"step_{axis}"] = real(float(exact)) if is_float else parts
        scale = float(exact) if is_float else parts / PARTS
        # A pixel less than the first that is read: how the place is rounded does not matter.
        first.append(
            [
                max(0, min(math.floor(place * scale - 0.5 * half) - 1, given - 1))
                for place in range(made)
            ]
        )
    code = FLOAT if is_float else INT8
    name = f"bilinear_{code['TYPE']}"
    program.kernel("bilinear", **code)
    declared = record(
        f"{name}_sizes",
        "p",
        input_height=source.shape[1],
        input_width=source.shape[2],
        output_height=output.shape[1],
        output_width=output.shape[2],
        channels=source.shape[3],
        **step,
        half_pixel=int(half),
    )
    places = program.place(source), program.place(output)
    above = _above(source, output, *first)
    program.add(operator, declared + call(name, "&p", *places), above)


WRITERS = {"RESIZE_NEAREST_NEIGHBOR": nearest, "RESIZE_BILINEAR": bilinear}
