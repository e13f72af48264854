"""Operations of a graph written by others that TFLite and ONNX both have, and have in integers.

``gelu`` is left as it is: the converters know it as a whole.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgecv.models.tf import load_tensorflow

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


def rewrite(graph: Any) -> None:
    """Rewrite negations, erf and erfc of float32 tensors in place, where they are no gelu."""
    takers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            takers.setdefault(name.split(":")[0].lstrip("^"), []).append(node)
    for node in list(graph.node):
        if node.op not in ("Neg", "Erf", "Erfc") or node.attr["T"].type != 1:
            continue
        writer = _Writer(graph, node)
        if node.op == "Neg" and not any(_leads_to_erfc(each, takers) for each in takers[node.name]):
            node.op = "Mul"
            node.input.append(writer.constant(-1.0))
        elif node.op != "Neg" and not _is_in_gelu(node, takers):
            writer.write_erf(complement=node.op == "Erfc")


def _leads_to_erfc(node: Any, takers: Mapping[str, Sequence[Any]]) -> bool:
    return node.op == "Mul" and any(each.op == "Erfc" for each in takers.get(node.name, ()))


def _is_in_gelu(node: Any, takers: Mapping[str, Sequence[Any]]) -> bool:
    """Return True if erfc is multiplied, or if one plus erf is: no other function does that."""
    after = takers.get(node.name, ())
    if node.op == "Erf":
        after = [more for each in after if each.op == "AddV2" for more in takers.get(each.name, ())]
    return any(each.op == "Mul" for each in after)


class _Writer:
    """Writes nodes in front of a node, whose input they take."""

    def __init__(self, graph: Any, node: Any) -> None:
        self._graph, self._node, self._count = graph, node, 0

    def constant(self, value: float) -> str:
        """Add a constant and return its name."""
        tensorflow, _ = load_tensorflow()
        made = self._new("Const")
        made.attr["dtype"].type = self._node.attr["T"].type
        made.attr["value"].tensor.CopyFrom(tensorflow.make_tensor_proto(np.float32(value)))
        return str(made.name)

    def apply(self, kind: str, *inputs: str) -> str:
        """Add an operation on tensors and return the name of its output."""
        made = self._new(kind)
        made.input.extend(inputs)
        made.attr["T"].type = self._node.attr["T"].type
        return str(made.name)

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
