"""Ranges of activations that were found in training, taken from the conversions in a graph."""

from dataclasses import dataclass, field

import numpy as np

from edgecv.formats.onnx.conversions import Quantization, quantization_of
from edgecv.formats.onnx.graph import (
    CONVERSIONS,
    FUSED,
    INT8_SHIFT,
    constant,
    input_of,
    replace_node,
)
from edgecv.formats.onnx.graph_types import Graph, Node, Value

MOVES = ("Squeeze", "Unsqueeze", "Reshape", "Flatten", "Transpose")
"""Operators that change no value: the quantizer has one range before and behind them."""
LARGEST_CODE = 255

Range = tuple[np.float32, int]
"""Scale and zero point of a uint8 tensor."""


@dataclass
class TrainedRanges:
    """The ranges that training has found."""

    ranges: dict[str, Range] = field(default_factory=dict)
    """Tensor -> scale and zero point."""
    clipped: set[str] = field(default_factory=set)
    """Outputs of activations that clip more than the range behind them does."""

    def add(self, value: Value, found: Quantization) -> None:
        """Add a tensor, and those before it that have its range."""
        shift = INT8_SHIFT if found.zero_points.dtype == np.int8 else 0
        range_ = np.float32(found.scales.item()), int(found.zero_points.item()) + shift
        self.ranges[value.name] = range_
        maker = value.producer()
        # tf2onnx writes global pooling as pooling and Squeeze; the range is trained behind it.
        while maker is not None and (maker.op_type in MOVES or self._is_kept(maker, range_)):
            if maker.op_type in FUSED:
                self.clipped.add(maker.outputs[0].name)
            taken = maker.inputs[0]
            self.ranges.setdefault(taken.name, range_)
            maker = taken.producer()

    def kept_in(self, graph: Graph) -> list[str]:
        """Return the names of the activations that the quantizer must leave in their place.

        It removes one, and relies on a range that clips as the activation does. A range that is
        shared with other tensors may be wider: it would let other values through.
        """
        fused = [node for node in graph if node.op_type in FUSED]
        return [str(node.name) for node in fused if node.outputs[0].name in self.clipped]

    def _is_kept(self, maker: Node, range_: Range) -> bool:
        if maker.op_type not in FUSED:
            return False
        scale, zero = range_
        most = constant(input_of(maker, 2)) if maker.op_type == "Clip" else None
        half = float(scale) / 2
        is_open_above = most is not None and float(most) + half < (LARGEST_CODE - zero) * float(
            scale
        )
        return zero > 0 or is_open_above


def take_trained_ranges(graph: Graph) -> TrainedRanges:
    """Remove the conversions of quantization-aware training, and return their ranges.

    Training leaves conversions at some tensors only. The quantizer inserts them at every tensor,
    and uses these ranges for the trained ones.
    """
    trained = TrainedRanges()
    for node in list(graph):
        found = quantization_of(node) if node.op_type in CONVERSIONS else None
        if found is None or not found.is_one or node.inputs[0].const_value is not None:
            continue
        value = node.inputs[0]
        if node.op_type == "QuantizeLinear":
            trained.add(value, found)
        name, is_output = node.outputs[0].name, node.outputs[0].is_graph_output()
        replace_node(graph, node, value)
        if is_output:  # The range of an output keeps to its tensor under the output's name.
            if value.name in trained.ranges:
                trained.ranges[name] = trained.ranges.pop(value.name)
            value.name = name
    return trained
