"""What a TFLite file stores, by its tables."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.quantization import KERNEL, Kernel, Link, Point, Steps, Stored
from edgecv.formats.pixel_transform import Pixels

OUTPUTS_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0}
WEIGHTS = {"TRANSPOSE_CONV": (1, 3)}
"""Where an operator takes its weights and its bias, if not as the second and the third."""
HANDS_ON = (
    "RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS", "MAX_POOL_2D", "AVERAGE_POOL_2D",
    "STRIDED_SLICE", "SLICE", "PAD", "GATHER", "SPLIT",
)  # fmt: skip
"""By TFLite's specification their output is quantized as their input is."""
CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")
PRODUCTS = {"MUL": Pixels.multiply, "ADD": Pixels.add}
FROM_ZERO = (1, 3)
"""Fused activations that give nothing below 0: RELU and RELU6."""
GIVES_FROM_ZERO = ("RELU", "RELU6", "SOFTMAX", "LOGISTIC")
INTEGERS: dict[str, Any] = {
    "INT8": np.int8,
    "UINT8": np.uint8,
    "INT16": np.int16,
    "INT32": np.int32,
}
NUMBERS: dict[str, Any] = {
    **INTEGERS,
    "INT64": np.int64,
    "FLOAT16": np.float16,
    "FLOAT32": np.float32,
}


def stored(content: bytes, pixels: Pixels) -> Stored:
    """Return what is in the main graph of a file. ``pixels``: as its input holds them."""
    return _Tables(content).stored(pixels)


class _Tables:
    def __init__(self, content: bytes) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self._model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        self._graph = self._model.subgraphs[0]
        self._kinds = _names(schema.BuiltinOperator)
        self._types = _names(schema.TensorType)
        self._makers = {
            int(number): operator
            for operator in self._graph.operators
            for number in operator.outputs
        }

    def stored(self, pixels: Pixels) -> Stored:
        kernels, points, links = [], [], []
        entry: int | None = None
        for operator in self._graph.operators:
            kind, output = self._kind(operator), int(operator.outputs[0])
            kernel = self._kernel(operator, kind)
            if kernel is not None:
                kernels.append(kernel)
                entry = int(operator.inputs[0]) if entry is None else entry
            if kind in HANDS_ON:
                given, taken = self._steps(int(operator.inputs[0])), self._steps(output)
                if given is not None and taken is not None:
                    links.append(Link(self._name(output), kind, False, given, taken))
                continue
            if kind in CONVERSIONS:
                continue
            points.append(self._point(operator, kind if kernel is None else KERNEL))
        if entry is not None:
            self._follow(entry, pixels)
        found = pixels.found if entry is not None else None
        kinds = map(self._kind, self._graph.operators)
        counts = Counter(kind for kind in kinds if kind not in CONVERSIONS)
        return Stored(tuple(kernels), tuple(points), tuple(links), found, tuple(counts.items()))

    def point_numbers(self) -> list[int]:
        """Return the tensors of the points, in their order."""
        skipped = (*HANDS_ON, *CONVERSIONS)
        return [
            int(each.outputs[0])
            for each in self._graph.operators
            if self._kind(each) not in skipped
        ]

    def _kind(self, operator: Any) -> str:
        code = self._model.operatorCodes[operator.opcodeIndex]
        return self._kinds.get(max(code.builtinCode, code.deprecatedBuiltinCode), "?")

    def _name(self, number: int) -> str:
        name = self._graph.tensors[number].name or b""
        return name.decode("utf-8", "replace").split(";")[0]

    def _point(self, operator: Any, kind: str) -> Point:
        output = int(operator.outputs[0])
        fused = getattr(operator.builtinOptions, "fusedActivationFunction", 0)
        from_zero = fused in FROM_ZERO or self._kind(operator) in GIVES_FROM_ZERO
        return Point(self._name(output), kind, from_zero, self._steps(output))

    def _steps(self, number: int) -> Steps | None:
        tensor = self._graph.tensors[number]
        kind = self._types[tensor.type]
        scales, zero_points = self._quantization(tensor)
        if kind not in INTEGERS or scales.size != 1:
            return None
        limits = np.iinfo(INTEGERS[kind])
        return Steps(float(scales[0]), int(zero_points[0]), int(limits.min), int(limits.max))

    def _quantization(self, tensor: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        found = tensor.quantization
        scales = np.array([] if found is None or found.scale is None else found.scale, np.float64)
        points = np.array([] if found is None or found.zeroPoint is None else found.zeroPoint)
        points = points.astype(np.int64)
        return scales, points if points.size == scales.size else np.zeros(scales.size, np.int64)

    def _array(self, number: int) -> tuple[str, NDArray[Any]] | None:
        """Return the type and the values of a constant, None where the tensor is computed."""
        if number < 0:
            return None
        tensor = self._graph.tensors[number]
        data = self._model.buffers[tensor.buffer].data
        kind = self._types[tensor.type]
        if data is None or not len(data) or kind not in NUMBERS:
            # float16 weights reach their operator through a DEQUANTIZE.
            maker = self._makers.get(number)
            if maker is not None and self._kind(maker) == "DEQUANTIZE":
                return self._array(int(maker.inputs[0]))
            return None
        values = np.frombuffer(np.asarray(data, np.uint8).tobytes(), NUMBERS[kind])
        return kind.lower(), values.reshape([int(side) for side in tensor.shape])

    def _kernel(self, operator: Any, kind: str) -> Kernel | None:
        if kind not in OUTPUTS_AXIS:
            return None
        place, bias_place = WEIGHTS.get(kind, (1, 2))
        found = self._array(int(operator.inputs[place]))
        if found is None:
            return None
        stored_type, codes = found
        axis = OUTPUTS_AXIS[kind]
        outputs = codes.shape[axis]
        scales, zero_points = self._quantization(self._graph.tensors[int(operator.inputs[place])])
        is_integer = codes.dtype.kind in "iu"
        steps = np.broadcast_to(scales if is_integer else np.zeros(1), (outputs,))
        shape = [outputs if side == axis else 1 for side in range(codes.ndim)]
        values = codes.astype(np.float64)
        if is_integer:
            centres = np.broadcast_to(zero_points, (outputs,)).reshape(shape)
            values = (values - centres) * steps.reshape(shape)
        bias, bias_steps = self._bias(operator, bias_place, steps)
        return Kernel(
            name=self._name(int(operator.outputs[0])),
            type=stored_type,
            values=_canonical(values, axis, kind).astype(np.float32),
            steps=steps.astype(np.float32),
            bias=bias.astype(np.float32),
            bias_steps=bias_steps.astype(np.float32),
            zero_points=int(np.count_nonzero(zero_points)) if stored_type == "int8" else 0,
            is_depthwise=kind == "DEPTHWISE_CONV_2D",
        )

    def _bias(
        self, operator: Any, place: int, steps: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the bias as the kernels read it: in steps of the input's times the weights'."""
        nothing = np.zeros(len(steps))
        number = int(operator.inputs[place]) if len(operator.inputs) > place else -1
        found = self._array(number)
        if found is None or found[1].size != len(steps):
            return nothing, nothing
        codes = found[1].ravel()
        taken = self._steps(int(operator.inputs[0 if place == 2 else 2]))
        if codes.dtype.kind == "f" or taken is None:
            return codes.astype(np.float64), nothing
        bias_steps = steps * taken.scale
        return codes * bias_steps, bias_steps

    def _follow(self, entry: int, pixels: Pixels) -> None:
        """Follow the pixels from the file's input to the first kernel."""
        way: list[tuple[str, int]] = []
        start = int(self._graph.inputs[0])
        while entry != start:
            maker = self._makers.get(entry)
            if maker is None:
                pixels.lose()
                return
            kind = self._kind(maker)
            computed = [int(each) for each in maker.inputs if self._array(int(each)) is None]
            constants = [int(each) for each in maker.inputs if self._array(int(each)) is not None]
            if len(computed) != 1 or kind not in (*PRODUCTS, *CONVERSIONS, "PAD"):
                pixels.lose()
                return
            if kind in PRODUCTS:
                way.append((kind, constants[0]))
            entry = computed[0]
        steps = self._steps(start)
        if steps is not None:
            pixels.add(np.array(-steps.zero_point))
            pixels.multiply(np.array(steps.scale))
        for kind, number in reversed(way):
            PRODUCTS[kind](pixels, self._reals(number))

    def _reals(self, number: int) -> NDArray[np.float64]:
        found = self._array(number)
        values = np.zeros(1) if found is None else found[1].astype(np.float64)
        steps = self._steps(number)
        return values if steps is None else (values - steps.zero_point) * steps.scale


def _canonical(values: NDArray[Any], axis: int, kind: str) -> NDArray[Any]:
    """Return weights as (outputs, inputs, places)."""
    outputs = values.shape[axis]
    if kind == "DEPTHWISE_CONV_2D":
        return np.moveaxis(values, axis, 0).reshape(outputs, 1, -1)
    if values.ndim == 2:
        return values[:, :, np.newaxis]
    return np.moveaxis(values, -1, 1).reshape(outputs, values.shape[-1], -1)


def _names(enumeration: type) -> dict[int, str]:
    return {value: key for key, value in vars(enumeration).items() if isinstance(value, int)}


def point_numbers(content: bytes) -> list[int]:
    """Return the tensors that stand for the points of a file, in their order."""
    return _Tables(content).point_numbers()
