"""Which operators of an ONNX graph compute on integers, whichever way the file says so.

Either by operators of their own (QLinearConv, MatMulInteger), or by usual ones between
DequantizeLinear and QuantizeLinear, which an integer runtime takes up into them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgecv.formats.contents import Arithmetic
from edgecv.formats.dtypes import FLOATS, SMALL_INTEGERS
from edgecv.formats.onnx.tables import Constant, Value

KERNEL_INPUT = {
    **dict.fromkeys(
        """
        Conv FusedConv NhwcFusedConv ConvTranspose Gemm FusedGemm MatMul FusedMatMul ConvInteger
        MatMulInteger MatMulIntegerToFloat DynamicQuantizeMatMul MatMulNBits
        """.split(),
        1,
    ),
    **dict.fromkeys("QLinearConv QLinearMatMul QGemm".split(), 3),
}
"""Which input of an operator is its kernel."""
INTEGER_OPERATORS = ("ConvInteger", "MatMulInteger", "MatMulIntegerToFloat")
INTEGER_OPERATORS_OF_A_RUNTIME = ("QGemm", "QAttention", "DynamicQuantizeMatMul")
CONVERSIONS = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")
TAKEN_UP = ("Relu", "Clip")
"""Activations that quantizing takes up into the operator before them."""
NO_DATA = ("int32", "int64", "bool")


@dataclass
class Links:
    """Who makes and who takes each tensor that is computed."""

    nodes: Sequence[Any]
    constants: Mapping[str, Constant]
    values: Mapping[str, Value]
    outputs: frozenset[str]
    producer: dict[str, Any] = field(default_factory=dict)
    consumers: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in self.nodes:
            for name in self.moving(node.output):
                self.producer[name] = node
            for name in self.moving(node.input):
                self.consumers.setdefault(name, []).append(node)

    def moving(self, names: Sequence[str]) -> list[str]:
        """Return those that are computed: not left out, not constant."""
        return [name for name in names if name and name not in self.constants]

    def type_of(self, name: str) -> str:
        """Return the type of a tensor's elements, empty where it is not known."""
        return self.values[name].type if name in self.values else ""

    def kernel(self, node: Any) -> Constant | None:
        """Return the constant kernel of an operator, None where it has none."""
        place = KERNEL_INPUT.get(node.op_type)
        if place is None or place >= len(node.input):
            return None
        return self.constants.get(node.input[place])

    def arithmetic(self, node: Any) -> Arithmetic:
        """Say how an operator computes."""
        kind = node.op_type
        if kind in CONVERSIONS:
            return "conversion"
        if _is_integer_by_name(kind) or self._is_between_integers(node):
            return "quantized"
        types = {self.type_of(name) for name in self.moving((*node.input, *node.output))}
        kernel = self.kernel(node)
        if types & FLOATS or (kernel is not None and kernel.type in FLOATS):
            is_small = kernel is not None and kernel.type in SMALL_INTEGERS
            return "weights only" if is_small else "float"
        return "quantized" if types & SMALL_INTEGERS and kind != "Cast" else "other"

    def folded(self) -> dict[str, str]:
        """Return which tensors an integer runtime never makes: name -> the integers instead.

        They are those between a quantized operator and the conversions around it, and those
        before an activation, which works in place.
        """
        instead: dict[str, str] = {}
        for node in self.nodes:
            if node.op_type == "DequantizeLinear" and self._serves_integers(node):
                instead[node.output[0]] = node.input[0]
            elif node.op_type in TAKEN_UP and self._is_only_for(node):
                instead.setdefault(node.input[0], node.output[0])
            elif node.op_type == "QuantizeLinear":
                for name in self._comes_from_integers(node):
                    instead.setdefault(name, node.output[0])
        return {name: _end_of(name, instead) for name in instead}

    def is_folded(self, node: Any) -> bool:
        """Tell whether a conversion is part of the operator beside it."""
        if node.op_type == "DequantizeLinear":
            return self._serves_integers(node)
        return node.op_type == "QuantizeLinear" and bool(self._comes_from_integers(node))

    def _is_only_for(self, node: Any) -> bool:
        name = node.input[0]
        is_computed = name in self.producer and name not in self.outputs
        return is_computed and len(self.consumers[name]) == 1

    def _serves_integers(self, node: Any) -> bool:
        takers = self.consumers.get(node.output[0], [])
        return (
            bool(takers)
            and node.output[0] not in self.outputs
            and all(self._is_between_integers(taker) for taker in takers)
        )

    def _comes_from_integers(self, node: Any) -> list[str]:
        """Return the tensors between a quantized operator and its QuantizeLinear."""
        name = node.input[0]
        maker = self.producer.get(name)
        if maker is None or not self._is_between_integers(maker):
            return []
        if maker.op_type in TAKEN_UP and not self._comes_from_conversion(maker.input[0]):
            return [maker.input[0], name]
        return [name]

    def _is_between_integers(self, node: Any) -> bool:
        if node.op_type in CONVERSIONS or _is_integer_by_name(node.op_type):
            return False
        kernel = self.kernel(node)
        if kernel is not None and kernel.type not in SMALL_INTEGERS:
            return False
        return self._enters_as_integers(node) and self._leaves_as_integers(node)

    def _enters_as_integers(self, node: Any) -> bool:
        data = [name for name in self.moving(node.input) if self.type_of(name) not in NO_DATA]
        if node.op_type in TAKEN_UP and data and not self._comes_from_conversion(data[0]):
            maker = self.producer.get(data[0])
            return (
                maker is not None
                and maker.op_type not in TAKEN_UP
                and self._is_between_integers(maker)
            )
        return bool(data) and all(self._comes_from_conversion(name) for name in data)

    def _comes_from_conversion(self, name: str) -> bool:
        maker = self.producer.get(name)
        return maker is not None and maker.op_type == "DequantizeLinear"

    def _leaves_as_integers(self, node: Any) -> bool:
        return all(self._is_quantized_next(name, node) for name in self.moving(node.output))

    def _is_quantized_next(self, name: str, maker: Any) -> bool:
        takers = self.consumers.get(name, [])
        if not takers or name in self.outputs:
            return False
        if maker.op_type not in TAKEN_UP and all(each.op_type in TAKEN_UP for each in takers):
            return all(self._is_quantized_next(each.output[0], each) for each in takers)
        return all(each.op_type == "QuantizeLinear" for each in takers)


def _is_integer_by_name(kind: str) -> bool:
    return kind.startswith("QLinear") or kind in (
        *INTEGER_OPERATORS,
        *INTEGER_OPERATORS_OF_A_RUNTIME,
    )


def _end_of(name: str, instead: Mapping[str, str]) -> str:
    seen = {name}
    while (following := instead.get(name)) is not None and following not in seen:
        name = following
        seen.add(name)
    return name
