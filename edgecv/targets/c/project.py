"""The files of a C project: header, model, weights, main program and build files."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.formats.tflite.operators import TFLiteTensor
from edgecv.targets.c.fixed_point import real
from edgecv.targets.c.program import KernelCall, Program
from edgecv.targets.c.tensors import C_TYPES, elements, size

PLACE = re.compile(r"@(-?\d+):(\w+)@")
UNSAFE = re.compile(r"[^A-Za-z0-9_.:-]")
LONGEST_COMMENT = 60
LINE = 96
BUILD_FILES = {
    "Makefile": "Makefile",
    "CMakeLists.txt": "CMakeLists.txt",
    "library.properties": "library.properties",
    "library.json": "library.json",
    "zephyr/module.yml": "module.yml",
}
"""Templates of the files for build systems, by their place in the project."""


@dataclass(frozen=True)
class Golden:
    """Inputs and the outputs that belong to them, as bytes one after another."""

    count: int = 0
    inputs: bytes = b""
    outputs: bytes = b""


@dataclass(frozen=True)
class PlacedProgram:
    """A program whose tensors have their places in the arena."""

    program: Program
    places: dict[int, int]
    """By the number of a tensor, its offset in bytes."""
    arena: int
    peak: str
    """The operator during which most of its bytes are needed."""

    @property
    def constant_bytes(self) -> int:
        """The bytes of flash that weights and tables take."""
        return sum(each.nbytes for each in self.program.constants.values())

    def place(self, number: int, kind: str) -> str:
        """Return C for the place of a tensor."""
        offset = self.places[self.program.root(number)]
        return f"(({C_TYPES[kind]} *)(void *)(arena.bytes + {offset}))"


def write(layout: PlacedProgram, golden: Golden, names: Sequence[str] = ()) -> dict[str, str]:
    """Return the files by their names.

    ``names``: of the inputs, and then of the outputs; those of their tensors where there are none.
    """
    program = layout.program
    ends = {"INPUT": program.tables.inputs, "OUTPUT": program.tables.outputs}
    weights = program.constants
    called = _called(layout, names)
    return {
        "edgecv_model.h": _filled(
            "edgecv_model.h",
            MACROS="\n".join(_macros(layout, called)),
            STEPS=len(program.steps),
            **{f"{end}S": len(tensors) for end, tensors in ends.items()},
        ),
        "edgecv_model.c": _filled(
            "edgecv_model.c",
            KERNELS="\n".join(program.kernels),
            NAMES="\n".join(f'    "{_step_name(each, called)}",' for each in program.steps),
            STEPS="\n".join(
                _step(layout, step, number, called) for number, step in enumerate(program.steps)
            ),
            **{f"{end}S": _cases(layout, tensors) for end, tensors in ends.items()},
        ),
        "edgecv_weights.h": _filled(
            "edgecv_weights.h",
            DECLARATIONS="\n".join(
                f"extern const {_declared(name, values)};" for name, values in weights.items()
            ),
        ),
        "edgecv_weights.c": '#include "edgecv_weights.h"\n\n#include <math.h>\n\n'
        + "\n".join(_definition(name, values) for name, values in weights.items()),
        "edgecv_golden.h": _filled("edgecv_golden.h", COUNT=golden.count),
        "edgecv_golden.c": '#include "edgecv_golden.h"\n\n'
        + "\n".join(
            _definition(f"edgecv_golden_{name}", np.frombuffer(content or b"\0", np.uint8))
            for name, content in (("inputs", golden.inputs), ("outputs", golden.outputs))
        ),
        "edgecv_main.c": _filled(
            "edgecv_main.c",
            **{f"{end}_BYTES": _bytes_of(tensors) for end, tensors in ends.items()},
            OUTPUT_IS_FLOAT=", ".join(str(int(each.type == "float32")) for each in ends["OUTPUT"]),
        ),
        **{path: template(name) for path, name in BUILD_FILES.items()},
    }


def _bytes_of(tensors: Sequence[TFLiteTensor]) -> str:
    return ", ".join(str(elements(each) * size(each)) for each in tensors)


def _called(layout: PlacedProgram, names: Sequence[str]) -> dict[int, str]:
    """Return the names of inputs and outputs by the number of their tensor."""
    ends = (*layout.program.tables.inputs, *layout.program.tables.outputs)
    found = names or [each.first_name for each in ends]
    return {tensor.number: _comment(name) for tensor, name in zip(ends, found, strict=True)}


def _macros(layout: PlacedProgram, called: Mapping[int, str]) -> Iterator[str]:
    tables = layout.program.tables
    yield f"#define EDGECV_ARENA_BYTES {layout.arena}"
    yield f"#define EDGECV_CONSTANT_BYTES {layout.constant_bytes}"
    for end, tensors in (("INPUT", tables.inputs), ("OUTPUT", tables.outputs)):
        for number, tensor in enumerate(tensors):
            name = f"EDGECV_{end}_{number}"
            yield f"\n/* {called[tensor.number]}: {list(tensor.shape)} */"
            yield f"#define {name}_TYPE {C_TYPES[tensor.type]}"
            yield f"#define {name}_ELEMENTS {elements(tensor)}"
            yield f"#define {name}_BYTES {elements(tensor) * size(tensor)}"
            if len(tensor.scales) == 1 and tensor.zero_point is not None:
                yield f"#define {name}_SCALE {real(tensor.scales[0])}"
                yield f"#define {name}_ZERO_POINT ({tensor.zero_point})"


def _step(layout: PlacedProgram, step: KernelCall, number: int, called: Mapping[int, str]) -> str:
    code = PLACE.sub(lambda found: layout.place(int(found[1]), found[2]), step.code)
    indented = "\n".join(f"        {line}" for line in code.strip().splitlines())
    return f"    {{ /* {_step_name(step, called)} */\n{indented}\n    }}\n    DONE({number})"


def _step_name(step: KernelCall, called: Mapping[int, str]) -> str:
    first = step.operator.outputs[0]
    return f"{step.operator.kind} {called.get(first.number) or _comment(first.first_name)}"


def _cases(layout: PlacedProgram, tensors: Sequence[TFLiteTensor]) -> str:
    return "\n".join(
        f"    case {number}: return {layout.place(tensor.number, tensor.type)};"
        for number, tensor in enumerate(tensors)
    )


def _comment(name: str) -> str:
    """Return a name from the file that ends no comment."""
    return UNSAFE.sub("_", name)[:LONGEST_COMMENT]


def _declared(name: str, values: NDArray[Any]) -> str:
    return f"{C_TYPES[values.dtype.name]} {name}[{values.size}]"


def _definition(name: str, values: NDArray[Any]) -> str:
    if values.dtype == np.float32:
        numbers = [real(float(each)) for each in values.reshape(-1)]
    elif values.dtype == np.float64:
        numbers = [f"{each:.17g}" for each in values.reshape(-1)]
    else:
        numbers = list(map(str, values.reshape(-1).tolist()))
    lines, line = [], ""
    for number in numbers:
        number = "(-2147483647 - 1)" if number == "-2147483648" else number
        if len(line) + len(number) > LINE:
            lines.append(line)
            line = ""
        line += f"{number},"
    lines.append(line)
    return f"const {_declared(name, values)} = {{\n" + "\n".join(lines) + "\n};\n"


def _filled(name: str, **parts: object) -> str:
    return Template(template(name)).substitute(parts)


@cache
def template(name: str) -> str:
    """Return a file of ``templates/``."""
    return (files(__package__) / "templates" / name).read_text()
