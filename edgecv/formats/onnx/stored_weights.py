"""Kernels, points and links of an ONNX file, read from its graph."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.quantization import KERNEL, Kernel, Link, Point, Steps, Stored
from edgecv.formats.onnx.graph import (
    CONVERSIONS,
    FUSED,
    attribute_of,
    constant,
    image_input,
    input_of,
    only_consumer,
    quantization_of,
    read_model,
    stored_constant,
)
from edgecv.formats.onnx.graph_types import ModelProto, Node, Value
from edgecv.formats.pixel_transform import Pixels

DENSE = ("Conv", "Gemm", "MatMul")
PASSES_ON = ("MaxPool", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Identity")
"""Operators that move or select values without a change of them."""
GIVES_FROM_ZERO = ("Relu", "Softmax", "Sigmoid", "HardSigmoid")
LAYOUT = ("Transpose", "Cast", "Identity", "QuantizeLinear", "Pad")
SMALLEST_WEIGHTS = 2


class OnnxWeights:
    """The weights of one model's main graph. ``model``: a ModelProto, or the bytes of one."""

    def __init__(self, model: ModelProto | bytes) -> None:
        self.graph = read_model(model).graph

    def stored(self, pixels: Pixels) -> Stored:
        """Return kernels, points and links in the file's order."""
        found = [(node, self._kernel(node)) for node in self.graph]
        kernels = [kernel for _, kernel in found if kernel is not None]
        entry = next((node.inputs[0] for node, kernel in found if kernel is not None), None)
        if entry is not None:
            self._follow(entry, pixels)
        counts = Counter(node.op_type for node in self.graph if node.op_type not in CONVERSIONS)
        return Stored(
            tuple(kernels),
            tuple(point for _, point in self.points()),
            tuple(self._links()),
            pixels.found if entry is not None else None,
            tuple(counts.items()),
        )

    def points(self) -> list[tuple[str, Point]]:
        """Return the points, each with the name of its float tensor."""
        found = []
        fused: set[Value] = set()
        skipped = (*PASSES_ON, *CONVERSIONS, *FUSED, "Cast")
        for node in self.graph:
            name = node.outputs[0].name
            if node.op_type in skipped or is_constant(node) or node.outputs[0] in fused:
                continue
            value, last = node.outputs[0], node
            while (follower := _fused(value, node)) is not None:
                value, last = follower.outputs[0], follower
                fused.add(value)
            kind = KERNEL if _weights(node) is not None else node.op_type
            from_zero = last.op_type in GIVES_FROM_ZERO or _clips_at_zero(last)
            steps = _steps(only_consumer(value, "QuantizeLinear"))
            found.append((value.name, Point(name, kind, from_zero, steps)))
        return found

    def _links(self) -> list[Link]:
        links = []
        for node in self.graph:
            taken = _steps(node) if node.op_type == "DequantizeLinear" else None
            if taken is None:
                continue
            maker = node.inputs[0].producer()
            if maker is not None and maker.op_type == "QuantizeLinear":
                given = _steps(maker)
                if given is not None:
                    links.append(Link(maker.inputs[0].name, maker.op_type, True, given, taken))
            for use in node.outputs[0].uses():
                if use.node.op_type not in PASSES_ON:
                    continue
                output = use.node.outputs[0]
                again = _steps(only_consumer(output, "QuantizeLinear"))
                if again is not None:
                    links.append(Link(output.name, use.node.op_type, False, taken, again))
        return links

    def _kernel(self, node: Node) -> Kernel | None:
        found = _weights(node)
        if found is None:
            return None
        values, steps, zero_points, kind = found
        is_transposed = node.op_type == "MatMul" or (
            node.op_type == "Gemm" and not attribute_of(node, "transB", 0)
        )
        if is_transposed:
            values = values.T if values.ndim == 2 else np.moveaxis(values, -1, 0)
        outputs = values.shape[0]
        values = values.reshape(outputs, values.shape[1], -1)
        group = attribute_of(node, "group", 1)
        is_depthwise = node.op_type == "Conv" and group > 1 and values.shape[1] == 1
        bias, bias_steps = _bias(node, outputs)
        return Kernel(
            name=node.outputs[0].name,
            type=kind,
            values=values.astype(np.float32),
            steps=np.broadcast_to(
                steps if steps.size in (1, outputs) else steps.max(), (outputs,)
            ).astype(np.float32),
            bias=bias.astype(np.float32),
            bias_steps=bias_steps.astype(np.float32),
            # uint8 weights of other tools have zero points; int8 weights are symmetric everywhere.
            zero_points=int(np.count_nonzero(zero_points)) if kind == "int8" else 0,
            is_depthwise=is_depthwise,
        )

    def _follow(self, entry: Value, pixels: Pixels) -> None:
        """Follow the pixels from the file's input to the first kernel."""
        image = image_input(self.graph)
        way: list[tuple[Node, Value]] = []
        while entry is not image:
            node = entry.producer()
            if node is None:
                pixels.lose()
                return
            computed = [each for each in node.inputs if each is not None and _reals(each) is None]
            if node.op_type in (*CONVERSIONS, "Pad", "Transpose", "Cast", "Identity"):
                computed = [node.inputs[0]]
            if len(computed) != 1:
                pixels.lose()
                return
            way.append((node, computed[0]))
            entry = computed[0]
        for node, taken in reversed(way):
            _apply(node, taken, pixels, is_first=taken is image)


def is_constant(node: Node) -> bool:
    """Return True if a node takes only constants."""
    return all(each is None or each.const_value is not None for each in node.inputs)


def is_bias(node: Node) -> bool:
    """Return True if a node adds a constant."""
    return node.op_type == "Add" and any(constant(each) is not None for each in node.inputs)


def _fused(value: Value, node: Node) -> Node | None:
    """Return the bias or the activation that alone takes an operator's output."""
    taker = only_consumer(value)
    if taker is None or not (taker.op_type in FUSED or (node.op_type in DENSE and is_bias(taker))):
        return None
    return taker


def _clips_at_zero(node: Node) -> bool:
    lowest = constant(input_of(node, 1)) if node.op_type == "Clip" else None
    return lowest is not None and float(lowest) == 0.0


def _steps(node: Node | None) -> Steps | None:
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
    found = _reals(input_of(node, 1)) if node.op_type in DENSE else None
    return None if found is None or found[0].ndim < SMALLEST_WEIGHTS else found


def _reals(value: Value | None) -> Reals | None:
    """Return the real values of a constant; None if the tensor is computed."""
    found = stored_constant(value)
    if found is None:
        return None
    codes, quantization = found
    if quantization is None:
        return codes.astype(np.float64), np.zeros(1), np.zeros(1), codes.dtype.name
    steps, centres = (
        each.astype(np.float64).ravel() for each in (quantization.scales, quantization.zero_points)
    )
    shape = [1] * codes.ndim
    if steps.size > 1:
        shape[quantization.axis] = -1
    wide = steps.reshape(shape) if steps.size > 1 else steps[0]
    middle = centres.reshape(shape) if centres.size > 1 else centres[0]
    return (codes.astype(np.float64) - middle) * wide, steps, centres, codes.dtype.name


def _bias(node: Node, outputs: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the bias of an operator and its steps, 0 where it has none."""
    value = input_of(node, 2)
    if node.op_type == "MatMul":
        given = _rounded(node.outputs[0])
        adding = only_consumer(given, "Add")
        if adding is not None:
            value = next((each for each in adding.inputs if each is not given), None)
    found = _reals(value)
    if found is None or found[0].size != outputs:
        return np.zeros(outputs), np.zeros(outputs)
    return found[0].ravel(), np.broadcast_to(found[1], (outputs,))


def _rounded(value: Value) -> Value:
    """Return the tensor behind the conversions that follow, or the tensor itself."""
    for kind in CONVERSIONS:
        taker = only_consumer(value, kind)
        if taker is None:
            break
        value = taker.outputs[0]
    return value


def _apply(node: Node, taken: Value, pixels: Pixels, *, is_first: bool) -> None:
    """Apply a node to the pixels; ``is_first``: True if it takes the input of the file."""
    if node.op_type == "DequantizeLinear":
        # Behind a QuantizeLinear it changes no real value.
        if is_first:
            steps = _steps(node)
            if steps is None:
                pixels.lose()
                return
            pixels.add(np.array(-steps.zero_point))
            pixels.multiply(np.array(steps.scale))
        return
    if node.op_type in LAYOUT:
        return
    others = [_reals(each) for each in node.inputs if each is not taken]
    if len(others) != 1 or others[0] is None:
        pixels.lose()
        return
    values, is_left = others[0][0], node.inputs[0] is taken
    if node.op_type == "Mul":
        pixels.multiply(values)
    elif node.op_type == "Add":
        pixels.add(values)
    elif node.op_type == "Sub" and is_left:
        pixels.add(-values)
    elif node.op_type == "Div" and is_left and np.all(values):
        pixels.multiply(1 / values)
    else:
        pixels.lose()
