"""Conversions of an ONNX graph between reals and integers, and constants that are stored so."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.formats.onnx.graph import attribute_of, constant, input_of, read_model
from edgecv.formats.onnx.graph_types import Node, Value

UINT8 = 2
"""ONNX' number of the type that a QuantizeLinear gives where it names none."""


@dataclass(frozen=True)
class Quantization:
    """Scales and zero points of a conversion: one, or one for each channel along ``axis``."""

    scales: NDArray[Any]
    zero_points: NDArray[Any]
    """Their type is that of the integers."""
    axis: int
    block: int = 0
    """Neighbours along ``axis`` that share a scale; 0 where it holds for the whole channel."""

    @property
    def steps(self) -> NDArray[np.float64]:
        """One scale, or the largest of each channel."""
        scales = self.scales.astype(np.float64)
        return (scales.max(axis=self.axis) if self.block and scales.size > 1 else scales).ravel()

    def reals(self, codes: NDArray[Any]) -> NDArray[np.float64]:
        """Return the real values of integers."""
        centres, steps = (self._beside(each, codes) for each in (self.zero_points, self.scales))
        return (codes.astype(np.float64) - centres) * steps

    def _beside(self, given: NDArray[Any], codes: NDArray[Any]) -> NDArray[np.float64]:
        """Return scales or zero points in a shape that goes with the integers'."""
        values = given.astype(np.float64)
        if values.size == 1:  # The axis, which is 1 where none is given, may be none of theirs.
            return values.reshape(())
        if self.block:
            side = codes.shape[self.axis]
            return values.repeat(min(self.block, side), self.axis).take(range(side), self.axis)
        sides = [1] * codes.ndim
        sides[self.axis] = -1
        return values.reshape(sides)

    @property
    def is_one(self) -> bool:
        """True if one scale and one zero point hold for the whole tensor."""
        return self.scales.size == 1 == self.zero_points.size


def quantization_of(node: Node) -> Quantization | None:
    """Return the quantization of a conversion; None if its scales or zero points are computed."""
    scales, zero_points = constant(input_of(node, 1)), constant(given := input_of(node, 2))
    if scales is None or (given is not None and zero_points is None):
        return None
    if zero_points is None:
        zero_points = np.zeros(1, _type_of_integers(node))
    axis, block = attribute_of(node, "axis", 1), attribute_of(node, "block_size", 0)
    return Quantization(scales, zero_points, axis, block)


def _type_of_integers(node: Node) -> Any:
    """Return the type of the integers of a conversion that has no zero point."""
    import onnx_ir

    if node.op_type == "QuantizeLinear":
        return onnx_ir.DataType(attribute_of(node, "output_dtype", 0) or UINT8).numpy()
    codes = node.inputs[0]
    if codes.dtype is not None:
        return codes.dtype.numpy()
    maker = codes.producer()
    found = quantization_of(maker) if maker and maker.op_type == "QuantizeLinear" else None
    return np.uint8 if found is None else found.zero_points.dtype


def quantization_in(content: bytes, kind: str, name: str) -> tuple[float, int] | tuple[None, None]:
    """Return scale and zero point of an "input" or an "output" by name; None without one.

    They are those of the DequantizeLinear nodes at the input, or the QuantizeLinear at the output.
    """
    graph = read_model(content).graph
    if kind == "input":
        taken = (each for each in graph.inputs if each.name == name)
        nodes = [use.node for each in taken for use in each.uses()]
        operator = "DequantizeLinear"
    else:
        nodes = [each.producer() for each in graph.outputs if each.name == name]
        operator = "QuantizeLinear"
    if any(node is None or node.op_type != operator for node in nodes):
        return None, None
    ends = {node.inputs[1:]: node for node in nodes}
    found = quantization_of(ends.popitem()[1]) if len(ends) == 1 else None
    if found is None or not found.is_one:
        return None, None
    return float(found.scales.item()), int(found.zero_points.item())


def stored_constant(value: Value | None) -> tuple[NDArray[Any], Quantization | None] | None:
    """Return a constant as it is stored, and the quantization that a DequantizeLinear undoes."""
    if (codes := constant(value)) is not None:
        return codes, None
    maker = None if value is None else value.producer()
    if maker is None or maker.op_type != "DequantizeLinear":
        return None
    codes, quantization = constant(maker.inputs[0]), quantization_of(maker)
    return None if codes is None or quantization is None else (codes, quantization)
