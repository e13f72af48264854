"""The C project of a TFLite file."""

from collections.abc import Collection, Sequence
from pathlib import Path

from edgecv.core.errors import InputError
from edgecv.core.text import counted
from edgecv.formats.tflite.operators import TFLiteOperator, TFLiteTensor
from edgecv.formats.tflite.tables import TFLiteTables, damage_refused
from edgecv.targets.c.operators import WRITERS
from edgecv.targets.c.planner import Buffer, arena_size, plan
from edgecv.targets.c.program import Arithmetic, Program
from edgecv.targets.c.project import PlacedProgram
from edgecv.targets.c.tensors import elements, size
from edgecv.targets.c.unsupported import UnsupportedInC

SHOWN = 5
SCRATCH_ALIGNMENT = 2


def generate(content: bytes, where: str, arithmetic: Arithmetic = "builtin") -> PlacedProgram:
    """Return a TFLite file as calls of C functions, with the places of its tensors.

    Its integers are those of the LiteRT kernels named. Raises InputError where an operator, a type
    or a shape is not supported: all of them are named.
    """
    with damage_refused(where):
        program = Program(TFLiteTables(content, where), arithmetic)
        refused = _written(program)
    if refused:
        more = f" and {counted(len(refused) - SHOWN, 'other')}" if len(refused) > SHOWN else ""
        raise InputError(
            where,
            f"target c lacks {'; '.join(refused[:SHOWN])}{more}",
            accepted=f"{counted(len(WRITERS), 'operator')} in int8 or float32: see the guide on C",
            remedy="--to bundle takes every operator; of the model that the file was made of,"
            " edgecv compress --quantize int8 makes an int8 file",
        )
    return _layout(program)


def planned_arena(path: Path) -> PlacedProgram | None:
    """Return the plan of a file's memory as plain C; None for a file that C lacks something for."""
    try:
        return generate(path.read_bytes(), str(path))
    except InputError:
        return None


def _layout(program: Program) -> PlacedProgram:
    """Return a program with the places of its tensors in the arena."""
    numbers, buffers = _buffers(program)
    above = _above(program, numbers, buffers)
    offsets = plan(buffers, above)
    places = dict(zip(numbers, offsets, strict=True))
    return PlacedProgram(program, places, arena_size(buffers, offsets), _peak(program, buffers))


def _peak(program: Program, buffers: Sequence[Buffer]) -> str:
    """Return the operator during which most bytes are needed."""
    needed = [
        sum(each.size for each in buffers if each.first <= number <= each.last)
        for number in range(len(program.steps))
    ]
    return str(program.steps[needed.index(max(needed))].operator) if needed else ""


def _write(program: Program, operator: TFLiteOperator, known: Collection[int]) -> str | None:
    """Add an operator; return what is lacking for it. ``known``: the tensors computed before."""
    write_operator = WRITERS.get(operator.kind)
    try:
        if write_operator is None:
            kinds = {each.type for each in operator.outputs}
            raise UnsupportedInC(f"the operator, of {' and '.join(sorted(kinds))}")
        for each in _read(operator):
            if each.number not in known and program.tables.constant(each) is None:
                raise UnsupportedInC(
                    f'"{each.first_name}", which is not computed before it is read'
                )
        write_operator(program, operator)
    except UnsupportedInC as error:
        return f"{operator}: {error}"
    return None


def _written(program: Program) -> list[str]:
    """Add all operators that are needed; return what is lacking for them."""
    refused = []
    known = {each.number for each in program.tables.inputs}
    for operator in _needed(program.tables):
        if (found := _write(program, operator, known)) is not None:
            refused.append(found)
        known |= {each.number for each in operator.outputs}
    return refused + _check_ends(program, known)


def _needed(tables: TFLiteTables) -> list[TFLiteOperator]:
    """Return the operators that the outputs depend on; those of constants are done here."""
    wanted = {each.number for each in tables.outputs}
    found: list[TFLiteOperator] = []
    for operator in reversed(tables.operators):
        made = {each.number for each in operator.outputs}
        if not made & wanted or all(tables.constant(each) for each in operator.outputs):
            continue
        found.append(operator)
        wanted |= {each.number for each in _read(operator)}
    return found[::-1]


def _read(operator: TFLiteOperator) -> list[TFLiteTensor]:
    """Return the inputs that are read: the shape of a RESHAPE is that of its output."""
    given = operator.inputs[:1] if operator.kind == "RESHAPE" else operator.inputs
    return [each for each in given if each is not None]


def _check_ends(program: Program, known: Collection[int]) -> list[str]:
    """Return what is lacking for the inputs and outputs of the model."""
    ends = program.tables.inputs, program.tables.outputs
    refused = [] if all(ends) else ["a model without inputs or outputs"]
    for each in (*ends[0], *ends[1]):
        try:
            elements(each)
            size(each)
            if program.tables.constant(each) is not None:
                raise UnsupportedInC("an input or output that is constant")
            if each.number not in known:
                raise UnsupportedInC("an output that is not computed")
        except UnsupportedInC as error:
            refused.append(f'"{each.first_name}": {error}')
    return refused


def _buffers(program: Program) -> tuple[list[int], list[Buffer]]:
    tables, steps = program.tables, program.steps
    by_number = {each.number: each for each in tables.tensors}
    first = {program.root(each.number): -1 for each in tables.inputs}
    last = dict(first)
    for number, step in enumerate(steps):
        for each in step.outputs:
            first.setdefault(program.root(each), number)
        for each in (*step.inputs, *step.outputs):
            last[program.root(each)] = number
    for output in tables.outputs:
        last[program.root(output.number)] = len(steps)
    found = {
        number: Buffer(
            elements(by_number[number]) * size(by_number[number]),
            size(by_number[number]),
            first[number],
            last[number],
        )
        for number in first
    }
    for number, step in enumerate(steps):
        if step.scratch is not None:
            own, needed = step.scratch
            found[own] = Buffer(needed, SCRATCH_ALIGNMENT, number, number)
    return list(found), list(found.values())


def _above(
    program: Program, numbers: Sequence[int], buffers: Sequence[Buffer]
) -> dict[tuple[int, int], int]:
    """Return the pairs of input and output that may share memory: both only at this step."""
    place = {number: index for index, number in enumerate(numbers)}
    found = {}
    for number, step in enumerate(program.steps):
        if len(step.outputs) != 1:
            continue
        output = place[program.root(step.outputs[0])]
        for source, least in step.above.items():
            taken = place[source]
            if buffers[taken].last == number == buffers[output].first and taken != output:
                found[taken, output] = least
    return found
