"""A layer with weights in C: its arrays, its factors, and its call."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.formats.tflite.four_bits import packed_nibbles
from edgecv.formats.tflite.operators import TFLiteOperator, TFLiteTensor
from edgecv.targets.c.fixed_point import scaled
from edgecv.targets.c.program import Program, call, record
from edgecv.targets.c.tensors import (
    LIMITS,
    activation_limits,
    kind_of,
    quantization,
)
from edgecv.targets.c.unsupported import UnsupportedInC, damaged_unless
from edgecv.targets.c.windows import Window

WIDEST = LIMITS["int8"][1] - LIMITS["int8"][0]
"""The largest distance of an int8 code from its zero point."""
INT32_MAX = 2**31 - 1
FLOAT = {
    "TYPE": "float",
    "ELEMENT": "float",
    "SUM": "float",
    "LIMITS": "float lowest, float highest",
    "FACTORS": "",
    "NEEDS": "clamp_float",
    "BLOCK": "16",
    "FROM": "",
    "LESS": "",
    "CAST": "",
    "RESULT": "clamp_float(sum, lowest, highest)",
}
INT8 = {
    "TYPE": "int8",
    "ELEMENT": "int8_t",
    "SUM": "int32_t",
    "LIMITS": "const range *q",
    "FACTORS": "const int32_t *multipliers, const int8_t *shifts, int32_t lanes, ",
    "NEEDS": "range clamp rescale",
    "BLOCK": "32",
    "FROM": "(int16_t)(",
    "LESS": " - q->input_zero)",
    "CAST": "(int16_t)",
    "RESULT": "(int8_t)clamp(rescale(sum, multipliers[k], shifts[k], k < lanes)"
    " + q->output_zero, q->lowest, q->highest)",
    "BITS": "8",
    "WEIGHT": "int8_t",
}
INT4 = {**INT8, "TYPE": "int4", "BITS": "4", "WEIGHT": "uint8_t"}
"""Weights of 4 bits, two in a byte; all else is int8."""
TEMPLATES = ("depthwise", "transposed")
"""Kernels of both types; the others have a file for integers and one for reals. Their weights are
few, so that each has a byte here."""


@dataclass(frozen=True)
class WeightedLayer:
    """An operator that multiplies by constant weights, whose outputs lie on an axis of them."""

    program: Program
    operator: TFLiteOperator
    source: TFLiteTensor
    filters: TFLiteTensor
    bias: TFLiteTensor | None
    axis: int = 0

    @property
    def output(self) -> TFLiteTensor:
        """Its one output."""
        return self.operator.outputs[0]

    @property
    def kind(self) -> str:
        """The type of its input and output."""
        return kind_of(self.source, self.output)

    @property
    def _has_four_bits(self) -> bool:
        return self.filters.type == "int4"

    def row_bytes(self, count: int) -> int:
        """Return the bytes that a row of so many weights takes in flash."""
        return -(-count // 2) if self._has_four_bits else count

    def weights(self, sides: int) -> NDArray[Any]:
        """Return the weights, which have so many sides."""
        values = self.program.weights(self.filters)
        damaged_unless(values.ndim == sides, f"its weights have {values.ndim} sides")
        return values

    def add(
        self,
        kernel: str,
        shape: Window | tuple[int, ...],
        weights: NDArray[Any],
        above: dict[int, int],
        *,
        more: tuple[object, ...] = (),
        scratch: int = 0,
    ) -> None:
        """Add the call of a kernel. ``shape``: a window, or the sizes that the kernel takes."""
        program, operator = self.program, self.operator
        window = shape if isinstance(shape, Window) else None
        declared = "" if window is None else window.record()
        arguments = shape if isinstance(shape, tuple) else ("&p",)
        outputs = self.output.shape[-1]
        is_float = self.kind == "float32"
        is_packed = self._has_four_bits and kernel not in TEMPLATES
        parts = FLOAT if is_float else INT4 if is_packed else INT8
        name = f"{kernel}_{parts['TYPE']}"
        file = f"{kernel}_{'float' if is_float else 'int'}"
        program.kernel(kernel if kernel in TEMPLATES else file, **parts)
        if is_float:
            limits: tuple[str, ...] = activation_limits(operator, self.output)
            if weights.dtype != np.float32:
                raise UnsupportedInC(f"{weights.dtype} weights that are used as float32")
            constants = [weights, self._bias(outputs, np.float32)]
        else:
            declared += self._range()
            limits = ("&q",)
            constants = self._integers(kernel, weights, outputs)
            if is_packed:
                constants[0] = _packed_rows(constants[0])
        roles = ("weights", "bias", "multipliers", "shifts")
        stored = [
            program.constant(role, each) for role, each in zip(roles, constants, strict=False)
        ]
        places = program.place(self.source), program.place(self.output)
        code = call(name, *arguments, *limits, places[0], *stored, *more, places[1])
        if window is not None:
            code = window.repeated(code, places)
        program.add(operator, declared + code, above, scratch)

    def _bias(self, outputs: int, kind: type) -> NDArray[Any]:
        if self.bias is None:
            return np.zeros(outputs, kind)
        values = self.program.weights(self.bias)
        damaged_unless(values.shape == (outputs,), f"its bias has the shape {values.shape}")
        if kind is np.int32 and values.dtype != np.int32:
            raise UnsupportedInC(f"its bias of {values.dtype}")
        return values.astype(kind)

    def _range(self) -> str:
        lowest, highest = activation_limits(self.operator, self.output)
        return record(
            "range",
            "q",
            input_zero=quantization(self.source)[1],
            output_zero=quantization(self.output)[1],
            lowest=lowest,
            highest=highest,
        )

    def _integers(self, kernel: str, weights: NDArray[Any], outputs: int) -> list[NDArray[Any]]:
        """Return weights, bias and factors. Raises UnsupportedInC if a sum could overflow."""
        if weights.dtype != np.int8:
            raise UnsupportedInC(f"its weights of {weights.dtype}")
        if any(self.filters.zero_points):
            raise UnsupportedInC("its weights have a zero point that is not 0")
        bias = self._bias(outputs, np.int32)
        others = tuple(axis for axis in range(weights.ndim) if axis != self.axis)
        largest = np.abs(weights.astype(np.int64)).sum(axis=others) * WIDEST
        if np.any(largest + np.abs(bias.astype(np.int64)) > INT32_MAX):
            raise UnsupportedInC("its sums do not fit 32 bits")
        factors = self._factors(outputs)
        if kernel == "dense_real":
            return [weights, bias, np.array(factors)]
        multipliers, shifts = zip(*map(scaled, factors), strict=True)
        return [weights, bias, np.array(multipliers, np.int32), np.array(shifts, np.int8)]

    def _factors(self, outputs: int) -> list[float]:
        given, made = quantization(self.source)[0], quantization(self.output)[0]
        scales = self.filters.scales
        if len(scales) not in (1, outputs) or not self.filters.has_finite_scales or min(scales) < 0:
            raise UnsupportedInC("its weights have no scales")
        if (
            self.operator.kind == "FULLY_CONNECTED"
            and len(scales) == 1
            and self.program.arithmetic == "builtin"
        ):  # LiteRT multiplies these two scales as float32.
            return [float(np.float32(given) * np.float32(scales[0])) / made] * outputs
        return [given * scale / made for scale in scales] * (outputs // len(scales))


def _packed_rows(weights: NDArray[Any]) -> NDArray[Any]:
    """Return int8 codes (row, weight) of 4 bits as uint8 (bytes,): a row begins with a byte."""
    even = np.pad(weights, ((0, 0), (0, weights.shape[1] % 2)))
    return np.frombuffer(packed_nibbles(even), np.uint8)
