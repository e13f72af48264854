"""Kernels, points and links of a TFLite file, read from its tables."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.quantization import KERNEL, Kernel, Link, Point, Steps, Stored
from edgecv.formats.affine import Affine, Constant, per_output
from edgecv.formats.kernel_graph import Step, kernel_graph
from edgecv.formats.pixel_transform import Pixels
from edgecv.formats.tflite.tables import CONVERSIONS, TFLiteOperator, TFLiteTables, TFLiteTensor

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
PASSES_ON = (
    "RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS", "MAX_POOL_2D", "AVERAGE_POOL_2D",
    "STRIDED_SLICE", "SLICE", "PAD", "GATHER", "SPLIT",
)  # fmt: skip
"""By TFLite's specification their output is quantized as their input is."""
ARITHMETIC = ("MUL", "ADD", "SUB", "DIV")
RECTIFIERS = ("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1")
ACTIVATIONS = {1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6", 4: "TANH"}
"""Activations that an operator applies itself, by their number in the schema."""
GIVES_FROM_ZERO = ("RELU", "RELU6", "RELU_0_TO_1", "SOFTMAX", "LOGISTIC")
INTEGERS = ("int8", "uint8", "int16", "int32")


@dataclass(frozen=True)
class _Layer:
    """A kernel with what is folded into it: ``inside`` are the numbers of those operators."""

    kernel: Kernel
    end: TFLiteOperator
    inside: tuple[int, ...]


class TFLiteWeights:
    """The weights of one file's main graph."""

    def __init__(self, content: bytes, where: str) -> None:
        self._tables = TFLiteTables(content, where)
        self._takers: dict[int, list[int]] = {}
        for number, operator in enumerate(self._tables.operators):
            for each in operator.inputs:
                if each is not None:
                    self._takers.setdefault(each.number, []).append(number)
        self._open = frozenset(each.number for each in self._tables.outputs)
        found = [(number, self._layer(each)) for number, each in enumerate(self._tables.operators)]
        self._layers = {number: layer for number, layer in found if layer is not None}
        self._inside = {each for layer in self._layers.values() for each in layer.inside}

    def stored(self, pixels: Pixels) -> Stored:
        """Return kernels, points and links; ``pixels``: their encoding in the file's input."""
        operators = self._tables.operators
        order = {number: place for place, number in enumerate(self._layers)}
        graph = kernel_graph(
            [_step(each, order.get(number)) for number, each in enumerate(operators)], len(order)
        )
        kernels = [
            replace(layer.kernel, inputs=graph.sources[number], behind=graph.behind[order[number]])
            for number, layer in self._layers.items()
        ]
        points, links = [], []
        for number, operator in enumerate(operators):
            if operator.kind in PASSES_ON:
                links += _passed_on(operator)
            elif number in self._layers:
                end = self._layers[number].end
                points.append(replace(_point(end, KERNEL), sources=(order[number],)))
            elif operator.kind not in CONVERSIONS and number not in self._inside:
                point = _point(operator, operator.kind)
                points.append(replace(point, sources=graph.sources[number]))
        entry = next((operators[number].inputs[0] for number in self._layers), None)
        if entry is not None:
            self._follow(entry, pixels)
        found = pixels.found if entry is not None else None
        kinds = [each.kind for each in operators]
        counts = Counter(kind for kind in kinds if kind not in CONVERSIONS)
        return Stored(tuple(kernels), tuple(points), tuple(links), found, tuple(counts.items()))

    def point_numbers(self) -> list[int]:
        """Return the numbers of the points' tensors, in order."""
        skipped = (*PASSES_ON, *CONVERSIONS)
        found = []
        for number, operator in enumerate(self._tables.operators):
            if number in self._layers:
                found.append(self._layers[number].end.outputs[0].number)
            elif operator.kind not in skipped and number not in self._inside:
                found.append(operator.outputs[0].number)
        return found

    def _layer(self, operator: TFLiteOperator) -> _Layer | None:
        """Return a kernel with the products, sums and rectifier that alone take its output."""
        kernel = self._kernel(operator)
        if kernel is None:
            return None
        found = Affine(
            *(
                np.asarray(each, np.float64)
                for each in (kernel.values, kernel.steps, kernel.bias, kernel.bias_steps)
            )
        )
        end, inside = operator, []
        while (number := self._only_taker(end)) is not None:
            taker = self._tables.operators[number]
            folded = self._folded(found, end, taker, len(kernel.bias))
            if folded is None and taker.kind not in RECTIFIERS:
                break
            found, end = folded or found, taker
            inside.append(number)
        values, steps, bias, bias_steps = (
            each.astype(np.float32)
            for each in (found.weights, found.steps, found.bias, found.bias_steps)
        )
        output = end.outputs[0].first_name
        if inside:
            kernel = replace(kernel, values=values, steps=steps, bias=bias, bias_steps=bias_steps)
        return _Layer(replace(kernel, output=output), end, tuple(inside))

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
        constant = Constant(self._reals(other), _step_of(other))
        if taker.kind == "MUL":
            return found.times(constant)
        if taker.kind == "ADD":
            return found.plus(constant)
        if taker.kind == "SUB" and is_left:
            return found.plus(-constant)
        if taker.kind == "DIV" and is_left and np.all(constant.values):
            return found.times(Constant(1 / constant.values))
        return None

    def _kernel(self, operator: TFLiteOperator) -> Kernel | None:
        kind = operator.kind
        if kind not in OUTPUTS_AXIS:
            return None
        place, bias_place = WEIGHTS.get(kind, (1, 2))
        stored, codes = self._weights(operator.inputs[place])
        if stored is None or codes is None or (kind == "BATCH_MATMUL" and codes.ndim != 2):
            return None
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
        taken = _steps(operator.inputs[0 if place == 2 else 2])
        if codes.dtype.kind == "f" or taken is None:
            return codes.astype(np.float64), nothing
        bias_steps = steps * taken.scale
        return codes * bias_steps, bias_steps

    def _follow(self, entry: TFLiteTensor, pixels: Pixels) -> None:
        """Follow the pixels from the file's input to the first kernel."""
        way: list[tuple[str, TFLiteTensor]] = []
        start = self._tables.inputs[0]
        while entry.number != start.number:
            maker = self._tables.producer(entry)
            if maker is None:
                pixels.lose()
                return
            given = [each for each in maker.inputs if each is not None]
            constants = [each for each in given if self._tables.values(each) is not None]
            computed = [each for each in given if each not in constants]
            is_left = bool(computed) and computed[0] is maker.inputs[0]
            is_known = maker.kind in (*ARITHMETIC[: 4 if is_left else 2], *CONVERSIONS, "PAD")
            if len(computed) != 1 or not is_known:
                pixels.lose()
                return
            if maker.kind in ARITHMETIC:
                way.append((maker.kind, constants[0]))
            entry = computed[0]
        steps = _steps(start)
        if steps is not None:
            pixels.add(np.array(-steps.zero_point))
            pixels.multiply(np.array(steps.scale))
        for kind, tensor in reversed(way):
            values = self._reals(tensor)
            if kind == "DIV" and not np.all(values):
                pixels.lose()
            elif kind in ("MUL", "DIV"):
                pixels.multiply(values if kind == "MUL" else 1 / values)
            else:
                pixels.add(values if kind == "ADD" else -values)

    def _reals(self, tensor: TFLiteTensor) -> NDArray[np.float64]:
        found = self._tables.values(tensor)
        values = np.zeros(1) if found is None else found.astype(np.float64)
        steps = _steps(tensor)
        return values if steps is None else (values - steps.zero_point) * steps.scale


def _step(operator: TFLiteOperator, kernel: int | None) -> Step:
    activation = ACTIVATIONS.get(operator.option("FusedActivationFunction"))
    return Step(
        (operator.kind,) if activation is None else (operator.kind, activation),
        tuple(each.number for each in operator.inputs if each is not None),
        tuple(each.number for each in operator.outputs),
        kernel,
    )


def _passed_on(operator: TFLiteOperator) -> list[Link]:
    output = operator.outputs[0]
    given, taken = _steps(operator.inputs[0]), _steps(output)
    if given is None or taken is None:
        return []
    return [Link(output.first_name, operator.kind, False, given, taken)]


def _step_of(tensor: TFLiteTensor) -> float:
    steps = _steps(tensor)
    return 0.0 if steps is None else steps.scale


def _point(operator: TFLiteOperator, kind: str) -> Point:
    output = operator.outputs[0]
    activation = ACTIVATIONS.get(operator.option("FusedActivationFunction"))
    from_zero = activation in GIVES_FROM_ZERO or operator.kind in GIVES_FROM_ZERO
    return Point(output.first_name, kind, from_zero, _steps(output))


def _steps(tensor: TFLiteTensor | None) -> Steps | None:
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
