"""Slices of tensors."""

from edgecv.formats.tflite.operators import TFLiteOperator, TFLiteTensor
from edgecv.targets.c.operators.data_movement import Block, copy, moved, steps
from edgecv.targets.c.program import Program
from edgecv.targets.c.unsupported import UnsupportedInC, damaged_unless, same_sides


def slices(program: Program, operator: TFLiteOperator) -> None:
    """SLICE and STRIDED_SLICE."""
    source, output = moved(operator)
    begins, second = (program.weights(each).reshape(-1).tolist() for each in operator.inputs[1:3])
    damaged_unless(len(begins) == len(second) <= len(source.shape), "its starts and ends")
    if operator.kind == "SLICE":
        damaged_unless(len(begins) == len(source.shape), "its starts and ends")
        chosen = [
            range(begin, side if count == -1 else begin + count)
            for begin, count, side in zip(begins, second, source.shape, strict=True)
        ]
        kept = list(map(len, chosen))
    else:
        chosen, kept = _strided(program, operator, source, begins, second)
    for each, side in zip(chosen, source.shape, strict=True):
        damaged_unless(
            len(each) > 0 and min(each) >= 0 and max(each) < side, "it reads outside its input"
        )
    same_sides(output.shape, kept)
    read = steps(source.shape)
    lengths = list(map(len, chosen))
    block = Block(
        lengths,
        [step * each.step for step, each in zip(read, chosen, strict=True)],
        steps(lengths),
        read_start=sum(each.start * step for each, step in zip(chosen, read, strict=True)),
    )
    program.add(operator, copy(program, block, source, output))


def _strided(
    program: Program,
    operator: TFLiteOperator,
    source: TFLiteTensor,
    begins: list[int],
    ends: list[int],
) -> tuple[list[range], list[int]]:
    """Return what is read on each axis, and the sides of the output that stay."""
    if operator.option("EllipsisMask") or operator.option("NewAxisMask"):
        raise UnsupportedInC("an ellipsis or a new axis")
    if operator.option("Offset"):
        raise UnsupportedInC("ends that are counted from its starts")
    strides = program.weights(operator.inputs[3]).reshape(-1).tolist()
    damaged_unless(len(strides) == len(begins) and 0 not in strides, "its strides")
    masks = [operator.option(f"{name}Mask") for name in ("Begin", "End", "ShrinkAxis")]
    chosen, kept = [], []
    for axis, side in enumerate(source.shape):
        if axis >= len(begins):
            chosen.append(range(side))
            kept.append(side)
            continue
        open_begin, open_end, shrinks = (bool(mask >> axis & 1) for mask in masks)
        begin, end, step = begins[axis], ends[axis], strides[axis]
        bounds = slice(None if open_begin else begin, None if open_end else end, step)
        if shrinks:  # An open start counts here too; the end does not.
            place = bounds.indices(side)[0]
            chosen.append(range(place, place + 1))
            continue
        chosen.append(range(*bounds.indices(side)))
        kept.append(len(chosen[-1]))
    return chosen, kept


WRITERS = dict.fromkeys(("SLICE", "STRIDED_SLICE"), slices)
