"""The canonical form of an ONNX graph: the same network gives the same bytes.

Converters name tensors by counters of their process and list nodes in the order of a hash table.
Here, nodes are sorted by the order in which the output needs them, and numbered in that order.
onnx-ir's own sort is stable, so it would keep the order of the hash table where a network branches,
and it keeps the names of the file.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from edgecv.core.errors import StepError
from edgecv.formats.onnx.graph import constant
from edgecv.formats.onnx.graph_types import Graph, Model, ModelProto, Node, Value

INPUT = "image"
BATCH = "batch"
PRODUCER = "edgecv"
"""The program that wrote a file."""


def canonical(
    model: Model,
    where: str,
    metadata: dict[str, str] | None = None,
    outputs: Sequence[str] = (),
) -> ModelProto:
    """Return the canonical ModelProto of an onnx-ir model.

    Nodes that no output needs are left out, equal constants become one, and only the operator sets
    in use, the given metadata and the shapes of inputs and outputs are kept. ``outputs``: their
    names, where they change.
    """
    import onnx

    source = model.graph
    outputs = outputs or [str(each.name) for each in source.outputs]
    names = CanonicalNames(source, outputs)
    copies = [names.renamed(node) for node in _in_order(source, where)]
    graph = onnx.helper.make_graph(
        copies,
        "edgecv",
        [_end(source.inputs[0], INPUT)],
        [_end(each, name) for each, name in zip(source.outputs, outputs, strict=True)],
        initializer=names.constants,
    )
    domains = {node.domain for node in copies}
    result = onnx.helper.make_model(
        graph,
        producer_name=PRODUCER,
        ir_version=model.ir_version,
        opset_imports=[
            onnx.helper.make_opsetid(domain, version)
            for domain, version in sorted(model.opset_imports.items())
            if domain in domains
        ],
    )
    onnx.helper.set_model_props(result, dict(sorted((metadata or {}).items())))
    return result


def serialized(model: ModelProto) -> bytes:
    """Return the bytes of a model, the same for the same content."""
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _in_order(graph: Graph, where: str) -> list[Node]:
    """Return the nodes that the outputs need, each after its producers."""
    done: set[Any] = set()
    ordered: list[Any] = []
    waiting: list[tuple[Any, bool]] = [
        (each.producer(), False) for each in reversed(graph.outputs) if each.producer() is not None
    ]
    while waiting:  # Not recursive: networks are deeper than Python's stack.
        node, are_inputs_done = waiting.pop()
        if are_inputs_done:
            ordered.append(node)
            continue
        if node in done:
            continue
        done.add(node)
        if any(each.type.name == "GRAPH" for each in node.attributes.values()):
            raise StepError(where, f"the network branches or loops at run time ({node.op_type})")
        waiting.append((node, True))
        makers = [each.producer() for each in node.inputs if each is not None]
        waiting.extend((each, False) for each in reversed(makers) if each is not None)
    return ordered


class CanonicalNames:
    """New names of the nodes, tensors and constants of a graph, in the order of use."""

    def __init__(self, graph: Graph, outputs: Sequence[str]) -> None:
        self.constants: list[Any] = []
        self._nodes: Counter[str] = Counter()
        self._constant_of: dict[tuple[int, tuple[int, ...], bytes], str] = {}
        named = zip(graph.outputs, outputs, strict=True)
        self._tensors: dict[Any, str] = {graph.inputs[0]: INPUT, **dict(named), None: ""}

    def renamed(self, node: Node) -> Any:
        """Return a node as a NodeProto under its new name, with new names of tensors."""
        import onnx
        import onnx_ir

        copy = onnx.NodeProto(op_type=node.op_type, domain=node.domain)
        copy.name = f"{node.op_type}_{self._nodes[node.op_type]}"
        self._nodes[node.op_type] += 1
        copy.input.extend(self._tensor(value) for value in node.inputs)
        for number, value in enumerate(node.outputs):
            if value not in self._tensors:
                self._tensors[value] = f"{copy.name}:{number}" if value.name else ""
            copy.output.append(self._tensors[value])
        for attribute in sorted(node.attributes.values(), key=lambda each: each.name):
            kept = onnx_ir.to_proto(attribute)
            kept.doc_string = ""
            copy.attribute.append(kept)
        return copy

    def _tensor(self, value: Value) -> str:
        if value not in self._tensors:
            self._tensors[value] = self._constant(value)
        return self._tensors[value]

    def _constant(self, value: Value) -> str:
        from onnx import numpy_helper

        values = constant(value)
        assert values is not None
        key = (value.const_value.dtype, tuple(values.shape), values.tobytes())
        if key not in self._constant_of:
            self._constant_of[key] = f"constant_{len(self.constants)}"
            self.constants.append(numpy_helper.from_array(values, self._constant_of[key]))
        return self._constant_of[key]


def _end(value: Value, name: str) -> Any:
    """Return an input or output under its public name, with an open batch named "batch"."""
    import onnx

    sides = [side if isinstance(side, int) and side else BATCH for side in value.shape or ()]
    return onnx.helper.make_tensor_value_info(name, value.dtype, [BATCH, *sides[1:]])
