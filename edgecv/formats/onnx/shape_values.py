"""Shapes that a graph computes from its own shapes, found where onnx's inference stops.

Exporters write Flatten as Shape, Gather, Concat and Reshape. Such numbers are computed by onnx's
reference evaluator and given to the inference as constants, until nothing more becomes known.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.text import first_line
from edgecv.formats.onnx.graph import OWN_DOMAINS
from edgecv.formats.onnx.graph_types import ModelProto

OPERATORS = frozenset(
    """
    Shape Gather Slice Concat Squeeze Unsqueeze Cast Identity Reshape Transpose Add Sub Mul Div
    Mod Neg Min Max ReduceProd Floor Ceil Equal Less Greater Where Split
    """.split()
)
"""Operators on small numbers, whose results are no larger than what enters them."""
MOST_ELEMENTS = 1024
MOST_ROUNDS = 16
"""A graph of many reshapes makes one more of them known in each round."""

Numbers = dict[str, NDArray[Any]]


def inferred_shapes(model: ModelProto) -> tuple[ModelProto, list[str]]:
    """Return a copy of a model with the shapes that can be inferred, and errors, a line each.

    Nodes that compute small numbers are constants in the copy.
    """
    from onnx import shape_inference

    inferred, errors = model, []
    try:
        inferred = shape_inference.infer_shapes(model, data_prop=True)
        inferred = _with_computed_shapes(model, inferred)
    except Exception as error:  # noqa: BLE001  of onnx's own kinds; what was found remains
        errors = [first_line(error)]
    return inferred, errors


def _with_computed_shapes(model: ModelProto, inferred: ModelProto) -> ModelProto:
    from onnx import shape_inference

    known = _stored_numbers(model)
    for _ in range(MOST_ROUNDS):
        found = _computed(inferred, known)
        if not found:
            return inferred
        known |= found
        inferred = shape_inference.infer_shapes(_with_constants(model, known), data_prop=True)
    return inferred


def _stored_numbers(model: ModelProto) -> Numbers:
    """Return the small constants of a model that hold values."""
    from onnx import numpy_helper

    tensors = {each.name: each for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            values = [each.t for each in node.attribute if each.name == "value"]
            tensors |= zip(node.output, values, strict=False)
    return {
        name: numpy_helper.to_array(tensor)
        for name, tensor in tensors.items()
        if np.prod(tensor.dims, dtype=float) <= MOST_ELEMENTS and not _is_elsewhere(tensor)
    }


def _is_elsewhere(tensor: Any) -> bool:
    return tensor.data_location == type(tensor).EXTERNAL or bool(tensor.external_data)


def _computed(model: ModelProto, known: Mapping[str, NDArray[Any]]) -> Numbers:
    """Return the numbers that nodes compute from known ones and from known shapes."""
    shapes = {
        each.name: [side.dim_value for side in each.type.tensor_type.shape.dim]
        for each in (*model.graph.value_info, *model.graph.input)
        if each.type.tensor_type.HasField("shape")
        and all(side.HasField("dim_value") for side in each.type.tensor_type.shape.dim)
    }
    found: Numbers = {}
    for node in model.graph.node:
        is_one = len(node.output) == 1 and node.output[0] not in known
        if node.op_type not in OPERATORS or node.domain not in OWN_DOMAINS or not is_one:
            continue
        everything = {**known, **found}
        if node.op_type == "Shape":
            value = _sides(node, shapes.get(node.input[0]))
        elif all(name in everything for name in node.input if name):
            value = _evaluated(model, node, {n: everything[n] for n in node.input if n})
        else:
            continue
        if value is not None and value.size <= MOST_ELEMENTS:
            found[node.output[0]] = value
    return found


def _sides(node: Any, shape: Sequence[int] | None) -> NDArray[Any] | None:
    ends = {each.name: each.i for each in node.attribute}
    return None if shape is None else np.array(shape, np.int64)[ends.get("start") : ends.get("end")]


def _evaluated(model: ModelProto, node: Any, taken: Numbers) -> NDArray[Any] | None:
    """Return what one node computes; None if the evaluator cannot say it."""
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    ends = [
        [helper.make_value_info(name, helper.make_tensor_type_proto(0, None)) for name in names]
        for names in (taken, node.output)
    ]
    alone = helper.make_model(
        helper.make_graph([node], "alone", *ends), opset_imports=model.opset_import
    )
    try:
        (value,) = ReferenceEvaluator(alone).run(None, taken)
    except Exception:  # noqa: BLE001  numpy's and onnx's own, of a node that contradicts itself
        return None
    return value if isinstance(value, np.ndarray) else np.asarray(value)


def _with_constants(model: ModelProto, known: Numbers) -> ModelProto:
    """Return a copy of a model with constants in place of the nodes that compute known numbers."""
    from onnx import helper, numpy_helper

    copy = type(model)()
    copy.CopyFrom(model)
    for node in copy.graph.node:
        if len(node.output) == 1 and node.output[0] in known and node.op_type != "Constant":
            tensor = numpy_helper.from_array(np.asarray(known[node.output[0]]))
            constant = helper.make_node("Constant", [], [node.output[0]], node.name, value=tensor)
            node.CopyFrom(constant)
    return copy
