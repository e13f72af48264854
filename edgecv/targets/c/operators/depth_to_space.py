"""Operators that exchange depth and space, or stack tensors along a new axis."""

from edgecv.formats.tflite.operators import TFLiteOperator
from edgecv.targets.c.operators.data_movement import Block, copy, moved, steps
from edgecv.targets.c.program import Program
from edgecv.targets.c.tensors import elements
from edgecv.targets.c.unsupported import UnsupportedInC, damaged_unless, same_sides

IMAGE_AXES = 4


def depth_and_space(program: Program, operator: TFLiteOperator) -> None:
    """DEPTH_TO_SPACE and SPACE_TO_DEPTH: blocks of pixels are parts of the channels."""
    source, output = moved(operator)
    goes_deep = operator.kind == "SPACE_TO_DEPTH"
    wide, deep = (source, output) if goes_deep else (output, source)
    side = operator.option("BlockSize")
    damaged_unless(len(deep.shape) == len(wide.shape) == IMAGE_AXES and side > 0, "its shape")
    images, rows, columns, _ = deep.shape
    channels = wide.shape[3]
    same_sides(wide.shape, [images, rows * side, columns * side, channels])
    same_sides(deep.shape, [images, rows, columns, side * side * channels])
    of_wide, of_deep = steps(wide.shape), steps(deep.shape)
    block = Block(
        (images, rows, side, columns, side, channels),
        (of_deep[0], of_deep[1], side * channels, of_deep[2], channels, 1),
        (of_wide[0], of_wide[1] * side, of_wide[1], of_wide[2] * side, of_wide[2], 1),
    )
    program.add(operator, copy(program, block.turned() if goes_deep else block, source, output))


def stack(program: Program, operator: TFLiteOperator) -> None:
    """PACK and UNPACK: tensors of one shape, and one tensor with an axis more."""
    is_pack = operator.kind == "PACK"
    whole = operator.outputs[0] if is_pack else operator.inputs[0]
    parts = operator.inputs if is_pack else operator.outputs
    if whole is None:
        raise UnsupportedInC("an input that is left out")
    axis, rank = operator.option("Axis"), len(whole.shape)
    damaged_unless(-rank <= axis < rank and whole.shape[axis] == len(parts), f"its axis {axis}")
    axis %= rank
    elements(whole)
    written, code = steps(whole.shape), []
    for number, part in enumerate(parts):
        if part is None:
            raise UnsupportedInC("an input that is left out")
        elements(part)
        damaged_unless(part.type == whole.type, "it changes the type")
        damaged_unless(
            part.scales == whole.scales and part.zero_points == whole.zero_points,
            "it changes the scale",
        )
        same_sides(part.shape, [*whole.shape[:axis], *whole.shape[axis + 1 :]])
        others = [*written[:axis], *written[axis + 1 :]]
        block = Block(part.shape, steps(part.shape), others, written_start=number * written[axis])
        ends = (part, whole) if is_pack else (whole, part)
        code.append(copy(program, block if is_pack else block.turned(), *ends))
    program.add(operator, "".join(code))


WRITERS = {
    **dict.fromkeys(("DEPTH_TO_SPACE", "SPACE_TO_DEPTH"), depth_and_space),
    **dict.fromkeys(("PACK", "UNPACK"), stack),
}
