"""Kernels of an ONNX graph, with the products and sums behind them folded in."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.quantization import Kernel, Steps
from edgecv.formats.affine import Affine, RealConstant, per_output
from edgecv.formats.onnx.conversions import quantization_of, stored_constant
from edgecv.formats.onnx.graph import (
    CONVERSIONS,
    FUSED,
    attribute_of,
    constant,
    input_of,
    only_consumer,
)
from edgecv.formats.onnx.graph_types import Node, Value

DENSE = ("Conv", "ConvTranspose", "Gemm", "MatMul")
CONVOLUTIONS = ("Conv", "ConvTranspose")
ARITHMETIC = ("Mul", "Add", "Sub", "Div")
SMALLEST_WEIGHTS = 2
FULL_RANGE = 253.5
"""Steps between the ends of asymmetric weights of 8 bits."""


@dataclass(frozen=True)
class OnnxLayer:
    """A kernel with what is folded into it: ``last`` is the last operator of it."""

    kernel: Kernel
    last: Node
    inside: tuple[Node, ...]

    @property
    def end(self) -> Value:
        """The tensor behind the kernel and what is folded into it."""
        return self.last.outputs[0]


def layer_of(node: Node) -> OnnxLayer | None:
    """Return a kernel with the products, sums and rectifier that alone take its output."""
    kernel = _kernel(node)
    if kernel is None:
        return None
    found = Affine.of(kernel)
    last, inside = node, []
    axis = _outputs_axis(node)
    while not _is_bent(last) and (behind := operator_behind(last.outputs[0], axis)) is not None:
        taker, taken, passed, axis = behind
        if taker in inside:
            break  # A damaged graph may go round.
        folded = _folded(found, taker, taken, len(kernel.bias), axis)
        if folded is None and taker.op_type not in FUSED:
            break
        found, last = folded or found, taker
        inside += [*passed, taker]
    # An activation and a rounding belong to the operator before them.
    folded_in = [each for each in inside if each.op_type not in (*FUSED, *CONVERSIONS)]
    output = (folded_in[-1] if folded_in else node).outputs[0].name
    if inside:
        kernel = found.put_into(kernel)
    return OnnxLayer(replace(kernel, output=output), last, tuple(inside))


def _kernel(node: Node) -> Kernel | None:
    found = _weights(node)
    if found is None:
        return None
    values, steps, zero_points, kind = found
    factor = float(attribute_of(node, "alpha", 1.0)) if node.op_type == "Gemm" else 1.0
    values, steps = values * factor, steps * abs(factor)
    is_transposed = node.op_type == "MatMul" or (
        node.op_type == "Gemm" and not attribute_of(node, "transB", 0)
    )
    group = attribute_of(node, "group", 1)
    if is_transposed:
        values = values.T if values.ndim == 2 else np.moveaxis(values, -1, 0)
    elif node.op_type == "ConvTranspose":
        inputs, each = values.shape[:2]
        parts = values.reshape(group, inputs // group, each, -1)
        values = parts.transpose(0, 2, 1, 3).reshape(group * each, inputs // group, -1)
    outputs = values.shape[0]
    values = values.reshape(outputs, values.shape[1], -1)
    is_depthwise = node.op_type == "Conv" and group > 1 and values.shape[1] == 1
    bias, bias_steps = _bias(node, outputs)
    is_asymmetric = kind == "uint8" or (kind == "int8" and _spans(values, steps, zero_points))
    return Kernel(
        name=node.outputs[0].name,
        type=kind,
        values=values.astype(np.float32),
        steps=np.broadcast_to(
            steps if steps.size in (1, outputs) else steps.max(), (outputs,)
        ).astype(np.float32),
        bias=bias.astype(np.float32),
        bias_steps=bias_steps.astype(np.float32),
        zero_points=0 if is_asymmetric else int(np.count_nonzero(zero_points)),
        is_asymmetric=is_asymmetric,
        is_depthwise=is_depthwise,
    )


def _outputs_axis(node: Node) -> int:
    """Return the axis of a kernel's outputs in what it gives, counted from the end."""
    weights = _weights(node)
    return -1 if weights is None or node.op_type not in CONVOLUTIONS else 1 - weights[0].ndim


def _is_bent(node: Node) -> bool:
    """Return True if an operator applies an activation, behind which nothing can be folded."""
    return node.op_type in FUSED or bool(attribute_of(node, "activation", ""))


def operator_behind(value: Value, axis: int) -> tuple[Node, Value, list[Node], int] | None:
    """Return the operator that alone takes a tensor, whatever is rounded or moved between.

    Also the tensor as it takes it, the operators between, and the axis of the outputs there,
    counted from the end.
    """
    passed: list[Node] = []
    while not value.is_graph_output() and (taker := only_consumer(value)) is not None:
        if taker.op_type == "QuantizeLinear":
            steps = steps_of(taker)
            if steps is not None and steps.is_cut:
                return None  # It cuts off what is below 0, as the ReLU did that was here.
        if taker.op_type == "Transpose":
            order = list(attribute_of(taker, "perm", ()))
            if len(order) < -axis:
                return None
            axis = order.index(axis + len(order)) - len(order)
        elif taker.op_type not in CONVERSIONS:
            return taker, value, passed, axis
        if taker in passed:
            return None
        passed.append(taker)
        value = taker.outputs[0]
    return None


def _folded(found: Affine, node: Node, taken: Value, outputs: int, axis: int) -> Affine | None:
    """Return a kernel behind a product or sum with a constant; None if it is something else."""
    if node.op_type == "BatchNormalization":
        given = [constant(input_of(node, place)) for place in range(1, 5)]
        if any(each is None or each.size != outputs for each in given):
            return None
        scale, shift, mean, variance = (np.asarray(each, np.float64) for each in given)
        factor = scale / np.sqrt(variance + attribute_of(node, "epsilon", 1e-5))
        return found.times(RealConstant(factor)).plus(RealConstant(shift - mean * factor))
    if node.op_type not in ARITHMETIC or len(node.inputs) != 2:
        return None
    is_left = node.inputs[0] is taken
    other = real_constant(node.inputs[1 if is_left else 0])
    if other is None or not per_output(other.values, outputs, axis):
        return None
    return found.behind(node.op_type, other, is_left=is_left)


def steps_of(node: Node | None) -> Steps | None:
    """Return the quantization steps of a conversion; None if it has one scale per channel."""
    found = None if node is None else quantization_of(node)
    if found is None or found.scales.size != 1 or found.zero_points.dtype.kind not in "iu":
        return None
    limits = np.iinfo(found.zero_points.dtype)
    return Steps(
        float(found.scales.ravel()[0]),
        int(found.zero_points.ravel()[0]),
        int(limits.min),
        int(limits.max),
    )


Reals = tuple[NDArray[Any], NDArray[Any], NDArray[Any], str]
"""Values, steps and zero points (one, or one per output), and the stored type."""


def _weights(node: Node) -> Reals | None:
    """Return the real values of an operator's weights."""
    found = reals_of(input_of(node, 1)) if node.op_type in DENSE else None
    return None if found is None or found[0].ndim < SMALLEST_WEIGHTS else found


def reals_of(value: Value | None) -> Reals | None:
    """Return the real values of a constant; None if the tensor is computed."""
    maker = None if value is None else value.producer()
    if maker is not None and maker.op_type == "Reshape":
        inner, shape = reals_of(maker.inputs[0]), constant(maker.inputs[1])
        if inner is None or shape is None or np.any(shape == 0):
            return None
        return inner[0].reshape(shape), *inner[1:]
    found = stored_constant(value)
    if found is None:
        return None
    codes, quantization = found
    if quantization is None:
        return codes.astype(np.float64), np.zeros(1), np.zeros(1), codes.dtype.name
    centres = quantization.zero_points.astype(np.float64).ravel()
    return quantization.reals(codes), quantization.steps, centres, codes.dtype.name


def real_constant(value: Value | None) -> RealConstant | None:
    """Return the factor or term that a constant is; None if the tensor is computed."""
    found = reals_of(value)
    if found is None:
        return None
    return RealConstant.stored(found[0], found[3], float(np.max(found[1], initial=0.0)))


def _spans(values: NDArray[Any], steps: NDArray[Any], zero_points: NDArray[Any]) -> bool:
    """Return True if integers reach both ends of their range, as asymmetric weights do.

    Symmetric ones leave out -128; with a moved zero point they reach one end only.
    """
    if not np.count_nonzero(zero_points):
        return False
    tiny = np.finfo(np.float32).tiny
    if steps.size != len(values):
        return bool(np.ptp(values) / max(float(steps.max()), tiny) >= FULL_RANGE)
    ranges = np.ptp(values.reshape(len(values), -1), axis=1) / np.maximum(steps, tiny)
    return bool(np.median(ranges) >= FULL_RANGE)


def _bias(node: Node, outputs: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the bias of an operator and its steps, 0 where it has none."""
    value = input_of(node, 2)
    found = reals_of(value)
    if found is None or found[0].size not in (1, outputs):
        return np.zeros(outputs), np.zeros(outputs)
    factor = float(attribute_of(node, "beta", 1.0)) if node.op_type == "Gemm" else 1.0
    bias, steps = (
        np.broadcast_to(each, (outputs,))
        for each in (found[0].ravel() * factor, found[1] * abs(factor))
    )
    return bias, steps
