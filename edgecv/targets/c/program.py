"""A model as C: calls of kernels, their constants, and the tensors that each reads and writes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecv.formats.tflite.operators import TFLiteOperator, TFLiteTensor
from edgecv.formats.tflite.tables import TFLiteTables
from edgecv.targets.c.unsupported import UnsupportedInC

Arithmetic = Literal["builtin", "reference"]
"""The kernels of LiteRT whose answers the project gives bit for bit."""
SCRATCH = "@scratch@"


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
            raise UnsupportedInC(f"{what} is not stored in the file, or not as plain numbers")
        assert tensor is not None
        if tensor.type == "float32":
            if values.dtype not in (np.float16, np.float32):
                raise UnsupportedInC(f"{values.dtype} weights that are used as float32")
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


def record(kind: str, name: str, **fields: object) -> str:
    """Return C for a constant of a struct."""
    parts = ", ".join(f".{key} = {value}" for key, value in fields.items())
    return f"static const {kind} {name} = {{{parts}}};\n"


@cache
def _source(name: str) -> str:
    return (files(__package__) / "kernels" / f"{name}.c").read_text()
