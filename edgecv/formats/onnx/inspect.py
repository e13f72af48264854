"""Inspection of an ONNX file by its graph and onnx's shape inference: no runtime, no other file."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edgecv.core.errors import EdgecvError, InputError
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.text import counted, listed
from edgecv.formats.contents import Contents, Operator, known_total, total
from edgecv.formats.dtypes import FLOATS, SMALL_INTEGERS, bytes_of, count
from edgecv.formats.onnx.checked_graph import LONGEST_NAME, CheckedGraph, damaged
from edgecv.formats.onnx.checked_tensors import Constant, TensorShape
from edgecv.formats.onnx.graph import KERNEL_INPUT, DamagedGraph, ForeignValues, input_of
from edgecv.formats.onnx.graph_types import Node, Value
from edgecv.formats.onnx.inspect_ends import SCALE_OF_FIRST, facts, input_end, output_end
from edgecv.formats.onnx.integer_operators import IntegerOperators
from edgecv.formats.onnx.operator_costs import KNOWN_DOMAINS, has_subgraphs, macs_of
from edgecv.formats.peak_memory import MemoryStep, peak_facts, peak_of

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
"""The numbers of the inputs that can be weights; others are scales or settings."""
PACKED = ("MatMulNBits", "MatMulBnb4")
"""Operators whose kernel has several weights in a byte, and scales as inputs of their own."""
RANDOM = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike")


def read(content: bytes, where: str, input_spec: InputSpec = DEFAULT_INPUT) -> Contents:
    """Read an ONNX model. Raises InputError if it is damaged or points to other folders."""
    try:
        return OnnxInspector(CheckedGraph(content, where, input_spec)).contents()
    except EdgecvError:
        raise
    except ForeignValues as error:
        raise InputError(
            where,
            str(error),
            accepted="models whose inputs and outputs are tensors",
            remedy="export it without maps: zipmap=False in skl2onnx",
        ) from error
    except DamagedGraph as error:
        raise damaged(where, str(error)) from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise damaged(where, f"{type(error).__name__}: {error}") from error


class OnnxInspector:
    """The inspection of one file, which counts each constant once."""

    def __init__(self, file: CheckedGraph) -> None:
        self._file = file
        self._nodes = self._without_constants()
        self._integers = IntegerOperators(self._nodes, file.constants, file.values)
        self._folded = self._integers.folded()
        self._functions = {(each.domain, each.name) for each in file.model.functions}
        self._counted: set[str] = set()

    def contents(self) -> Contents:
        """Return the contents of the file."""
        file = self._file
        shown = [node for node in self._nodes if not self._integers.is_folded(node)]
        operators = tuple(self._operator(node) for node in shown)
        return Contents(
            format="onnx",
            facts=facts(file),
            inputs=tuple(input_end(file, name) for name in file.inputs),
            outputs=tuple(output_end(file, name) for name in file.outputs),
            operators=operators,
            parameters=total(each.parameters for each in operators),
            macs=total(each.macs for each in operators),
            known_macs=known_total(each.macs for each in operators),
            **self._peak(),
            notes=tuple(self._notes(shown)),
        )

    def _without_constants(self) -> list[Any]:
        """Return the nodes that depend on an input; the others' outputs become constants."""
        constants, nodes = self._file.constants, []
        for node in self._file.graph:
            taken = [each.name for each in node.inputs if each is not None]
            depends = has_subgraphs(node) or node.op_type in RANDOM or not node.outputs
            if node.op_type == "Constant" and node.outputs:
                name = node.outputs[0].name
                known = self._file.values.get(name, TensorShape("", None))
                constants.setdefault(name, Constant(name, known.type, known.shape, 0))
            elif taken and not depends and all(name in constants for name in taken):
                for value in node.outputs:
                    found = [constants[name] for name in taken]
                    constants[value.name] = self._computed(node, value, found)
            else:
                nodes.append(node)
        return nodes

    def _computed(self, node: Node, value: Value, taken: Sequence[Constant]) -> Constant:
        """Return a constant that is computed from others, with the type that is stored."""
        known = self._file.values.get(value.name, TensorShape("", None))
        is_unpacked = node.op_type == "DequantizeLinear"
        reals = [taken[0]] if is_unpacked else [each for each in taken if _is_real(each)]
        largest = max(reals, key=lambda each: each.elements, default=None)
        if largest is None or (known.type and known.type not in FLOATS | SMALL_INTEGERS):
            return Constant(value.name, known.type, known.shape, 0, made_of=())
        stored = {part.name: part for each in reals for part in each.stored}
        return Constant(
            value.name,
            largest.type,
            known.shape,
            0,
            taken[1].elements if is_unpacked else largest.scales,
            tuple(stored.values()),
            largest.largest_code,
        )

    def _operator(self, node: Node) -> Operator:
        weights = self._weights(node)
        largest = max(weights, key=lambda each: each.elements, default=None)
        new = self._new(weights)
        made = node.outputs[0].name if node.outputs else ""
        value = self._file.values.get(made, TensorShape("", None))
        return Operator(
            name=(node.name or made)[:LONGEST_NAME],
            type=_kind(node),
            output_shape=value.shape,
            parameters=self._parameters(node, weights, new),
            macs=macs_of(node, self._file),
            activation_type=self._integers.type_of(self._folded.get(made, made)),
            weight_type=largest.type if largest else "",
            weight_scales=largest.scales if largest else 0,
            largest_code=largest.largest_code if largest else None,
            weight_bytes=sum(each.stored_bytes for each in new),
            arithmetic=self._integers.arithmetic(node),
        )

    def _weights(self, node: Node) -> list[Constant]:
        """Return the trained constants: no shapes, no scales, no scalars."""
        constants = self._file.constants
        places = WEIGHTS.get(node.op_type, range(len(node.inputs)))
        values = [input_of(node, place) for place in places]
        names = [each.name for each in values if each is not None]
        found = [constants[name] for name in names if name in constants]
        if node.op_type in KERNEL_INPUT:
            return [self._with_scales(node, _filled(each)) for each in found]
        return [each for each in found if _is_real(each) and each.shape != ()]

    def _with_scales(self, node: Node, constant: Constant) -> Constant:
        """Return a kernel with the number of its scales if the operator has them as an input."""
        if node.op_type not in SCALE_OF_FIRST or constant is not self._integers.kernel(node):
            return constant
        scale = self._file.constants.get(node.inputs[KERNEL_INPUT[node.op_type] + 1].name)
        return replace(constant, scales=scale.elements if scale else 0)

    def _new(self, weights: Sequence[Constant]) -> list[Constant]:
        """Return the stored constants of an operator that none before it uses."""
        found = {part.name: part for each in weights for part in each.stored}
        new = [part for name, part in found.items() if name not in self._counted]
        self._counted |= found.keys()
        return new

    def _parameters(
        self, node: Node, weights: Sequence[Constant], new: Sequence[Constant]
    ) -> int | None:
        """Return the number of weights; None where they are packed, or in a graph of its own.

        None as well where a kernel is computed and its shape is not known.
        """
        is_function = (node.domain, node.op_type) in self._functions
        is_open = node.op_type in KERNEL_INPUT and any(each.shape is None for each in weights)
        if node.op_type in PACKED or is_function or is_open or has_subgraphs(node):
            return None
        return sum(each.elements for each in new)

    def _peak(self) -> dict[str, Any]:
        ends = (self._file.graph.inputs, self._file.graph.outputs)
        steps = [
            MemoryStep(self._live(node.inputs), self._live(node.outputs)) for node in self._nodes
        ]
        inputs, outputs = map(self._live, ends)
        sizes = {
            value.name: self._bytes(value)
            for node in self._nodes
            for value in self._integers.computed((*node.inputs, *node.outputs))
        }
        sizes |= {value.name: self._bytes(value) for each in ends for value in each}
        names = [f'{node.op_type} "{node.outputs[0].name}"' for node in self._nodes]
        return peak_facts(peak_of(steps, inputs, outputs, sizes), names)

    def _live(self, values: Sequence[Any]) -> tuple[str, ...]:
        """Return the names of the computed tensors that an integer runtime really makes."""
        names = [each.name for each in self._integers.computed(values)]
        return tuple(self._folded.get(name, name) for name in names)

    def _bytes(self, value: Value) -> int | None:
        elements = count(self._file.shape_of(value))
        kind = self._integers.type_of(value.name)
        return None if elements is None else bytes_of(kind, elements)

    def _notes(self, shown: Sequence[Any]) -> list[str]:
        model, notes = self._file.model, list(self._file.notes)
        if names := [each.name[:LONGEST_NAME] for each in model.functions]:
            notes.append(f"functions of its own, which are not followed: {listed(names)}")
        if flow := sorted({node.op_type for node in shown if has_subgraphs(node)}):
            notes.append(f"graphs within operators are not followed: {listed(flow)}")
        foreign = {_kind(node) for node in shown if node.domain not in KNOWN_DOMAINS}
        if foreign:
            notes.append(f"operators of other makers: {listed(sorted(foreign))}")
        if folded := len(self._nodes) - len(shown):
            notes.append(
                f"{folded} QuantizeLinear and DequantizeLinear are part of the quantized operators "
                "between them, which take and give integers"
            )
        if constant := len(model.graph.node) - len(self._nodes):
            notes.append(f"not shown: {counted(constant, 'operator')} on constants alone")
        batches = [each.shape[0] for each in self._file.inputs.values() if each.shape]
        if batches and max(batches) > 1:
            notes.append(f"costs are those of the whole batch of {max(batches)}")
        return notes


def _kind(node: Node) -> str:
    is_foreign = node.domain not in ("", "ai.onnx")
    return (f"{node.domain}.{node.op_type}" if is_foreign else node.op_type)[:LONGEST_NAME]


def _filled(constant: Constant) -> Constant:
    """Return weights that the graph makes of nothing that is stored as weights of no bytes."""
    is_made = constant.made_of == () and _is_real(constant)
    return replace(constant, made_of=None) if is_made else constant


def _is_real(constant: Constant) -> bool:
    return constant.type in FLOATS | SMALL_INTEGERS or bool(constant.scales)
