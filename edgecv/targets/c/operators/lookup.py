"""Functions of one byte, by tables of their 256 answers."""

import numpy as np

from edgecv.formats.tflite.operators import TFLiteOperator
from edgecv.targets.c.program import Program, call
from edgecv.targets.c.tensors import LIMITS, ends_of_one_size, only, quantization


def add_table(program: Program, operator: TFLiteOperator, *parts: tuple[int, list[int]]) -> None:
    """Add a function of one byte.

    ``parts``: how many elements, one part behind the other, have which answers: for the lowest code
    of the input and so on.
    """
    source, output, _ = ends_of_one_size(operator)
    lowest = LIMITS[source.type][0]
    program.kernel("lookup")
    places = program.place(source), program.place(output)
    calls, start = [], 0
    for number, answers in parts:
        limited = np.clip(answers, *LIMITS[output.type]).astype(np.int64)
        table = np.roll(limited, lowest).astype(np.uint8)  # by the byte that holds the code
        name = program.constant("table", table)
        behind = f" + {start}" if start else ""
        given, made = f"(const uint8_t *){places[0]}", f"(uint8_t *){places[1]}"
        calls.append(call("lookup", number, given + behind, name, made + behind))
        start += number
    program.add(operator, "\n".join(calls), {source.number: 0})


def codes(operator: TFLiteOperator) -> tuple[range, float, int, float, int]:
    """Return the input's codes, and the scales and zero points of input and output."""
    source, output = only(operator)
    lowest, highest = LIMITS[source.type]
    return range(lowest, highest + 1), *quantization(source), *quantization(output)
