"""Convolutions and dense layers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.formats.tflite.tables import TFLiteOperator, TFLiteTensor
from edgecv.targets.c.fixed_point import scaled
from edgecv.targets.c.lacking import Lacking, damaged_unless
from edgecv.targets.c.overlap import distance
from edgecv.targets.c.program import SCRATCH, Program, call, record
from edgecv.targets.c.tensors import (
    LIMITS,
    activation_limits,
    elements,
    kind_of,
    quantization,
    size,
)
from edgecv.targets.c.windows import Window, axes

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
}
TEMPLATES = ("depthwise", "transposed")
"""Kernels of both types; the others have a file for each."""
LANES = 8
TAPS = 16
"""The weights of a filter are filled up to a multiple of it, which vector instructions take."""


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
        parts = FLOAT if is_float else INT8
        name = f"{kernel}_{parts['TYPE']}"
        program.kernel(kernel if kernel in TEMPLATES else name, **parts)
        if is_float:
            limits: tuple[str, ...] = activation_limits(operator, self.output)
            if weights.dtype != np.float32:
                raise Lacking(f"{weights.dtype} weights that are used as float32")
            constants = [weights, self._bias(outputs, np.float32)]
        else:
            declared += self._range()
            limits = ("&q",)
            constants = self._integers(kernel, weights, outputs)
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
            raise Lacking(f"its bias of {values.dtype}")
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
        """Return weights, bias and factors. Raises Lacking if a sum could overflow."""
        if weights.dtype != np.int8:
            raise Lacking(f"its weights of {weights.dtype}")
        if any(self.filters.zero_points):
            raise Lacking("its weights have a zero point that is not 0")
        bias = self._bias(outputs, np.int32)
        others = tuple(axis for axis in range(weights.ndim) if axis != self.axis)
        largest = np.abs(weights.astype(np.int64)).sum(axis=others) * WIDEST
        if np.any(largest + np.abs(bias.astype(np.int64)) > INT32_MAX):
            raise Lacking("its sums do not fit 32 bits")
        factors = self._factors(outputs)
        if kernel == "dense_real":
            return [weights, bias, np.array(factors)]
        multipliers, shifts = zip(*map(scaled, factors), strict=True)
        return [weights, bias, np.array(multipliers, np.int32), np.array(shifts, np.int8)]

    def _factors(self, outputs: int) -> list[float]:
        given, made = quantization(self.source)[0], quantization(self.output)[0]
        scales = self.filters.scales
        if len(scales) not in (1, outputs) or not self.filters.has_finite_scales or min(scales) < 0:
            raise Lacking("its weights have no scales")
        if (
            self.operator.kind == "FULLY_CONNECTED"
            and len(scales) == 1
            and self.program.arithmetic == "builtin"
        ):  # LiteRT multiplies these two scales as float32.
            return [float(np.float32(given) * np.float32(scales[0])) / made] * outputs
        return [given * scale / made for scale in scales] * (outputs // len(scales))


def _layer(
    program: Program, operator: TFLiteOperator, places: tuple[int, int, int] = (0, 1, 2)
) -> WeightedLayer:
    """Return an operator's layer. ``places``: of its image, weights and bias among its inputs."""
    given = (*operator.inputs, None, None, None)
    source, filters, bias = (given[place] for place in places)
    if source is None or filters is None:
        raise Lacking("an input that is left out")
    axis = 3 if operator.kind == "DEPTHWISE_CONV_2D" else 0
    return WeightedLayer(program, operator, source, filters, bias, axis)


def convolution(program: Program, operator: TFLiteOperator) -> None:
    """CONV_2D, grouped and dilated."""
    layer = _layer(program, operator)
    weights = layer.weights(4)
    outputs, height, width, depth = weights.shape
    window = _window(layer, (height, width), outputs)
    groups, rest = divmod(layer.source.shape[3], depth)
    damaged_unless(not rest and outputs % groups == 0, "its groups have no channels")
    if layer.kind == "float32":
        layer.add("convolution", window, np.moveaxis(weights, 0, -1), window.above(), more=(depth,))
        return
    taps = height * width * depth
    padded = -(-taps // TAPS) * TAPS
    sizes = depth, padded, SCRATCH
    layer.add(
        "convolution",
        window,
        np.pad(weights.reshape(outputs, taps), ((0, 0), (0, padded - taps))),
        # The next group is read after two pixels of this one are written.
        window.above() if groups == 1 else {},
        more=(outputs if program.arithmetic == "builtin" and groups == 1 else 0, *sizes),
        scratch=2 * padded * np.dtype(np.int16).itemsize,
    )


def depthwise(program: Program, operator: TFLiteOperator) -> None:
    """DEPTHWISE_CONV_2D."""
    layer = _layer(program, operator)
    weights = layer.weights(4)
    one, height, width, outputs = weights.shape
    window = _window(layer, (height, width), outputs)
    damaged_unless(
        one == 1 and outputs % layer.source.shape[3] == 0, "its weights are for other channels"
    )
    layer.add("depthwise", window, weights, window.above(), more=_lanes(layer))


def transposed(program: Program, operator: TFLiteOperator) -> None:
    """TRANSPOSE_CONV."""
    layer = _layer(program, operator, (2, 1, 3))
    weights = layer.weights(4)
    outputs, height, width, depth = weights.shape
    # It goes from the output of a convolution back to its input.
    across = axes(operator, layer.output.shape[1:3], layer.source.shape[1:3], (height, width))
    window = Window(layer.source, layer.output, across)
    damaged_unless(
        depth == layer.source.shape[3] and outputs == layer.output.shape[3],
        "its weights are for other channels",
    )
    above = window.above(transposed=True)
    layer.add("transposed", window, weights, above, more=_lanes(layer))


def dense(program: Program, operator: TFLiteOperator) -> None:
    """FULLY_CONNECTED."""
    layer = _layer(program, operator)
    if operator.option("WeightsFormat"):
        raise Lacking("its shuffled weights")
    weights = layer.weights(2)
    outputs, inputs = weights.shape
    rows = elements(layer.source) // inputs
    damaged_unless(
        rows * inputs == elements(layer.source)
        and rows * outputs == elements(layer.output)
        and layer.output.shape[-1] == outputs,
        "its weights are for other sizes",
    )
    read, written = inputs * size(layer.source), outputs * size(layer.output)
    is_reference, is_float = program.arithmetic == "reference", layer.kind == "float32"
    in_eights = 0 if is_reference else inputs - inputs % 8
    layer.add(
        "dense_real" if is_reference and not is_float else "dense",
        (rows, inputs, outputs),
        weights,
        {layer.source.number: distance(range(rows), [0], 1, read, written)},
        more=(in_eights,) if is_float else (),
    )


def _lanes(layer: WeightedLayer) -> tuple[int, ...]:
    """Return the number of the first channels that LiteRT rounds by vector instructions."""
    if layer.kind == "float32":
        return ()
    channels = layer.output.shape[3]
    return (channels - channels % LANES if layer.program.arithmetic == "builtin" else 0,)


def _window(layer: WeightedLayer, taps: tuple[int, int], outputs: int) -> Window:
    damaged_unless(layer.output.shape[-1] == outputs, "its weights are for other channels")
    across = axes(layer.operator, layer.source.shape[1:3], layer.output.shape[1:3], taps)
    return Window(layer.source, layer.output, across)


WRITERS = {
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": depthwise,
    "TRANSPOSE_CONV": transposed,
    "FULLY_CONNECTED": dense,
}
