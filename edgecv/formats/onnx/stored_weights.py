"""What an ONNX file stores, by its graph."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.quantization import KERNEL, Kernel, Link, Point, Steps, Stored
from edgecv.formats.pixel_transform import Pixels

KERNELS = ("Conv", "Gemm", "MatMul")
HANDS_ON = ("MaxPool", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Identity")
CONVERSIONS = ("QuantizeLinear", "DequantizeLinear")
TAKEN_UP = ("Relu", "Clip")
"""Activations that quantizing takes up into the operator before them."""
GIVES_FROM_ZERO = ("Relu", "Softmax", "Sigmoid", "HardSigmoid")
LAYOUT = ("Transpose", "Cast", "Identity", "QuantizeLinear", "Pad")
SMALLEST_WEIGHTS = 2


class Tables:
    """Who makes and who takes each tensor of a graph, and what is constant."""

    def __init__(self, model: Any) -> None:
        from onnx import numpy_helper

        graph = model.graph
        self.nodes = graph.node
        self.constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer} | {
            node.output[0]: numpy_helper.to_array(attribute.t)
            for node in graph.node
            if node.op_type == "Constant"
            for attribute in node.attribute
            if attribute.name == "value"
        }
        self.input = next(each.name for each in graph.input if each.name not in self.constants)
        self.makers = {name: node for node in self.nodes for name in node.output}
        self.takers: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in node.input:
                self.takers.setdefault(name, []).append(node)

    def stored(self, pixels: Pixels) -> Stored:
        """Return kernels, points and links in the file's order."""
        found = [(node, self._kernel(node)) for node in self.nodes]
        kernels = [kernel for _, kernel in found if kernel is not None]
        entry = next((node.input[0] for node, kernel in found if kernel is not None), None)
        if entry is not None:
            self._follow(entry, pixels)
        skipped = (*CONVERSIONS, "Constant")
        counts = Counter(node.op_type for node in self.nodes if node.op_type not in skipped)
        return Stored(
            tuple(kernels),
            tuple(point for _, point in self.points()),
            tuple(self._links()),
            pixels.found if entry is not None else None,
            tuple(counts.items()),
        )

    def points(self) -> list[tuple[str, Point]]:
        """Return the points, each with the tensor of reals that stands for it."""
        found = []
        taken: set[str] = set()
        skipped = (*HANDS_ON, *CONVERSIONS, *TAKEN_UP, "Constant", "Cast")
        for node in self.nodes:
            is_constant = all(name in self.constants for name in node.input if name)
            if node.op_type in skipped or is_constant or node.output[0] in taken:
                continue
            name, last = node.output[0], node
            while (follower := self._taken_up(name, node)) is not None:
                name, last = follower.output[0], follower
                taken.add(name)
            rounding = self._only_taker(name, "QuantizeLinear")
            kind = KERNEL if self._weights(node) is not None else node.op_type
            steps = None if rounding is None else self._steps(rounding)
            from_zero = last.op_type in GIVES_FROM_ZERO or self._clips_at_zero(last)
            found.append((name, Point(node.output[0], kind, from_zero, steps)))
        return found

    def _taken_up(self, name: str, node: Any) -> Any | None:
        """Return the bias or the activation that alone takes an operator's output."""
        takers = self.takers.get(name, [])
        if len(takers) != 1:
            return None
        (taker,) = takers
        is_bias = (
            taker.op_type == "Add"
            and node.op_type in KERNELS
            and any(each in self.constants for each in taker.input)
        )
        return taker if is_bias or taker.op_type in TAKEN_UP else None

    def _clips_at_zero(self, node: Any) -> bool:
        if node.op_type != "Clip" or len(node.input) < 2 or node.input[1] not in self.constants:
            return False
        return float(self.constants[node.input[1]]) == 0.0

    def _only_taker(self, name: str, kind: str) -> Any | None:
        takers = self.takers.get(name, [])
        return takers[0] if len(takers) == 1 and takers[0].op_type == kind else None

    def _steps(self, node: Any) -> Steps | None:
        """Return how a conversion quantizes, None where it has a scale a channel."""
        scale = self.constants.get(node.input[1])
        if scale is None or scale.size != 1:
            return None
        given = self.constants.get(node.input[2]) if len(node.input) > 2 else None
        zero_point = np.zeros(1, np.uint8) if given is None else given
        if zero_point.dtype.kind not in "iu":
            return None
        limits = np.iinfo(zero_point.dtype)
        return Steps(
            float(scale.ravel()[0]),
            int(zero_point.ravel()[0]),
            int(limits.min),
            int(limits.max),
        )

    def _links(self) -> list[Link]:
        links = []
        for node in self.nodes:
            if node.op_type != "DequantizeLinear":
                continue
            maker = self.makers.get(node.input[0])
            taken = self._steps(node)
            if maker is not None and maker.op_type == "QuantizeLinear":
                given = self._steps(maker)
                if given is not None and taken is not None:
                    links.append(Link(maker.input[0], maker.op_type, True, given, taken))
            for taker in self.takers.get(node.output[0], []):
                if taker.op_type not in HANDS_ON or taken is None:
                    continue
                rounding = self._only_taker(taker.output[0], "QuantizeLinear")
                again = None if rounding is None else self._steps(rounding)
                if again is not None:
                    links.append(Link(taker.output[0], taker.op_type, False, taken, again))
        return links

    def _weights(self, node: Any) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], str] | None:
        """Return weights as reals, their steps and zero points, one or one an output, and type."""
        if node.op_type not in KERNELS or len(node.input) < 2:
            return None
        found = self._reals(node.input[1])
        if found is None or found[0].ndim < SMALLEST_WEIGHTS:
            return None
        return found

    def _reals(self, name: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], str] | None:
        """Return a constant as reals: values, steps, zero points, type of what is stored."""
        nothing = np.zeros(1)
        if name in self.constants:
            values = self.constants[name]
            return values.astype(np.float64), nothing, nothing, values.dtype.name
        maker = self.makers.get(name)
        if maker is None or maker.op_type != "DequantizeLinear":
            return None
        codes, scales = (self.constants.get(each) for each in maker.input[:2])
        if codes is None or scales is None:
            return None
        given = self.constants.get(maker.input[2]) if len(maker.input) > 2 else None
        steps = scales.astype(np.float64).ravel()
        centres = np.zeros(1) if given is None else given.astype(np.float64).ravel()
        shape = [1] * codes.ndim
        if steps.size > 1:
            axis = next((each.i for each in maker.attribute if each.name == "axis"), 1)
            shape[axis] = -1
        wide = steps.reshape(shape) if steps.size > 1 else steps[0]
        middle = centres.reshape(shape) if centres.size > 1 else centres[0]
        return (codes.astype(np.float64) - middle) * wide, steps, centres, codes.dtype.name

    def _kernel(self, node: Any) -> Kernel | None:
        found = self._weights(node)
        if found is None:
            return None
        values, steps, zero_points, kind = found
        is_transposed = node.op_type == "MatMul" or (
            node.op_type == "Gemm" and not _number(node, "transB")
        )
        if is_transposed:
            values = values.T if values.ndim == 2 else np.moveaxis(values, -1, 0)
        outputs = values.shape[0]
        values = values.reshape(outputs, values.shape[1], -1)
        group = _number(node, "group") or 1
        is_depthwise = node.op_type == "Conv" and group > 1 and values.shape[1] == 1
        bias, bias_steps = self._bias(node, outputs)
        return Kernel(
            name=node.output[0],
            type=kind,
            values=values.astype(np.float32),
            steps=np.broadcast_to(
                steps if steps.size in (1, outputs) else steps.max(), (outputs,)
            ).astype(np.float32),
            bias=bias.astype(np.float32),
            bias_steps=bias_steps.astype(np.float32),
            # Other makers' uint8 weights have zero points; int8 ones are symmetric everywhere.
            zero_points=int(np.count_nonzero(zero_points)) if kind == "int8" else 0,
            is_depthwise=is_depthwise,
        )

    def _bias(self, node: Any, outputs: int) -> tuple[NDArray[Any], NDArray[Any]]:
        nothing = np.zeros(outputs)
        names = list(node.input[2:3])
        given = self._rounded(node.output[0]) if node.op_type == "MatMul" else node.output[0]
        adding = self._only_taker(given, "Add")
        if node.op_type == "MatMul" and adding is not None:
            names = [each for each in adding.input if each != given]
        found = self._reals(names[0]) if names and names[0] else None
        if found is None or found[0].size != outputs:
            return nothing, nothing
        return found[0].ravel(), np.broadcast_to(found[1], (outputs,))

    def _rounded(self, name: str) -> str:
        """Return a tensor as it goes on behind a pair of conversions, if there is one."""
        for kind in ("QuantizeLinear", "DequantizeLinear"):
            taker = self._only_taker(name, kind)
            if taker is None:
                break
            name = taker.output[0]
        return name

    def _follow(self, entry: str, pixels: Pixels) -> None:
        """Follow the pixels from the file's input to the first kernel."""
        way: list[tuple[Any, str]] = []
        while entry != self.input:
            node = self.makers.get(entry)
            if node is None:
                pixels.lose()
                return
            computed = [each for each in node.input if each and self._reals(each) is None]
            if node.op_type in CONVERSIONS:
                computed = [node.input[0]]
            if node.op_type in ("Pad", "Transpose", "Cast", "Identity"):
                computed = [node.input[0]]
            if len(computed) != 1:
                pixels.lose()
                return
            way.append((node, computed[0]))
            entry = computed[0]
        for node, computed_name in reversed(way):
            self._apply(node, computed_name, pixels)

    def _apply(self, node: Any, computed: str, pixels: Pixels) -> None:
        if node.op_type == "DequantizeLinear":
            # Of a tensor that was just rounded, the reals stay what they are.
            if computed == self.input:
                steps = self._steps(node)
                if steps is None:
                    pixels.lose()
                    return
                pixels.add(np.array(-steps.zero_point))
                pixels.multiply(np.array(steps.scale))
            return
        if node.op_type in LAYOUT:
            return
        others = [self._reals(each) for each in node.input if each != computed]
        if len(others) != 1 or others[0] is None:
            pixels.lose()
            return
        values, is_first = others[0][0], node.input[0] == computed
        if node.op_type == "Mul":
            pixels.multiply(values)
        elif node.op_type == "Add":
            pixels.add(values)
        elif node.op_type == "Sub" and is_first:
            pixels.add(-values)
        elif node.op_type == "Div" and is_first and np.all(values):
            pixels.multiply(1 / values)
        else:
            pixels.lose()


def _number(node: Any, name: str) -> int:
    return next((int(each.i) for each in node.attribute if each.name == name), 0)
