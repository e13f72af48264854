"""One way to write down an ONNX graph, so that the same network is the same bytes.

Converters name things with counters of their process and list them in the order of a hash table.
Here, nodes stand in the order in which the answer needs them and carry numbers in that order.
"""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import StepError

INPUT = "image"
OUTPUT = "probabilities"
BATCH = "batch"
GRAPH = 5
"""AttributeProto.GRAPH"""


class Links:
    """Who produces and who consumes a tensor of a graph, by name."""

    def __init__(self, graph: Any) -> None:
        self.producer: dict[str, Any] = {}
        self.consumers: dict[str, list[Any]] = {}
        self.constants: dict[str, Any] = {each.name: each for each in graph.initializer}
        for node in graph.node:
            for name in node.output:
                self.producer[name] = node
            for name in node.input:
                self.consumers.setdefault(name, []).append(node)

    def only_consumer(self, name: str) -> Any | None:
        """Return the one node that takes a tensor, None where there are more or none."""
        takers = self.consumers.get(name, [])
        return takers[0] if len(takers) == 1 else None

    def constant(self, name: str) -> NDArray[Any] | None:
        """Return the value of a constant, None where the tensor is computed."""
        from onnx import numpy_helper

        found = self.constants.get(name)
        return None if found is None else np.asarray(numpy_helper.to_array(found))


def set_constant(graph: Any, name: str, value: NDArray[Any]) -> None:
    """Give a constant of the graph a value, or add one."""
    from onnx import numpy_helper

    for each in graph.initializer:
        if each.name == name:
            each.CopyFrom(numpy_helper.from_array(value, name))
            return
    graph.initializer.append(numpy_helper.from_array(value, name))


def drop_unused_constants(graph: Any) -> None:
    """Take out constants that no node takes; ONNX Runtime would warn of each."""
    taken = {name for node in graph.node for name in node.input}
    kept = [each for each in graph.initializer if each.name in taken]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def canonical(model: Any, where: str, metadata: dict[str, str] | None = None) -> Any:
    """Return the model as the same ModelProto whatever process made it.

    Nodes that the answer does not need are left out, equal constants become one, and only the
    operator sets in use, the given metadata and the shapes of input and output are kept.
    """
    import onnx

    source = model.graph
    links = Links(source)
    nodes = _in_order(source, links, where)
    names = _Names(source, links)
    copies = [names.renamed(node) for node in nodes]
    graph = onnx.helper.make_graph(
        copies,
        "edgecv",
        [_end(source.input[0], INPUT)],
        [_end(source.output[0], OUTPUT)],
        initializer=names.constants,
    )
    domains = {node.domain for node in copies}
    result = onnx.helper.make_model(
        graph,
        producer_name="edgecv",
        ir_version=model.ir_version,
        opset_imports=[
            onnx.helper.make_opsetid(each.domain, each.version)
            for each in sorted(model.opset_import, key=lambda each: each.domain)
            if each.domain in domains
        ],
    )
    onnx.helper.set_model_props(result, dict(sorted((metadata or {}).items())))
    return result


def serialized(model: Any) -> bytes:
    """Return the bytes of a model, the same for the same content."""
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _in_order(graph: Any, links: Links, where: str) -> list[Any]:
    """Return the nodes that the output needs, each after those that it takes from."""
    done: set[int] = set()
    ordered: list[Any] = []
    waiting: list[tuple[Any, bool]] = [(links.producer[graph.output[0].name], False)]
    while waiting:  # Not recursive: networks are deeper than Python's stack.
        node, are_inputs_done = waiting.pop()
        if are_inputs_done:
            ordered.append(node)
            continue
        if id(node) in done:
            continue
        done.add(id(node))
        if any(attribute.type == GRAPH for attribute in node.attribute):
            raise StepError(where, f"the network branches or loops at run time ({node.op_type})")
        waiting.append((node, True))
        before = [links.producer[name] for name in node.input if name in links.producer]
        waiting.extend((each, False) for each in reversed(before))
    return ordered


class _Names:
    """New names for everything in a graph, given out in the order of use."""

    def __init__(self, graph: Any, links: Links) -> None:
        self.constants: list[Any] = []
        self._links = links
        self._nodes: Counter[str] = Counter()
        self._constant_of: dict[tuple[int, tuple[int, ...], bytes], str] = {}
        self._tensors = {graph.input[0].name: INPUT, graph.output[0].name: OUTPUT, "": ""}

    def renamed(self, node: Any) -> Any:
        """Return a copy of the node under its new name, with new names of tensors."""
        import onnx

        copy = onnx.NodeProto(op_type=node.op_type, domain=node.domain)
        copy.name = f"{node.op_type}_{self._nodes[node.op_type]}"
        self._nodes[node.op_type] += 1
        copy.input.extend(self._tensor(name) for name in node.input)
        for number, name in enumerate(node.output):
            if name not in self._tensors:
                self._tensors[name] = f"{copy.name}:{number}"
            copy.output.append(self._tensors[name])
        for attribute in sorted(node.attribute, key=lambda each: each.name):
            kept = copy.attribute.add()
            kept.CopyFrom(attribute)
            kept.doc_string = ""
        return copy

    def _tensor(self, name: str) -> str:
        if name in self._links.constants and name not in self._tensors:
            self._tensors[name] = self._constant(name)
        return self._tensors[name]

    def _constant(self, name: str) -> str:
        from onnx import numpy_helper

        value = numpy_helper.to_array(self._links.constants[name])
        data_type = self._links.constants[name].data_type
        key = (data_type, tuple(value.shape), value.tobytes())
        if key not in self._constant_of:
            self._constant_of[key] = f"constant_{len(self.constants)}"
            self.constants.append(numpy_helper.from_array(value, self._constant_of[key]))
        return self._constant_of[key]


def _end(value: Any, name: str) -> Any:
    """Return an input or output under its public name, with an open batch called "batch"."""
    import onnx

    kind = value.type.tensor_type
    shape = [each.dim_value or BATCH for each in kind.shape.dim]
    return onnx.helper.make_tensor_value_info(name, kind.elem_type, [BATCH, *shape[1:]])
