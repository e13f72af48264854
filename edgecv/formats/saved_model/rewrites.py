"""Operations of a graph written by others that TFLite and ONNX both have, and have in integers.

A gelu as TensorFlow writes it is left as it is: TFLite has it as one operator.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from edgecv.models.tf import tensorflow

NUMERATOR = (
    -2.72614225801306e-10,
    2.77068142495902e-08,
    -2.10102402082508e-06,
    -5.69250639462346e-05,
    -7.34990630326855e-04,
    -2.95459980854025e-03,
    -1.60960333262415e-02,
)
DENOMINATOR = (
    -1.45660718464996e-05,
    -2.13374055278905e-04,
    -1.68282697438203e-03,
    -7.37332916720468e-03,
    -1.42647390514189e-02,
)
"""erf(x) = x N(x * x) / D(x * x), the highest power first, as Eigen computes it in float32:
right to 4e-7, for x between -4 and 4; beyond, erf is 1 or -1 to that precision."""
LARGEST = 4.0
FLOAT32, INT32 = 1, 3
"""Types in TensorFlow's tables."""


class Convolution(NamedTuple):
    """The channels that enter a convolution, and the shape of its kernel: (h, w, in, out)."""

    channels: int
    kernel: tuple[int, ...]


def rewrite(graph: Any, convolutions: Mapping[str, Convolution]) -> None:
    """Rewrite float32 operations in place: grouped convolutions, and negations, erf and erfc.

    ``convolutions``: all those of the graph, by name.
    """
    for node in [each for each in graph.node if each.name in convolutions]:
        channels, kernel = convolutions[node.name]
        if kernel[2] == 1 < channels:
            _Writer(graph, node).write_depthwise((*kernel[:2], channels, kernel[3] // channels))
        elif kernel[2] != channels:
            _Writer(graph, node).write_groups(channels // kernel[2])
    neighbours = _Neighbours(graph)
    gelus = [each for node in graph.node if node.op == "Mul" for each in neighbours.gelu(node)]
    for node in list(graph.node):
        is_float = node.op in ("Neg", "Erf", "Erfc") and node.attr["T"].type == FLOAT32
        if not is_float or node.name in gelus:
            continue
        writer = _Writer(graph, node)
        if node.op == "Neg":
            node.op = "Mul"
            node.input.append(writer.constant(-1.0))
        else:
            writer.write_erf(complement=node.op == "Erfc")


class _Neighbours:
    """The nodes that give the inputs of a node."""

    def __init__(self, graph: Any) -> None:
        self._nodes = {node.name: node for node in graph.node}

    def before(self, node: Any, kind: str) -> list[Any]:
        """Return the operations of a kind whose output a node takes."""
        names = (name.split(":")[0] for name in node.input)
        return [self._nodes[name] for name in names if self._nodes[name].op == kind]

    def gelu(self, product: Any) -> Iterator[str]:
        """Yield the names of the nodes that stay as they are in a gelu.

        It is x / 2 * erfc(-x * sqrt(1 / 2)), or x / 2 * (erf(x * sqrt(1 / 2)) + 1) in old models.
        """
        if not any(self.before(each, "Const") for each in self.before(product, "Mul")):
            return
        for more in self.before(product, "AddV2"):
            yield from (each.name for each in self.before(more, "Erf") if self.before(each, "Mul"))
        for erfc in self.before(product, "Erfc"):
            for scaled in self.before(erfc, "Mul"):
                for negative in self.before(scaled, "Neg"):
                    yield from (erfc.name, negative.name)


class _Writer:
    """Writes nodes in front of a node, whose input they take."""

    def __init__(self, graph: Any, node: Any) -> None:
        self._graph, self._node, self._count = graph, node, 0

    def constant(self, value: Any) -> str:
        """Add a constant, float32 or a numpy array, and return its name."""
        made = self._new("Const")
        tensor = tensorflow.make_tensor_proto(
            np.float32(value) if isinstance(value, float) else value
        )
        made.attr["dtype"].type = tensor.dtype
        made.attr["value"].tensor.CopyFrom(tensor)
        return str(made.name)

    def apply(self, kind: str, *inputs: str) -> str:
        """Add an operation on tensors and return the name of its output."""
        made = self._new(kind)
        made.input.extend(inputs)
        made.attr["T"].type = self._node.attr["T"].type
        return str(made.name)

    def write_depthwise(self, shape: tuple[int, ...]) -> None:
        """Turn a convolution with a group a channel into a depthwise one."""
        reshaped = self._new("Reshape")
        reshaped.input.extend([self._node.input[1], self.constant(np.array(shape, np.int32))])
        reshaped.attr["T"].type, reshaped.attr["Tshape"].type = self._node.attr["T"].type, INT32
        self._node.op = "DepthwiseConv2dNative"
        self._node.input[1] = reshaped.name
        del self._node.attr["use_cudnn_on_gpu"]

    def write_groups(self, groups: int) -> None:
        """Turn a grouped convolution, for which the CPU has no kernel, into one a group."""
        axis = self.constant(np.int32(3))
        halves = []
        for name in self._node.input[:2]:
            split = self._new("Split")
            split.input.extend([axis, name])
            split.attr["T"].type = self._node.attr["T"].type
            split.attr["num_split"].i = groups
            halves.append(
                [f"{split.name}:{number}" if number else split.name for number in range(groups)]
            )
        parts = []
        for pair in zip(*halves, strict=True):
            part = self._new("Conv2D")
            for key, value in self._node.attr.items():
                part.attr[key].CopyFrom(value)
            part.input.extend(pair)
            parts.append(part.name)
        kind = self._node.attr["T"].type
        self._node.attr.clear()
        self._node.op = "ConcatV2"
        self._node.attr["T"].type, self._node.attr["Tidx"].type = kind, INT32
        self._node.attr["N"].i = groups
        self._node.input[:] = [*parts, axis]

    def write_erf(self, *, complement: bool) -> None:
        """Turn the node into the last operation of erf, or of 1 - erf."""
        low = self.apply("Minimum", self._node.input[0], self.constant(LARGEST))
        x = self.apply("Maximum", low, self.constant(-LARGEST))
        square = self.apply("Mul", x, x)
        top = self.apply("Mul", x, self._polynomial(square, NUMERATOR))
        last = [top, self._polynomial(square, DENOMINATOR)]
        if complement:
            last = [self.constant(1.0), self.apply("RealDiv", *last)]
        self._node.op = "Sub" if complement else "RealDiv"
        self._node.input[:] = last

    def _polynomial(self, x: str, factors: Sequence[float]) -> str:
        value = self.constant(factors[0])
        for factor in factors[1:]:
            value = self.apply("AddV2", self.apply("Mul", value, x), self.constant(factor))
        return value

    def _new(self, kind: str) -> Any:
        self._count += 1
        return self._graph.node.add(name=f"{self._node.name}/plain_{self._count}", op=kind)
