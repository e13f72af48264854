"""Kernels, points and links of a TFLite file, read from its tables."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.quantization import KERNEL, Kernel, Link, Point, Steps, Stored
from edgecv.formats.pixel_transform import Pixels
from edgecv.formats.tflite.tables import CONVERSIONS, TFLiteOperator, TFLiteTables, TFLiteTensor

OUTPUTS_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0}
WEIGHTS = {"TRANSPOSE_CONV": (1, 3)}
"""The numbers of the inputs that are weights and bias, if not 1 and 2."""
PASSES_ON = (
    "RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS", "MAX_POOL_2D", "AVERAGE_POOL_2D",
    "STRIDED_SLICE", "SLICE", "PAD", "GATHER", "SPLIT",
)  # fmt: skip
"""By TFLite's specification their output is quantized as their input is."""
PRODUCTS = {"MUL": Pixels.multiply, "ADD": Pixels.add}
FROM_ZERO = (1, 3)
"""Fused activations without negative values: RELU and RELU6."""
GIVES_FROM_ZERO = ("RELU", "RELU6", "SOFTMAX", "LOGISTIC")
INTEGERS = ("int8", "uint8", "int16", "int32")


class TFLiteWeights:
    """The weights of one file's main graph."""

    def __init__(self, content: bytes, where: str) -> None:
        self._tables = TFLiteTables(content, where)

    def stored(self, pixels: Pixels) -> Stored:
        """Return kernels, points and links; ``pixels``: their encoding in the file's input."""
        kernels, points, links = [], [], []
        entry: TFLiteTensor | None = None
        for operator in self._tables.operators:
            output = operator.outputs[0]
            kernel = self._kernel(operator)
            if kernel is not None:
                kernels.append(kernel)
                entry = operator.inputs[0] if entry is None else entry
            if operator.kind in PASSES_ON:
                given, taken = _steps(operator.inputs[0]), _steps(output)
                if given is not None and taken is not None:
                    links.append(Link(output.first_name, operator.kind, False, given, taken))
            elif operator.kind not in CONVERSIONS:
                points.append(_point(operator, operator.kind if kernel is None else KERNEL))
        if entry is not None:
            self._follow(entry, pixels)
        found = pixels.found if entry is not None else None
        kinds = [each.kind for each in self._tables.operators]
        counts = Counter(kind for kind in kinds if kind not in CONVERSIONS)
        return Stored(tuple(kernels), tuple(points), tuple(links), found, tuple(counts.items()))

    def point_numbers(self) -> list[int]:
        """Return the numbers of the points' tensors, in order."""
        skipped = (*PASSES_ON, *CONVERSIONS)
        operators = self._tables.operators
        return [each.outputs[0].number for each in operators if each.kind not in skipped]

    def first_weights_input(self) -> int | None:
        """Return the number of the tensor that the first operator with weights takes."""
        for operator in self._tables.operators:
            place, _ = WEIGHTS.get(operator.kind, (1, 2))
            if operator.kind not in OUTPUTS_AXIS or len(operator.inputs) <= place:
                continue
            if self._tables.constant(operator.inputs[place]) is not None:
                taken = operator.inputs[2 if operator.kind in WEIGHTS else 0]
                return None if taken is None else taken.number
        return None

    def _kernel(self, operator: TFLiteOperator) -> Kernel | None:
        kind = operator.kind
        if kind not in OUTPUTS_AXIS:
            return None
        place, bias_place = WEIGHTS.get(kind, (1, 2))
        stored = self._tables.constant(operator.inputs[place])
        codes = self._tables.values(stored)
        if stored is None or codes is None:
            return None
        axis = OUTPUTS_AXIS[kind]
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
            is_depthwise=kind == "DEPTHWISE_CONV_2D",
        )

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
            if len(computed) != 1 or maker.kind not in (*PRODUCTS, *CONVERSIONS, "PAD"):
                pixels.lose()
                return
            if maker.kind in PRODUCTS:
                way.append((maker.kind, constants[0]))
            entry = computed[0]
        steps = _steps(start)
        if steps is not None:
            pixels.add(np.array(-steps.zero_point))
            pixels.multiply(np.array(steps.scale))
        for kind, tensor in reversed(way):
            PRODUCTS[kind](pixels, self._reals(tensor))

    def _reals(self, tensor: TFLiteTensor) -> NDArray[np.float64]:
        found = self._tables.values(tensor)
        values = np.zeros(1) if found is None else found.astype(np.float64)
        steps = _steps(tensor)
        return values if steps is None else (values - steps.zero_point) * steps.scale


def _point(operator: TFLiteOperator, kind: str) -> Point:
    output = operator.outputs[0]
    is_clipped = operator.option("FusedActivationFunction") in FROM_ZERO
    from_zero = is_clipped or operator.kind in GIVES_FROM_ZERO
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
        return values[:, :, np.newaxis]
    return np.moveaxis(values, -1, 1).reshape(outputs, values.shape[-1], -1)
