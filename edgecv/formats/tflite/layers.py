"""Kernels of a TFLite file, with the products and sums behind them folded in."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.quantization import Kernel, Steps
from edgecv.formats.affine import Affine, RealConstant, per_output
from edgecv.formats.tflite.operators import TFLiteOperator, TFLiteTensor
from edgecv.formats.tflite.tables import TFLiteTables

OUTPUTS_AXIS = {
    "CONV_2D": 0,
    "DEPTHWISE_CONV_2D": 3,
    "FULLY_CONNECTED": 0,
    "TRANSPOSE_CONV": 0,
    "BATCH_MATMUL": 1,
}
WEIGHTS = {"TRANSPOSE_CONV": (1, 3)}
"""The numbers of the inputs that are weights and bias, if not 1 and 2."""
TRANSPOSED = "AdjY"
"""The option of a BATCH_MATMUL whose weights have their outputs first."""
ARITHMETIC = ("MUL", "ADD", "SUB", "DIV")
RECTIFIERS = ("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1")
INTEGERS = ("int8", "uint8", "int16", "int32")


@dataclass(frozen=True)
class TFLiteLayer:
    """A kernel with what is folded into it: ``inside`` are the numbers of those operators."""

    kernel: Kernel
    end: TFLiteOperator
    inside: tuple[int, ...]


class LayerReader:
    """The kernels of one file's main graph."""

    def __init__(self, tables: TFLiteTables) -> None:
        self._tables = tables
        self._takers: dict[int, list[int]] = {}
        for number, operator in enumerate(tables.operators):
            for each in operator.inputs:
                if each is not None:
                    self._takers.setdefault(each.number, []).append(number)
        self._open = frozenset(each.number for each in tables.outputs)

    def layer(self, operator: TFLiteOperator) -> TFLiteLayer | None:
        """Return a kernel with the products, sums and rectifier that alone take its output."""
        kernel = self._kernel(operator)
        if kernel is None:
            return None
        found = Affine.of(kernel)
        end, inside = operator, []
        while (number := self._only_taker(end)) is not None:
            taker = self._tables.operators[number]
            folded = self._folded(found, end, taker, len(kernel.bias))
            if number in inside or (folded is None and taker.kind not in RECTIFIERS):
                break  # A damaged graph may go round.
            found, end = folded or found, taker
            inside.append(number)
        output = end.outputs[0].first_name
        if inside:
            kernel = found.put_into(kernel)
        return TFLiteLayer(replace(kernel, output=output), end, tuple(inside))

    def constant(self, tensor: TFLiteTensor) -> RealConstant:
        """Return the factor or term that a constant is; 0 if it cannot be read."""
        found, steps = self._tables.values(tensor), steps_of(tensor)
        if found is None:
            return RealConstant(np.zeros(1))
        if steps is None:
            return RealConstant.stored(found, found.dtype.name, 0.0)
        reals = (found.astype(np.float64) - steps.zero_point) * steps.scale
        return RealConstant.stored(reals, found.dtype.name, steps.scale)

    def _only_taker(self, operator: TFLiteOperator) -> int | None:
        """Return the operator that alone takes another's output, which nothing has rectified."""
        output = operator.outputs[0].number
        takers = self._takers.get(output, [])
        is_bent = operator.kind in RECTIFIERS or operator.option("FusedActivationFunction")
        return takers[0] if len(takers) == 1 and output not in self._open and not is_bent else None

    def _folded(
        self, found: Affine, given: TFLiteOperator, taker: TFLiteOperator, outputs: int
    ) -> Affine | None:
        """Return a kernel behind a product or sum with a constant; None if it is something else."""
        if taker.kind not in ARITHMETIC or len(taker.inputs) != 2:
            return None
        is_left = taker.inputs[0] is not None and taker.inputs[0].number == given.outputs[0].number
        other = taker.inputs[1 if is_left else 0]
        values = self._tables.values(other)
        if other is None or values is None or not per_output(values, outputs, -1):
            return None
        return found.behind(taker.kind, self.constant(other), is_left=is_left)

    def _kernel(self, operator: TFLiteOperator) -> Kernel | None:
        kind = operator.kind
        if kind not in OUTPUTS_AXIS:
            return None
        place, bias_place = WEIGHTS.get(kind, (1, 2))
        stored, codes = self._weights(operator.inputs[place])
        if stored is None or codes is None:
            return None
        if kind == "BATCH_MATMUL":
            if codes.ndim < 2 or codes.size != np.prod(codes.shape[-2:]):
                return None  # Several matrices: one for each of several inputs.
            codes = codes.reshape(codes.shape[-2:])
        axis = 0 if operator.option(TRANSPOSED) else OUTPUTS_AXIS[kind]
        outputs = codes.shape[axis]
        scales, zero_points = _quantization(stored)
        is_integer = codes.dtype.kind in "iu"
        steps = np.broadcast_to(scales if is_integer else np.zeros(1), (outputs,))
        shape = [outputs if side == axis else 1 for side in range(codes.ndim)]
        values = codes.astype(np.float64)
        if is_integer:
            centres = np.broadcast_to(zero_points, (outputs,)).reshape(shape)
            values = (values - centres) * steps.reshape(shape)
        bias, bias_steps = self._bias(operator, bias_place, steps)
        return Kernel(
            name=operator.outputs[0].first_name,
            type=stored.type,
            values=_canonical(values, axis, kind).astype(np.float32),
            steps=steps.astype(np.float32),
            bias=bias.astype(np.float32),
            bias_steps=bias_steps.astype(np.float32),
            zero_points=int(np.count_nonzero(zero_points)) if stored.type == "int8" else 0,
            is_asymmetric=stored.type == "uint8",
            is_depthwise=kind == "DEPTHWISE_CONV_2D",
        )

    def _weights(
        self, given: TFLiteTensor | None
    ) -> tuple[TFLiteTensor | None, NDArray[Any] | None]:
        """Return a constant and its values; older converters transpose it at run time."""
        stored = self._tables.constant(given)
        if stored is not None or given is None:
            return stored, self._tables.values(stored)
        maker = self._tables.producer(given)
        if maker is None or maker.kind != "TRANSPOSE" or len(maker.inputs) != 2:
            return None, None
        stored = self._tables.constant(maker.inputs[0])
        codes, axes = self._tables.values(stored), self._tables.values(maker.inputs[1])
        if stored is None or codes is None or axes is None or len(stored.scales) > 1:
            return None, None
        return stored, codes.transpose(axes.tolist())

    def _bias(
        self, operator: TFLiteOperator, place: int, steps: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the bias and its steps: those of the input times those of the weights."""
        nothing = np.zeros(len(steps))
        given = operator.inputs[place] if len(operator.inputs) > place else None
        codes = self._tables.values(given)
        if codes is None or codes.size != len(steps):
            return nothing, nothing
        codes = codes.ravel()
        taken = steps_of(operator.inputs[0 if place == 2 else 2])
        if codes.dtype.kind == "f" or taken is None:
            return codes.astype(np.float64), nothing
        bias_steps = steps * taken.scale
        return codes * bias_steps, bias_steps


def steps_of(tensor: TFLiteTensor | None) -> Steps | None:
    """Return the quantization steps of a tensor; None if it has not exactly one scale."""
    if tensor is None or tensor.type not in INTEGERS or len(tensor.scales) != 1:
        return None
    _, zero_points = _quantization(tensor)
    limits = np.iinfo(tensor.type)
    return Steps(tensor.scales[0], int(zero_points[0]), int(limits.min), int(limits.max))


def _quantization(tensor: TFLiteTensor) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the scales of a tensor and as many zero points, 0 if the file omits them."""
    scales, zero_points = tensor.scales, tensor.zero_points
    if len(zero_points) != len(scales):
        zero_points = (0,) * len(scales)
    return np.array(scales, np.float64), np.array(zero_points, np.int64)


def _canonical(values: NDArray[Any], axis: int, kind: str) -> NDArray[Any]:
    """Return weights as (outputs, inputs, places)."""
    outputs = values.shape[axis]
    if kind == "DEPTHWISE_CONV_2D":
        return np.moveaxis(values, axis, 0).reshape(outputs, 1, -1)
    if values.ndim == 2:
        return (values if axis == 0 else values.T)[:, :, np.newaxis]
    return np.moveaxis(values, -1, 1).reshape(outputs, values.shape[-1], -1)
