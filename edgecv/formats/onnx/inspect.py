"""Reads an ONNX file by its protobuf and onnx's shape inference: no runtime, no other file."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edgecv.core.errors import EdgecvError
from edgecv.core.text import listed
from edgecv.formats.contents import Contents, Operator, total_macs
from edgecv.formats.dtypes import FLOATS, SMALL_INTEGERS, bytes_of, count
from edgecv.formats.onnx.inspect_ends import SCALE_OF_FIRST, facts, input_end, output_end
from edgecv.formats.onnx.integer_operators import KERNEL_INPUT, Links
from edgecv.formats.onnx.tables import LONGEST_NAME, Constant, Tables, Value, damaged
from edgecv.formats.peak_memory import MemoryStep, peak_bytes

CONVOLUTIONS = frozenset("Conv FusedConv NhwcFusedConv ConvInteger QLinearConv".split())
NOT_COUNTED = frozenset(
    """
    LSTM GRU RNN Einsum DeformConv Attention MultiHeadAttention QAttention MatMulNBits
    Scan Loop If SequenceMap
    """.split()
)
"""Operators that multiply, or hold others, in ways that are not followed here."""
KNOWN_DOMAINS = ("", "ai.onnx", "com.microsoft", "ai.onnx.ml")
GRAPH, GRAPHS = 5, 10
"""AttributeProto.GRAPH and GRAPHS"""
WEIGHTS = {
    "QLinearConv": (3, 8),
    "QLinearMatMul": (3,),
    "QGemm": (3, 6),
    "ConvInteger": (1,),
    "MatMulInteger": (1,),
    "DynamicQuantizeMatMul": (1, 4),
    "MatMulIntegerToFloat": (1, 6),
    **dict.fromkeys("Resize Upsample Pad Clip OneHot Range TopK Slice".split(), ()),
    **dict.fromkeys("QuantizeLinear DequantizeLinear".split(), ()),
}
"""Which inputs can be weights, where others are scales or settings."""
RANDOM = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike")


def read(content: bytes, where: str) -> Contents:
    """Read an ONNX model. Raises InputError where it is damaged or points to other folders."""
    try:
        return _Reader(Tables(content, where)).contents()
    except EdgecvError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise damaged(where, f"{type(error).__name__}: {error}") from error


class _Reader:
    """One file, and what was found in it so far."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._nodes = self._without_constants()
        self._links = Links(self._nodes, tables.constants, tables.values, frozenset(tables.outputs))
        self._folded = self._links.folded()
        self._kernels: set[str] = set()
        self._stored: set[str] = set()

    def contents(self) -> Contents:
        tables = self._tables
        shown = [node for node in self._nodes if not self._links.is_folded(node)]
        operators = tuple(self._operator(node) for node in shown)
        return Contents(
            format="onnx",
            facts=facts(tables),
            inputs=tuple(input_end(tables, self._links, name) for name in tables.inputs),
            outputs=tuple(output_end(tables, self._links, name) for name in tables.outputs),
            operators=operators,
            parameters=sum(each.parameters for each in operators),
            macs=total_macs(operators),
            peak_activation_bytes=self._peak(),
            notes=tuple(self._notes(shown)),
        )

    def _without_constants(self) -> list[Any]:
        """Return the nodes that depend on an input; the others' outputs become constants."""
        constants, nodes = self._tables.constants, []
        for node in self._tables.graph.node:
            taken = [name for name in node.input if name]
            depends = _subgraphs(node) or node.op_type in RANDOM or not node.output
            if node.op_type == "Constant" and node.output:
                constants[node.output[0]] = self._tables.constant_of_node(node)
            elif taken and not depends and all(name in constants for name in taken):
                for name in node.output:
                    constants[name] = self._computed(node, name, [constants[n] for n in taken])
            else:
                nodes.append(node)
        return nodes

    def _computed(self, node: Any, name: str, taken: Sequence[Constant]) -> Constant:
        """Return a constant that is computed from stored ones: of the largest of them."""
        largest = taken[0]
        if node.op_type == "DequantizeLinear":
            largest = replace(largest, scales=taken[1].elements)
        else:
            largest = max(taken, key=lambda each: each.elements)
        value = self._tables.values.get(name, Value("", None))
        return replace(largest, shape=value.shape, tensor=None) if value.shape else largest

    def _operator(self, node: Any) -> Operator:
        weights = self._weights(node)
        largest = max(weights, key=lambda each: each.elements, default=None)
        made = node.output[0] if node.output else ""
        value = self._tables.values.get(made, Value("", None))
        return Operator(
            name=(node.name or made)[:LONGEST_NAME],
            type=_kind(node),
            output_shape=value.shape,
            parameters=self._counted(node, weights),
            macs=self._macs(node),
            activation_type=self._links.type_of(self._folded.get(made, made)),
            weight_type=largest.type if largest else "",
            weight_scales=largest.scales if largest else 0,
            weight_bytes=self._new_bytes(weights),
            arithmetic=self._links.arithmetic(node),
        )

    def _weights(self, node: Any) -> list[Constant]:
        """Return the constants that were trained: no shapes, no scales, no single numbers."""
        constants = self._tables.constants
        places = WEIGHTS.get(node.op_type, range(len(node.input)))
        names = [node.input[place] for place in places if place < len(node.input)]
        found = [constants[name] for name in names if name in constants]
        if node.op_type in KERNEL_INPUT:
            return [self._with_scales(node, each) for each in found]
        reals = FLOATS | SMALL_INTEGERS
        return [each for each in found if (each.type in reals or each.scales) and each.shape]

    def _with_scales(self, node: Any, constant: Constant) -> Constant:
        """Return a kernel with the number of its scales, where the operator itself has them."""
        place = KERNEL_INPUT[node.op_type] + 1
        if node.op_type not in SCALE_OF_FIRST or constant is not self._links.kernel(node):
            return constant
        scale = self._tables.constants.get(node.input[place])
        return replace(constant, scales=scale.elements if scale else 0)

    def _counted(self, node: Any, weights: Sequence[Constant]) -> int:
        """Count an operator's weights: none where its kernel has served an operator before."""
        kernel = self._links.kernel(node)
        if kernel is not None:
            if kernel.name in self._kernels:
                return 0
            self._kernels.add(kernel.name)
        return sum(each.elements for each in weights)

    def _new_bytes(self, weights: Sequence[Constant]) -> int:
        sizes = {each.name: each.stored_bytes for each in weights}
        new = {name: size for name, size in sizes.items() if name not in self._stored}
        self._stored |= new.keys()
        return sum(new.values())

    def _macs(self, node: Any) -> int | None:
        kind = node.op_type
        if kind in NOT_COUNTED or node.domain not in KNOWN_DOMAINS or _subgraphs(node):
            return None
        if kind not in KERNEL_INPUT:
            return 0
        entering, kernel = self._shape(node.input[0]), self._shape(node.input[KERNEL_INPUT[kind]])
        made = count(self._shape(node.output[0]))
        if kind in CONVOLUTIONS or kind == "ConvTranspose":
            # A transposed kernel is spread from each place of the input.
            places = made if kind in CONVOLUTIONS else count(entering)
            known = count(kernel) is not None and places is not None
            return (places or 0) * math.prod((kernel or ())[1:]) if known else None
        if made is None or not entering:
            return None
        is_turned = any(each.name == "transA" and each.i for each in node.attribute)
        inner = entering[-2] if is_turned and len(entering) > 1 else entering[-1]
        return made * inner if inner >= 0 else None

    def _shape(self, name: str) -> tuple[int, ...] | None:
        if name in self._tables.constants:
            return self._tables.constants[name].shape
        return self._tables.values.get(name, Value("", None)).shape

    def _peak(self) -> int | None:
        names = {name for node in self._nodes for name in (*node.input, *node.output)}
        names |= {*self._tables.inputs, *self._tables.outputs}

        def real(names: Sequence[str]) -> tuple[str, ...]:
            return tuple(self._folded.get(name, name) for name in self._links.moving(names))

        return peak_bytes(
            [MemoryStep(real(node.input), real(node.output)) for node in self._nodes],
            real(tuple(self._tables.inputs)),
            real(tuple(self._tables.outputs)),
            {name: self._bytes(name) for name in real(tuple(names))},
        )

    def _bytes(self, name: str) -> int | None:
        elements = count(self._shape(name))
        return None if elements is None else bytes_of(self._links.type_of(name), elements)

    def _notes(self, shown: Sequence[Any]) -> list[str]:
        graph, notes = self._tables.graph, list(self._tables.notes)
        if names := [each.name[:LONGEST_NAME] for each in self._tables.model.functions]:
            notes.append(f"functions of its own, which are not followed: {listed(names)}")
        if flow := sorted({node.op_type for node in shown if _subgraphs(node)}):
            notes.append(f"graphs within operators are not followed: {listed(flow)}")
        foreign = {_kind(node) for node in shown if node.domain not in KNOWN_DOMAINS}
        if foreign:
            notes.append(f"operators of other makers: {listed(sorted(foreign))}")
        if folded := len(self._nodes) - len(shown):
            notes.append(
                f"{folded} QuantizeLinear and DequantizeLinear are part of the quantized operators "
                "between them, which take and give integers"
            )
        if constant := len(graph.node) - len(self._nodes):
            notes.append(f"{constant} operators work on constants alone; they are not shown")
        batches = [each.shape[0] for each in self._tables.inputs.values() if each.shape]
        if batches and max(batches) > 1:
            notes.append(f"costs are those of the whole batch of {max(batches)}")
        return notes


def _kind(node: Any) -> str:
    is_foreign = node.domain not in ("", "ai.onnx")
    return (f"{node.domain}.{node.op_type}" if is_foreign else node.op_type)[:LONGEST_NAME]


def _subgraphs(node: Any) -> bool:
    return any(attribute.type in (GRAPH, GRAPHS) for attribute in node.attribute)
