"""Operators of an ONNX graph that compute on integers.

These are integer operators (QLinearConv, MatMulInteger), and float operators between
DequantizeLinear and QuantizeLinear, which a runtime fuses into one integer operator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgecv.formats.contents import Arithmetic
from edgecv.formats.dtypes import FLOATS, SMALL_INTEGERS
from edgecv.formats.onnx.checked_tensors import Constant, TensorShape
from edgecv.formats.onnx.graph import CONVERSIONS as STATIC_CONVERSIONS
from edgecv.formats.onnx.graph import FUSED, INTEGER_KERNELS, KERNEL_INPUT, input_of
from edgecv.formats.onnx.graph_types import Node, Value

CONVERSIONS = (*STATIC_CONVERSIONS, "DynamicQuantizeLinear")
IN_FLOAT = frozenset(
    """
    BatchNormalization InstanceNormalization LayerNormalization LRN Abs Div Elu Erf Exp Floor Gelu
    GlobalMaxPool HardSigmoid HardSwish Max Mean Min Mish Neg PRelu Pad Pow ReduceMean ReduceSum
    Softplus SpaceToDepth Sqrt Sub Tanh
    """.split()
)
"""Operators that ONNX Runtime has no kernel of integers for: between conversions they are float."""
NO_DATA = ("int32", "int64", "bool")


@dataclass(frozen=True)
class IntegerOperators:
    """The nodes of a graph that depend on its input, and the constants that they take."""

    nodes: Sequence[Node]
    constants: Mapping[str, Constant]
    values: Mapping[str, TensorShape]

    def computed(self, values: Sequence[Value | None]) -> list[Value]:
        """Return the values that are computed: neither omitted nor constant."""
        return [each for each in values if each is not None and self._is_computed(each)]

    def _is_computed(self, value: Value) -> bool:
        return bool(value.name) and value.name not in self.constants

    def type_of(self, name: str) -> str:
        """Return the type of a tensor's elements; empty if it is unknown."""
        return self.values[name].type if name in self.values else ""

    def kernel(self, node: Node) -> Constant | None:
        """Return the constant kernel of an operator, None if it has none."""
        value = input_of(node, KERNEL_INPUT.get(node.op_type, len(node.inputs)))
        return None if value is None else self.constants.get(value.name)

    def arithmetic(self, node: Node) -> Arithmetic:
        """Return the arithmetic of an operator."""
        kind = node.op_type
        if kind in CONVERSIONS:
            return "conversion"
        if _is_integer_by_name(kind) or self._is_between_integers(node):
            return "quantized"
        ends = self.computed((*node.inputs, *node.outputs))
        types = {self.type_of(each.name) for each in ends}
        kernel = self.kernel(node)
        if types & FLOATS or (kernel is not None and kernel.type in FLOATS):
            is_small = kernel is not None and kernel.type in SMALL_INTEGERS
            return "weights only" if is_small else "float"
        return "quantized" if types & SMALL_INTEGERS and kind != "Cast" else "other"

    def folded(self) -> dict[str, str]:
        """Map the name of each tensor that an integer runtime never makes to the one in its place.

        They are those between a quantized operator and the conversions around it, and those
        before an activation, which works in place.
        """
        instead: dict[str, str] = {}
        for node in self.nodes:
            if node.op_type == "DequantizeLinear" and self._serves_integers(node):
                instead[node.outputs[0].name] = node.inputs[0].name
            elif node.op_type in FUSED and self._is_only_for(node):
                instead.setdefault(node.inputs[0].name, node.outputs[0].name)
            elif node.op_type == "QuantizeLinear":
                for value in self._comes_from_integers(node):
                    instead.setdefault(value.name, node.outputs[0].name)
        return {name: _end_of(name, instead) for name in instead}

    def is_folded(self, node: Node) -> bool:
        """Return True if a conversion is fused into the operator beside it."""
        if node.op_type == "DequantizeLinear":
            return self._serves_integers(node)
        return node.op_type == "QuantizeLinear" and bool(self._comes_from_integers(node))

    def _is_only_for(self, node: Node) -> bool:
        value = node.inputs[0]
        is_inner = value.producer() is not None and not value.is_graph_output()
        return is_inner and self._is_computed(value) and len(value.uses()) == 1

    def _serves_integers(self, node: Node) -> bool:
        value = node.outputs[0]
        return (
            bool(value.uses())
            and not value.is_graph_output()
            and all(self._is_between_integers(use.node) for use in value.uses())
        )

    def _comes_from_integers(self, node: Node) -> list[Value]:
        """Return the tensors between a quantized operator and its QuantizeLinear."""
        value = node.inputs[0]
        maker = self._producer(value)
        if maker is None or not self._is_between_integers(maker):
            return []
        if maker.op_type in FUSED and not self._comes_from_conversion(maker.inputs[0]):
            return [maker.inputs[0], value]
        return [value]

    def _is_between_integers(self, node: Node) -> bool:
        if node.op_type in (*CONVERSIONS, *IN_FLOAT) or _is_integer_by_name(node.op_type):
            return False
        kernel = self.kernel(node)
        if kernel is not None and kernel.type not in SMALL_INTEGERS:
            return False
        return self._enters_as_integers(node) and all(
            self._is_quantized_next(value, node) for value in self.computed(node.outputs)
        )

    def _enters_as_integers(self, node: Node) -> bool:
        data = [
            each for each in self.computed(node.inputs) if self.type_of(each.name) not in NO_DATA
        ]
        if node.op_type in FUSED and data and not self._comes_from_conversion(data[0]):
            maker = self._producer(data[0])
            return (
                maker is not None
                and maker.op_type not in FUSED
                and self._is_between_integers(maker)
            )
        return bool(data) and all(map(self._comes_from_conversion, data))

    def _producer(self, value: Value) -> Node | None:
        return value.producer() if self._is_computed(value) else None

    def _comes_from_conversion(self, value: Value) -> bool:
        maker = self._producer(value)
        return maker is not None and maker.op_type == "DequantizeLinear"

    def _is_quantized_next(self, value: Value, maker: Node) -> bool:
        takers = [use.node for use in value.uses()]
        if not takers or value.is_graph_output():
            return False
        if maker.op_type not in FUSED and all(each.op_type in FUSED for each in takers):
            return all(self._is_quantized_next(each.outputs[0], each) for each in takers)
        return all(each.op_type == "QuantizeLinear" for each in takers)


def _is_integer_by_name(kind: str) -> bool:
    return kind.startswith("QLinear") or kind in (*INTEGER_KERNELS, "QAttention")


def _end_of(name: str, instead: Mapping[str, str]) -> str:
    seen = {name}
    while (following := instead.get(name)) is not None and following not in seen:
        name = following
        seen.add(name)
    return name
