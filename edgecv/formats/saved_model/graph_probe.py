"""The values that reach the first operations with weights of a TensorFlow graph."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.input_evidence import NormalizationInput, Values

NORMALIZATIONS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
TAKES = {
    **dict.fromkeys(
        (
            *("Conv2D", "DepthwiseConv2dNative", "MatMul", "BatchMatMul", "BatchMatMulV2"),
            *("BatchMatMulV3", *NORMALIZATIONS),
        ),
        0,
    ),
    "Conv2DBackpropInput": 2,
}
"""Operations with weights, and the number of the input that is not weights."""
MEAN, VARIANCE = 3, 4


class GraphProbe:
    """A graph that is run up to one of its first operations.

    ``run``: images and the names of tensors -> their values. ``entering``: the name of the input.
    """

    def __init__(
        self, graph: Any, entering: str, run: Callable[[Values, Sequence[str]], Sequence[Any]]
    ) -> None:
        self._nodes = {str(node.name): node for node in graph.node}
        self._entering, self._run = node_name(entering), run

    def first_weights(self, values: Values) -> NDArray[np.float64] | None:
        """Return the input of the first operation with weights: (N, ...) -> (N, ...)."""
        node = self._first(tuple(TAKES))
        if node is None:
            return None
        (taken,) = self._run(values, [_tensor(node.input[TAKES[node.op]])])
        return np.asarray(taken).astype(np.float64)

    def first_normalization(self, values: Values) -> NormalizationInput | None:
        """Return the input of the first batch normalization, and its statistics."""
        node = self._first(NORMALIZATIONS)
        if node is None or node.attr["data_format"].s not in (b"", b"NHWC"):
            return None
        wanted = [_tensor(node.input[place]) for place in (0, MEAN, VARIANCE)]
        taken, mean, variance = (np.asarray(each) for each in self._run(values, wanted))
        if not mean.size:
            return None  # It takes mean and variance of each batch.
        return NormalizationInput(
            taken.reshape(-1, taken.shape[-1]).astype(np.float64),
            mean.astype(np.float64),
            variance.astype(np.float64) + float(node.attr["epsilon"].f),
        )

    def _first(self, kinds: Sequence[str]) -> Any | None:
        """Return the first operation of some kinds that the image reaches."""
        for node in self._nodes.values():
            if node.op in kinds and self._is_reached(node.input[TAKES[node.op]]):
                return node
        return None

    def _is_reached(self, name: str) -> bool:
        waiting, seen = [node_name(name)], set()
        while waiting:
            each = waiting.pop()
            if each == self._entering:
                return True
            if each not in seen and each in self._nodes:
                waiting += map(node_name, self._nodes[each].input)
            seen.add(each)
        return False


def node_name(tensor: str) -> str:
    """Return the name of the node that gives a tensor."""
    return tensor.removeprefix("^").partition(":")[0]


def _tensor(name: str) -> str:
    return name if ":" in name else f"{name}:0"
