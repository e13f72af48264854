"""Kernels, points and links of an ONNX file, read from its graph."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.quantization import KERNEL, Kernel, Link, Point, Steps, Stored
from edgecv.formats.affine import Affine, Constant, per_output
from edgecv.formats.kernel_graph import Step, kernel_graph
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
from edgecv.formats.onnx.qdq_form import write_as_qdq
from edgecv.formats.pixel_transform import Pixels

DENSE = ("Conv", "ConvTranspose", "Gemm", "MatMul")
CONVOLUTIONS = ("Conv", "ConvTranspose")
ARITHMETIC = ("Mul", "Add", "Sub", "Div")
PASSES_ON = ("MaxPool", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Identity")
"""Operators that move or select values without a change of them."""
GIVES_FROM_ZERO = ("Relu", "Softmax", "Sigmoid", "HardSigmoid")
LAYOUT = ("Transpose", "Cast", "Identity", "QuantizeLinear", "Pad")
SMALLEST_WEIGHTS = 2
FULL_RANGE = 253.5
"""Steps between the ends of asymmetric weights of 8 bits."""


@dataclass(frozen=True)
class _Layer:
    """A kernel with what is folded into it; ``end`` is the tensor behind that."""

    kernel: Kernel
    last: Node
    inside: tuple[Node, ...]

    @property
    def end(self) -> Value:
        return self.last.outputs[0]


class OnnxWeights:
    """The weights of one model's main graph. ``model``: a ModelProto, or the bytes of one."""

    def __init__(self, model: ModelProto | bytes) -> None:
        self.graph = read_model(model).graph
        write_as_qdq(self.graph)
        found = [(node, self._layer(node)) for node in self.graph]
        self._layers = {node: layer for node, layer in found if layer is not None}
        self._inside = {node for layer in self._layers.values() for node in layer.inside}

    def stored(self, pixels: Pixels) -> Stored:
        """Return kernels, points and links in the file's order."""
        order = {node: number for number, node in enumerate(self._layers)}
        nodes = list(self.graph)
        graph = kernel_graph([_step(node, order.get(node)) for node in nodes], len(order))
        sources = dict(zip(nodes, graph.sources, strict=True))
        kernels = [
            replace(layer.kernel, inputs=sources[node], behind=graph.behind[order[node]])
            for node, layer in self._layers.items()
        ]
        entry = next((node.inputs[0] for node in self._layers), None)
        if entry is not None:
            self._follow(entry, pixels)
        counts = Counter(node.op_type for node in self.graph if node.op_type not in CONVERSIONS)
        return Stored(
            tuple(kernels),
            tuple(
                replace(point, sources=(order[node],) if node in order else sources[node])
                for node, _, point in self._points()
            ),
            tuple(self._links()),
            pixels.found if entry is not None else None,
            tuple(counts.items()),
        )

    def points(self) -> list[tuple[str, Point]]:
        """Return the points, each with the name of its float tensor."""
        return [(value.name, point) for _, value, point in self._points()]

    def _points(self) -> list[tuple[Node, Value, Point]]:
        found = []
        fused: set[Value] = set()
        skipped = (*PASSES_ON, *CONVERSIONS, *FUSED, "Cast")
        for node in self.graph:
            name = node.outputs[0].name
            if layer := self._layers.get(node):
                steps = _steps(only_consumer(layer.end, "QuantizeLinear"))
                point = Point(name, KERNEL, _is_rectified(layer.last), steps)
                found.append((node, layer.end, point))
                continue
            is_skipped = node.op_type in skipped or is_constant(node)
            if is_skipped or node in self._inside or node.outputs[0] in fused:
                continue
            value, last = node.outputs[0], node
            while (behind := _behind(value, -1)) is not None and behind[0].op_type in FUSED:
                last = behind[0]
                value = last.outputs[0]
                fused.add(value)
            steps = _steps(only_consumer(value, "QuantizeLinear"))
            found.append((node, value, Point(name, node.op_type, _is_rectified(last), steps)))
        return found

    def _layer(self, node: Node) -> _Layer | None:
        """Return a kernel with the products, sums and rectifier that alone take its output."""
        kernel = self._kernel(node)
        if kernel is None:
            return None
        found = Affine(
            *(
                np.asarray(each, np.float64)
                for each in (kernel.values, kernel.steps, kernel.bias, kernel.bias_steps)
            )
        )
        last, inside = node, []
        axis = _outputs_axis(node)
        while not _is_bent(last) and (behind := _behind(last.outputs[0], axis)) is not None:
            taker, taken, passed, axis = behind
            folded = _folded(found, taker, taken, len(kernel.bias), axis)
            if folded is None and taker.op_type not in FUSED:
                break
            found, last = folded or found, taker
            inside += [*passed, taker]
        # An activation and a rounding belong to the operator before them.
        folded_in = [each for each in inside if each.op_type not in (*FUSED, *CONVERSIONS)]
        output = (folded_in[-1] if folded_in else node).outputs[0].name
        if not inside:
            return _Layer(replace(kernel, output=output), last, ())
        values, steps, bias, bias_steps = (
            each.astype(np.float32)
            for each in (found.weights, found.steps, found.bias, found.bias_steps)
        )
        whole = replace(
            kernel, values=values, steps=steps, bias=bias, bias_steps=bias_steps, output=output
        )
        return _Layer(whole, last, tuple(inside))

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


def _outputs_axis(node: Node) -> int:
    """Return the axis of a kernel's outputs in what it gives, counted from the end."""
    weights = _weights(node)
    return -1 if weights is None or node.op_type not in CONVOLUTIONS else 1 - weights[0].ndim


def _step(node: Node, kernel: int | None) -> Step:
    activation = attribute_of(node, "activation", "")
    return Step(
        (node.op_type, activation) if activation else (node.op_type,),
        tuple(each for each in node.inputs if each is not None),
        tuple(node.outputs),
        kernel,
    )


def _is_bent(node: Node) -> bool:
    """Return True if an operator applies an activation, behind which nothing can be folded."""
    return node.op_type in FUSED or bool(attribute_of(node, "activation", ""))


def _is_rectified(node: Node) -> bool:
    """Return True if an operator gives nothing below 0."""
    from_zero = (node.op_type, attribute_of(node, "activation", ""))
    lowest = attribute_of(node, "activation_params", (1.0,))
    is_clip = from_zero[1] == "Clip" and len(lowest) > 0 and lowest[0] >= 0
    return is_clip or any(each in GIVES_FROM_ZERO for each in from_zero) or _clips_at_zero(node)


def _behind(value: Value, axis: int) -> tuple[Node, Value, list[Node], int] | None:
    """Return the operator that alone takes a tensor, whatever is rounded or moved between.

    Also the tensor as it takes it, the operators between, and the axis of the outputs there,
    counted from the end.
    """
    passed: list[Node] = []
    while not value.is_graph_output() and (taker := only_consumer(value)) is not None:
        if taker.op_type == "QuantizeLinear":
            steps = _steps(taker)
            if steps is not None and steps.zero_point == steps.low:
                return None  # It cuts off what is below 0, as the ReLU did that was here.
        if taker.op_type == "Transpose":
            order = list(attribute_of(taker, "perm", ()))
            if not order:
                return None
            axis = order.index(axis + len(order)) - len(order)
        elif taker.op_type not in CONVERSIONS:
            return taker, value, passed, axis
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
        return found.times(Constant(factor)).plus(Constant(shift - mean * factor))
    if node.op_type not in ARITHMETIC or len(node.inputs) != 2:
        return None
    is_left = node.inputs[0] is taken
    reals = _reals(node.inputs[1 if is_left else 0])
    if reals is None or not per_output(reals[0], outputs, axis):
        return None
    other = Constant(reals[0], float(np.max(reals[1], initial=0.0)))
    if node.op_type == "Mul":
        return found.times(other)
    if node.op_type == "Add":
        return found.plus(other)
    if node.op_type == "Sub" and is_left:
        return found.plus(-other)
    if node.op_type == "Div" and is_left and np.all(other.values):
        return found.times(Constant(1 / other.values))
    return None


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
    maker = None if value is None else value.producer()
    if maker is not None and maker.op_type == "Reshape":
        inner, shape = _reals(maker.inputs[0]), constant(maker.inputs[1])
        if inner is None or shape is None or np.any(shape == 0):
            return None
        return inner[0].reshape(shape), *inner[1:]
    found = stored_constant(value)
    if found is None:
        return None
    codes, quantization = found
    if quantization is None:
        return codes.astype(np.float64), np.zeros(1), np.zeros(1), codes.dtype.name
    steps, centres = (
        each.astype(np.float64).ravel() for each in (quantization.scales, quantization.zero_points)
    )
    sides = [1] * codes.ndim
    if steps.size > 1:
        sides[quantization.axis] = -1
    wide = steps.reshape(sides) if steps.size > 1 else steps[0]
    middle = centres.reshape(sides) if centres.size > 1 else centres[0]
    return (codes.astype(np.float64) - middle) * wide, steps, centres, codes.dtype.name


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
    found = _reals(value)
    if found is None or found[0].size != outputs:
        return np.zeros(outputs), np.zeros(outputs)
    return found[0].ravel(), np.broadcast_to(found[1], (outputs,))


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
