"""A model of 16-bit floats as the same model of float32, which holds each of their values."""

from typing import Any

import numpy as np

from edgecv.core.errors import InputError
from edgecv.core.text import first_line
from edgecv.formats.onnx.external_data import messages
from edgecv.formats.onnx.graph_types import ModelProto

TYPE_ATTRIBUTES = ("to", "dtype", "output_dtype")
"""Attributes of operators that name a type."""
NAMES = ("FLOAT16", "BFLOAT16")


def content_in_float32(content: bytes, where: str) -> bytes:
    """Return an ONNX file's content with every 16-bit float as float32, as it is without any.

    Raises InputError where it is no ONNX file.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError as error:
        raise InputError(where, f"is not an ONNX file: {first_line(error)}") from None
    plain = in_float32(model)
    return content if plain is model else bytes(plain.SerializeToString(deterministic=True))


def in_float32(model: ModelProto) -> ModelProto:
    """Return the model with every 16-bit float as float32, the model itself if it has none."""
    from onnx import TensorProto, numpy_helper

    halves = {TensorProto.DataType.Value(name) for name in NAMES}
    if not any(_types_of(message, halves) for message in messages(model)):
        return model
    changed = type(model).FromString(model.SerializeToString())
    for message in messages(changed):
        kind = message.DESCRIPTOR.name
        if kind == "TensorProto" and message.data_type in halves:
            values = np.asarray(numpy_helper.to_array(message)).astype(np.float32)
            message.CopyFrom(numpy_helper.from_array(values, message.name))
        elif kind in ("Tensor", "SparseTensor") and message.elem_type in halves:
            message.elem_type = TensorProto.FLOAT
        elif kind == "AttributeProto" and message.name in TYPE_ATTRIBUTES and message.i in halves:
            message.i = TensorProto.FLOAT
    _remove_casts(changed)
    return changed


def _types_of(message: Any, halves: set[int]) -> bool:
    kind = message.DESCRIPTOR.name
    if kind == "TensorProto":
        return message.data_type in halves
    if kind == "AttributeProto":
        return message.name in TYPE_ATTRIBUTES and message.i in halves
    return kind in ("Tensor", "SparseTensor") and message.elem_type in halves


def _remove_casts(model: ModelProto) -> None:
    """Remove the casts from float32 to float32, which a quantizer would stop at."""
    from onnx import TensorProto, shape_inference

    graph = shape_inference.infer_shapes(model).graph
    infos = (*graph.value_info, *graph.input)
    floats = {each.name for each in infos if each.type.tensor_type.elem_type == TensorProto.FLOAT}
    floats |= {each.name for each in graph.initializer if each.data_type == TensorProto.FLOAT}
    outputs = {each.name for each in model.graph.output}
    renamed: dict[str, str] = {}
    kept = []
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        target = next((each.i for each in node.attribute if each.name == "to"), None)
        is_idle = node.op_type == "Cast" and target == TensorProto.FLOAT
        if is_idle and node.input[0] in floats and node.output[0] not in outputs:
            renamed[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    _rename_in_subgraphs(model, renamed)


def _rename_in_subgraphs(model: ModelProto, renamed: dict[str, str]) -> None:
    """Rename what nested graphs take from the graph around them; a function's names are its own."""
    for message in messages(model.graph):
        if renamed and message.DESCRIPTOR.name == "NodeProto":
            message.input[:] = [renamed.get(name, name) for name in message.input]
