"""A model as C: calls of kernels, their constants, and the tensors that each reads and writes."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecv.core.text import counted
from edgecv.formats.dtypes import BITS
from edgecv.formats.tflite.tables import TFLiteOperator, TFLiteTables, TFLiteTensor
from edgecv.targets.c.fixed_point import multiplier

Arithmetic = Literal["builtin", "reference"]
"""The kernels of LiteRT whose answers the project gives bit for bit."""
SCRATCH = "@scratch@"
LONGEST_SIDE = 32767
LARGEST_TENSOR = 2**28
C_TYPES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "float32": "float",
    "float64": "double",
}
LIMITS = {"int8": (-128, 127), "uint8": (0, 255)}
NONE, RELU, RELU_N1_TO_1, RELU6 = range(4)
BOUNDS = {
    NONE: (-math.inf, math.inf),
    RELU: (0.0, math.inf),
    RELU_N1_TO_1: (-1.0, 1.0),
    RELU6: (0.0, 6.0),
}


class Lacking(Exception):
    """Something that an operator needs and the C target does not have."""


@dataclass(frozen=True)
class KernelCall:
    """One operator: C code in which ``@7@`` stands for the place of tensor 7.

    ``above``: by the number of an input, the bytes by which it must lie above the output where both
    may share memory. ``scratch``: number and bytes of memory that it needs for itself.
    """

    operator: TFLiteOperator
    code: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    above: Mapping[int, int]
    scratch: tuple[int, int] | None = None


@dataclass
class Program:
    """The calls of a model in their order, with the kernels and constants that they need."""

    tables: TFLiteTables
    arithmetic: Arithmetic
    steps: list[KernelCall] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    kernels: dict[str, str] = field(default_factory=dict)
    views: dict[int, int] = field(default_factory=dict)
    """By the number of a tensor, that of the one whose bytes it is."""

    def kernel(self, name: str, **parts: str) -> None:
        """Emit a kernel from its template, after those that it needs."""
        text = Template(_source(name)).substitute(parts)
        needed = re.match(r"/\* needs: ([\w ]*) \*/\n", text)
        if needed:
            for each in needed[1].split():
                self.kernel(each)
            text = text[needed.end() :]
        self.kernels.setdefault(text, name)

    def constant(self, role: str, values: NDArray[Any]) -> str:
        """Store an array in flash and return its name in C. Equal arrays are stored once."""
        for name, stored in self.constants.items():
            if stored.dtype == values.dtype and np.array_equal(stored, values):
                return name
        name = f"edgecv_{role}_{len(self.constants)}"
        self.constants[name] = values
        return name

    def weights(self, tensor: TFLiteTensor | None) -> NDArray[Any]:
        """Return the values of a constant input."""
        values = self.tables.values(tensor)
        if values is None:
            what = "an input that is left out" if tensor is None else f'"{tensor.first_name}"'
            raise Lacking(f"{what} is not stored in the file, or not as plain numbers")
        assert tensor is not None
        if tensor.type == "float32":
            if values.dtype not in (np.float16, np.float32):
                raise Lacking(f"{values.dtype} weights that are used as float32")
            return values.astype(np.float32)
        return values

    def place(self, tensor: TFLiteTensor) -> str:
        """Return C for the place of an input or output: in the arena, or of a constant."""
        if self.tables.constant(tensor) is None:
            return f"@{self.root(tensor.number)}:{tensor.type}@"
        return self.constant("values", self.weights(tensor))

    def root(self, number: int) -> int:
        """Return the tensor whose bytes a tensor is."""
        while number in self.views:
            number = self.views[number]
        return number

    def add(
        self,
        operator: TFLiteOperator,
        code: str,
        above: Mapping[int, int] | None = None,
        scratch: int = 0,
    ) -> None:
        """Add the code of an operator, in which ``SCRATCH`` stands for the memory of its own."""
        roots = {self.root(each.number) for each in operator.inputs if each is not None}
        read = tuple(each for each in sorted(roots) if f"@{each}:" in code)
        made = tuple(each.number for each in operator.outputs)
        shared = {self.root(number): least for number, least in (above or {}).items()}
        shared = {number: least for number, least in shared.items() if number in read}
        own = -1 - len(self.steps)
        code = code.replace(SCRATCH, f"@{own}:int16@")
        memory = (own, scratch) if scratch else None
        self.steps.append(KernelCall(operator, code, read, made, shared, memory))


def call(name: str, *arguments: object) -> str:
    """Return the call of a C function."""
    return f"{name}({', '.join(map(str, arguments))});"


def real(value: float) -> str:
    """Return a float32 as C writes it.

    >>> real(0.1), real(math.inf)
    ('0.100000001f', 'INFINITY')
    """
    if not math.isfinite(value):
        return {True: "INFINITY", False: "-INFINITY"}.get(value > 0, "NAN")
    text = f"{np.float32(value):.9g}"
    return (text if "." in text or "e" in text else text + ".0") + "f"


def record(kind: str, name: str, **fields: object) -> str:
    """Return C for a constant of a struct."""
    parts = ", ".join(f".{key} = {value}" for key, value in fields.items())
    return f"static const {kind} {name} = {{{parts}}};\n"


def only(operator: TFLiteOperator, inputs: int = 1) -> tuple[TFLiteTensor, TFLiteTensor]:
    """Return the first input and the one output of an operator that has so many inputs."""
    damaged_unless(
        len(operator.inputs) == inputs and len(operator.outputs) == 1,
        f"it has {counted(len(operator.inputs), 'input')} and"
        f" {counted(len(operator.outputs), 'output')}",
    )
    source = operator.inputs[0]
    if source is None:
        raise Lacking("an input that is left out")
    return source, operator.outputs[0]


def size(tensor: TFLiteTensor) -> int:
    """Return the bytes of an element."""
    if tensor.type not in C_TYPES:
        raise Lacking(f'"{tensor.first_name}" of {tensor.type}')
    return BITS[tensor.type] // 8


def elements(tensor: TFLiteTensor) -> int:
    """Return the number of elements; sides that are open or too long are refused."""
    for side in tensor.shape:
        if not 0 < side <= LONGEST_SIDE:
            found = "is open" if side < 0 else f"has a side of {side:,}"
            raise Lacking(f'the shape of "{tensor.first_name}" {found}')
    count = math.prod(tensor.shape)
    if count * size(tensor) > LARGEST_TENSOR:
        raise Lacking(f'"{tensor.first_name}" has {count:,} elements')
    return count


def kind_of(*tensors: TFLiteTensor) -> str:
    """Return the one type of some tensors: int8 or float32."""
    kinds = {each.type for each in tensors}
    if len(kinds) == 1 and kinds <= {"int8", "float32"}:
        return kinds.pop()
    raise Lacking(f"it takes {' and '.join(sorted(kinds))}")


def quantization(tensor: TFLiteTensor) -> tuple[float, int]:
    """Return the one scale and zero point of a quantized tensor."""
    lowest, highest = LIMITS.get(tensor.type, (0, 0))
    zero = tensor.zero_point
    if (
        len(tensor.scales) != 1
        or zero is None
        or not tensor.has_finite_scales
        or tensor.scales[0] <= 0
        or not lowest <= zero <= highest
    ):
        raise Lacking(f'"{tensor.first_name}" has no scale and zero point')
    return tensor.scales[0], zero


def quantized_limits(activation: int, output: TFLiteTensor) -> tuple[int, int]:
    """Return the lowest and highest code that a fused activation lets through."""
    scale, zero = quantization(output)
    lowest, highest = LIMITS[output.type]
    low, high = bounds(activation)
    if math.isfinite(low):
        lowest = max(lowest, zero + rounded(np.float32(low) / np.float32(scale)))
    if math.isfinite(high):
        highest = min(highest, zero + rounded(np.float32(high) / np.float32(scale)))
    return lowest, highest


def bounds(activation: int) -> tuple[float, float]:
    """Return the range that a fused activation lets through."""
    if activation not in BOUNDS:
        raise Lacking(f"its fused activation {activation}")
    return BOUNDS[activation]


def rounded(x: "float | np.float32") -> int:
    """Return the nearest integer, halves away from zero."""
    value = float(x)
    if not math.isfinite(value):
        raise Lacking("its scales do not fit a float32")
    return math.floor(value + 0.5) if value >= 0 else -math.floor(0.5 - value)


def scaled(real_multiplier: float) -> tuple[int, int]:
    """Return a fixed-point multiplier that C can shift by."""
    fixed, shift = multiplier(real_multiplier)
    if shift > 30:
        raise Lacking(f"its scales make a factor of {real_multiplier:g}")
    return fixed, shift


def damaged_unless(condition: bool, what: str) -> None:
    """Refuse a file whose shapes contradict each other."""
    if not condition:
        raise Lacking(f"{what}: the file is damaged")


def same_sides(found: Sequence[int], wanted: Sequence[int]) -> None:
    """Refuse an output whose shape is not the one that follows."""
    damaged_unless(
        tuple(found) == tuple(wanted), f"its output is {list(found)} and not {list(wanted)}"
    )


@cache
def _source(name: str) -> str:
    return (files(__package__) / "kernels" / f"{name}.c").read_text()
