"""Kernels, points and links of a TFLite file, read from its tables."""

from collections import Counter
from dataclasses import replace

from edgecv.core.quantization import KERNEL, Link, Point, Stored
from edgecv.formats.kernel_graph import Step, kernel_graph
from edgecv.formats.pixel_transform import Pixels
from edgecv.formats.tflite.layers import (
    ARITHMETIC,
    OUTPUTS_AXIS,
    WEIGHTS,
    LayerReader,
    steps_of,
)
from edgecv.formats.tflite.operators import TFLiteOperator, TFLiteTensor
from edgecv.formats.tflite.tables import CONVERSIONS, TFLiteTables

PASSES_ON = (
    "RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS", "MAX_POOL_2D", "AVERAGE_POOL_2D",
    "STRIDED_SLICE", "SLICE", "PAD", "GATHER", "SPLIT",
)  # fmt: skip
"""By TFLite's specification their output is quantized as their input is."""
ACTIVATIONS = {1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6", 4: "TANH"}
"""Activations that an operator applies itself, by their number in the schema."""
GIVES_FROM_ZERO = ("RELU", "RELU6", "RELU_0_TO_1", "SOFTMAX", "LOGISTIC")


class TFLiteWeights:
    """The weights of one file's main graph."""

    def __init__(self, content: bytes, where: str) -> None:
        self._tables = TFLiteTables(content, where)
        self._reader = LayerReader(self._tables)
        found = [
            (number, self._reader.layer(each)) for number, each in enumerate(self._tables.operators)
        ]
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
        found, room = (None, None) if entry is None else (pixels.found, pixels.room)
        kinds = [each.kind for each in operators]
        counts = Counter(kind for kind in kinds if kind not in CONVERSIONS)
        return Stored(
            tuple(kernels), tuple(points), tuple(links), found, tuple(counts.items()), room
        )

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
        steps = steps_of(start)
        if steps is not None:
            pixels.dequantize(steps)
        for kind, tensor in reversed(way):
            pixels.apply(kind, self._reader.constant(tensor))


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
    given, taken = steps_of(operator.inputs[0]), steps_of(output)
    if given is None or taken is None:
        return []
    return [Link(output.first_name, operator.kind, False, given, taken)]


def _point(operator: TFLiteOperator, kind: str) -> Point:
    output = operator.outputs[0]
    activation = ACTIVATIONS.get(operator.option("FusedActivationFunction"))
    from_zero = activation in GIVES_FROM_ZERO or operator.kind in GIVES_FROM_ZERO
    return Point(output.first_name, kind, from_zero, steps_of(output))
