"""Operators that move values: views, pads, concatenations, parts and transpositions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgecv.formats.tflite.operators import TFLiteOperator, TFLiteTensor
from edgecv.targets.c.fixed_point import real
from edgecv.targets.c.program import Program, call, record
from edgecv.targets.c.tensors import C_TYPES, elements, only, quantization, size
from edgecv.targets.c.unsupported import UnsupportedInC, damaged_unless, same_sides

AXES = 5
MOST_BLOCKS = 64
"""The most copies that one operator is split into."""


@dataclass(frozen=True)
class Block:
    """A box of elements that is copied: its sizes, and steps and starts in both tensors."""

    sizes: Sequence[int]
    read: Sequence[int]
    written: Sequence[int]
    read_start: int = 0
    written_start: int = 0

    def turned(self) -> "Block":
        """Return the copy in the other direction."""
        return Block(self.sizes, self.written, self.read, self.written_start, self.read_start)


def steps(shape: Sequence[int]) -> list[int]:
    """Return the step along each axis in elements.

    >>> steps((2, 3, 4))
    [12, 4, 1]
    """
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def copy(program: Program, block: Block, source: TFLiteTensor, output: TFLiteTensor) -> str:
    """Return C that copies a block, with as few and as long runs as can be."""
    run = size(source)
    axes: list[list[int]] = []
    for side, read, written in zip(block.sizes, block.read, block.written, strict=True):
        if side == 1:
            continue
        if axes and axes[-1][1:] == [read * side, written * side]:
            axes[-1] = [axes[-1][0] * side, read, written]
        else:
            axes.append([side, read, written])
    if axes and axes[-1][1:] == [1, 1]:
        run *= axes.pop()[0]
    if len(axes) > AXES:
        raise UnsupportedInC(f"a move of {len(axes)} axes")
    padded = [[1, 0, 0]] * (AXES - len(axes)) + [
        [side, read * size(source), written * size(source)] for side, read, written in axes
    ]
    sizes, read_steps, written_steps = (
        f"{{{', '.join(map(str, each))}}}" for each in zip(*padded, strict=True)
    )
    program.kernel("copy")
    declared = record("copies", "p", size=sizes, **{"from": read_steps}, to=written_steps, run=run)
    places = (
        f"{program.place(source)} + {block.read_start}",
        f"{program.place(output)} + {block.written_start}",
    )
    return f"{{\n{declared}{call('copy', '&p', *places)}\n}}\n"


def view(program: Program, operator: TFLiteOperator) -> None:
    """RESHAPE, SQUEEZE and EXPAND_DIMS: the same bytes under another shape."""
    source, output = operator.inputs[0], operator.outputs[0]
    if source is None or program.tables.constant(source) is not None:
        raise UnsupportedInC("a constant input")
    damaged_unless(
        elements(source) == elements(output) and source.type == output.type,
        "its output has another size",
    )
    program.views[output.number] = program.root(source.number)


def pad(program: Program, operator: TFLiteOperator) -> None:
    """PAD and PADV2."""
    source, output = moved(operator)
    given = program.weights(operator.inputs[1])
    damaged_unless(given.shape == (len(source.shape), 2) and given.min() >= 0, "its pads")
    around = given.tolist()
    wanted = [side + sum(ends) for side, ends in zip(source.shape, around, strict=True)]
    same_sides(output.shape, wanted)
    value = None
    if operator.kind == "PADV2":
        value = program.weights(operator.inputs[2]).reshape(-1)[0]
    written = steps(output.shape)
    start = sum(ends[0] * step for ends, step in zip(around, written, strict=True))
    block = Block(source.shape, steps(source.shape), written, written_start=start)
    filled = _filled(program, output, value)
    program.add(operator, filled + copy(program, block, source, output))


def space_to_batch(program: Program, operator: TFLiteOperator) -> None:
    """SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND, which surround a dilated convolution."""
    source, output = moved(operator)
    sides, around = (program.weights(each) for each in operator.inputs[1:3])
    goes_back = operator.kind == "BATCH_TO_SPACE_ND"
    wide, narrow = (output, source) if goes_back else (source, output)
    damaged_unless(
        sides.shape == (2,) and around.shape == (2, 2) and len(source.shape) == 4, "its shape"
    )
    (rows, columns), (top, left) = sides.tolist(), around[:, 0].tolist()
    damaged_unless(min(rows, columns) > 0 and around.min() >= 0, "its blocks or pads")
    if not rows * columns <= MOST_BLOCKS:
        raise UnsupportedInC(f"{rows * columns:,} blocks")
    padded = [side + sum(ends) for side, ends in zip(wide.shape[1:3], around.tolist(), strict=True)]
    same_sides(
        narrow.shape,
        [wide.shape[0] * rows * columns, padded[0] // rows, padded[1] // columns, wide.shape[3]],
    )
    parts = [] if goes_back else [_filled(program, output)]
    images, channels = wide.shape[0], wide.shape[3]
    to_narrow, to_wide = steps(narrow.shape), steps(wide.shape)
    for number in range(rows * columns):
        i, j = divmod(number, columns)
        ys = [y for y in range(narrow.shape[1]) if 0 <= y * rows + i - top < wide.shape[1]]
        xs = [x for x in range(narrow.shape[2]) if 0 <= x * columns + j - left < wide.shape[2]]
        if not ys or not xs:
            continue
        block = Block(
            (images, len(ys), len(xs), channels),
            to_narrow,
            (to_wide[0], to_wide[1] * rows, to_wide[2] * columns, 1),
            number * images * to_narrow[0] + ys[0] * to_narrow[1] + xs[0] * to_narrow[2],
            (ys[0] * rows + i - top) * to_wide[1] + (xs[0] * columns + j - left) * to_wide[2],
        )
        parts.append(copy(program, block if goes_back else block.turned(), source, output))
    program.add(operator, "".join(parts))


def concatenation(program: Program, operator: TFLiteOperator) -> None:
    """CONCATENATION."""
    output = operator.outputs[0]
    if operator.option("FusedActivationFunction"):
        raise UnsupportedInC("a fused activation")
    for source in operator.inputs:
        if source is None:
            raise UnsupportedInC("an input that is left out")
        if source.type != "float32":
            damaged_unless(quantization(source) == quantization(output), "it changes the scale")
    axis = _axis(operator.option("Axis"), output)
    _copy_parts(
        program, operator, output, [each for each in operator.inputs if each is not None], axis
    )


def split(program: Program, operator: TFLiteOperator) -> None:
    """SPLIT and SPLIT_V into equal or given parts."""
    is_even = operator.kind == "SPLIT"
    source, place = operator.inputs[is_even], operator.inputs[0 if is_even else 2]
    if source is None:
        raise UnsupportedInC("an input that is left out")
    axis = _axis(int(program.weights(place).reshape(-1)[0]), source)
    _copy_parts(program, operator, source, operator.outputs, axis)


def _copy_parts(
    program: Program,
    operator: TFLiteOperator,
    whole: TFLiteTensor,
    parts: Sequence[TFLiteTensor],
    axis: int,
) -> None:
    """Copy parts that lie one behind another along an axis of a tensor, into it or out of it."""
    elements(whole)
    is_split = whole is not operator.outputs[0]
    strides, start, code = steps(whole.shape), 0, []
    for part in parts:
        elements(part)
        damaged_unless(part.type == whole.type, "it changes the type")
        along = part.shape[axis : axis + 1]
        sides = (*whole.shape[:axis], *along, *whole.shape[axis + 1 :])
        damaged_unless(tuple(part.shape) == sides, "its parts have other shapes")
        block = Block(part.shape, steps(part.shape), strides, written_start=start * strides[axis])
        if is_split:
            code.append(copy(program, block.turned(), whole, part))
        else:
            code.append(copy(program, block, part, whole))
        start += sum(along)
    damaged_unless(start == whole.shape[axis], "its parts do not fill the whole")
    program.add(operator, "".join(code))


def transpose(program: Program, operator: TFLiteOperator) -> None:
    """TRANSPOSE."""
    source, output = moved(operator)
    order = program.weights(operator.inputs[1]).reshape(-1).tolist()
    damaged_unless(sorted(order) == list(range(len(source.shape))), f"its order {order}")
    same_sides(output.shape, [source.shape[axis] for axis in order])
    read = steps(source.shape)
    block = Block(output.shape, [read[axis] for axis in order], steps(output.shape))
    program.add(operator, copy(program, block, source, output))


def _filled(program: Program, output: TFLiteTensor, value: float | None = None) -> str:
    """Return C that fills an output with a stored value, or with what stands for zero."""
    is_float = output.type == "float32"
    if value is None:
        value = 0.0 if is_float else quantization(output)[1]
    kind = C_TYPES[output.type]
    program.kernel("fill", ELEMENT=kind)
    filled = real(float(value)) if is_float else int(value)
    return call(f"fill_{kind}", elements(output), filled, program.place(output)) + "\n"


def moved(operator: TFLiteOperator) -> tuple[TFLiteTensor, TFLiteTensor]:
    """Return the first input and the output of an operator that changes no value."""
    source, output = only(operator, len(operator.inputs))
    damaged_unless(source.type == output.type, "it changes the type")
    elements(source), elements(output)
    return source, output


def _axis(axis: int, tensor: TFLiteTensor) -> int:
    damaged_unless(-len(tensor.shape) <= axis < len(tensor.shape), f"its axis {axis}")
    return axis % len(tensor.shape)


WRITERS = {
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), view),
    **dict.fromkeys(("PAD", "PADV2"), pad),
    **dict.fromkeys(("SPLIT", "SPLIT_V"), split),
    **dict.fromkeys(("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"), space_to_batch),
    "CONCATENATION": concatenation,
    "TRANSPOSE": transpose,
}
