"""Kernels, points and links of an ONNX file, read from its graph."""

from collections import Counter
from dataclasses import replace

from edgecv.core.quantization import KERNEL, Link, Point, Stored
from edgecv.formats.kernel_graph import Step, kernel_graph
from edgecv.formats.onnx.graph import (
    CONVERSIONS,
    FUSED,
    attribute_of,
    constant,
    first_output,
    image_input,
    input_of,
    only_consumer,
)
from edgecv.formats.onnx.graph_types import ModelProto, Node, Value
from edgecv.formats.onnx.layers import layer_of, operator_behind, real_constant, reals_of, steps_of
from edgecv.formats.onnx.plain_pixels import read_in_pixels
from edgecv.formats.onnx.qdq_form import write_as_qdq
from edgecv.formats.pixel_transform import Pixels

PASSES_ON = ("MaxPool", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Identity")
"""Operators that move or select values without a change of them."""
GIVES_FROM_ZERO = ("Relu", "Softmax", "Sigmoid", "HardSigmoid")
LAYOUT = ("Transpose", "Cast", "Identity", "QuantizeLinear", "Pad")


class OnnxWeights:
    """The weights of one model's main graph. ``model``: a ModelProto, or the bytes of one."""

    def __init__(self, model: ModelProto | bytes) -> None:
        self.graph = read_in_pixels(model).graph
        write_as_qdq(self.graph)
        found = [(node, layer_of(node)) for node in self.graph]
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
            pixels.room if entry is not None else None,
        )

    def points(self) -> list[tuple[str, Point]]:
        """Return the points, each with the name of its float tensor."""
        return [(value.name, point) for _, value, point in self._points()]

    def _points(self) -> list[tuple[Node, Value, Point]]:
        found = []
        fused: set[Value] = set()
        skipped = (*PASSES_ON, *CONVERSIONS, *FUSED, "Cast")
        for node in self.graph:
            if layer := self._layers.get(node):
                steps = steps_of(only_consumer(layer.end, "QuantizeLinear"))
                point = Point(node.outputs[0].name, KERNEL, _is_rectified(layer.last), steps)
                found.append((node, layer.end, point))
                continue
            value, last = first_output(node), node
            is_skipped = node.op_type in skipped or is_constant(node)
            if value is None or is_skipped or node in self._inside or value in fused:
                continue
            name = value.name
            while (behind := operator_behind(value, -1)) is not None and behind[0].op_type in FUSED:
                last = behind[0]
                value = last.outputs[0]
                fused.add(value)
            steps = steps_of(only_consumer(value, "QuantizeLinear"))
            found.append((node, value, Point(name, node.op_type, _is_rectified(last), steps)))
        return found

    def _links(self) -> list[Link]:
        links = []
        for node in self.graph:
            taken = steps_of(node) if node.op_type == "DequantizeLinear" else None
            if taken is None:
                continue
            maker = node.inputs[0].producer()
            if maker is not None and maker.op_type == "QuantizeLinear":
                given = steps_of(maker)
                if given is not None:
                    links.append(Link(maker.inputs[0].name, maker.op_type, True, given, taken))
            for use in node.outputs[0].uses():
                if use.node.op_type not in PASSES_ON:
                    continue
                output = use.node.outputs[0]
                again = steps_of(only_consumer(output, "QuantizeLinear"))
                if again is not None:
                    links.append(Link(output.name, use.node.op_type, False, taken, again))
        return links

    def _follow(self, entry: Value, pixels: Pixels) -> None:
        """Follow the pixels from the file's input to the first kernel."""
        image = image_input(self.graph)
        way: list[tuple[Node, Value]] = []
        while entry is not image:
            node = entry.producer()
            if node is None:
                pixels.lose()
                return
            computed = [each for each in node.inputs if each is not None and reals_of(each) is None]
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


def _step(node: Node, kernel: int | None) -> Step:
    activation = attribute_of(node, "activation", "")
    return Step(
        (node.op_type, activation) if activation else (node.op_type,),
        tuple(each for each in node.inputs if each is not None),
        tuple(node.outputs),
        kernel,
    )


def _is_rectified(node: Node) -> bool:
    """Return True if an operator gives nothing below 0."""
    from_zero = (node.op_type, attribute_of(node, "activation", ""))
    lowest = attribute_of(node, "activation_params", (1.0,))
    if from_zero[1] == "Clip" and len(lowest) > 0 and lowest[0] >= 0:
        return True
    least = constant(input_of(node, 1)) if node.op_type == "Clip" else None
    clips_at_zero = least is not None and float(least) == 0.0
    return clips_at_zero or any(each in GIVES_FROM_ZERO for each in from_zero)


def _apply(node: Node, taken: Value, pixels: Pixels, *, is_first: bool) -> None:
    """Apply a node to the pixels; ``is_first``: True if it takes the input of the file."""
    if node.op_type == "DequantizeLinear":
        # Behind a QuantizeLinear it changes no real value.
        if is_first:
            steps = steps_of(node)
            if steps is None:
                pixels.lose()
                return
            pixels.dequantize(steps)
        return
    if node.op_type in LAYOUT:
        return
    others = [real_constant(each) for each in node.inputs if each is not taken]
    if len(others) != 1 or others[0] is None:
        pixels.lose()
        return
    pixels.apply(node.op_type, others[0], is_left=node.inputs[0] is taken)
