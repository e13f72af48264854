"""Lossless packing of ONNX files: short names, equal constants once, no notes of converters.

Nodes, their attributes and all values keep their order and their bits.
"""

from collections.abc import Iterator
from typing import Any

from edgecv.formats.onnx.canonical import serialized
from edgecv.formats.onnx.graph import CONVERSIONS, OWN_DOMAINS
from edgecv.formats.onnx.graph_types import ModelProto
from edgecv.formats.packing import Packed, UnknownStructure

NOTES = ("doc_string", "metadata_props")
"""Fields of graphs, nodes and values that no runtime needs; a model's metadata are its own."""


def packed(content: bytes, *, keep_names: bool = False) -> Packed:
    """Return a packed file. Raises UnknownStructure for one that must stay as it is."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model, before = onnx.load_from_string(content), onnx.load_from_string(content)
    except DecodeError:
        raise UnknownStructure("cannot be read") from None
    _check(model)
    result = Packed()
    _drop_notes(model, result)
    constants = _share_constants(model)
    names = {} if keep_names else _short_names(model)
    _rename(model.graph, constants, names)
    result.names.append({names[each]: each for each in names})
    result.content = serialized(model)
    if not _is_same(before, onnx.load_from_string(result.content)):
        raise UnknownStructure("would be another network: please report it")
    return result


def _check(model: ModelProto) -> None:
    """Raise UnknownStructure where a name may be used elsewhere than in the main graph."""
    import onnx

    if model.functions or model.training_info:
        raise UnknownStructure("has functions of its own, or a training")
    if model.graph.sparse_initializer or model.graph.quantization_annotation:
        raise UnknownStructure("has sparse weights, or notes on quantization")
    kinds = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)
    if any(each.type in kinds for node in model.graph.node for each in node.attribute):
        raise UnknownStructure("branches or loops at run time")
    if any(each.data_location == onnx.TensorProto.EXTERNAL for each in model.graph.initializer):
        raise UnknownStructure("keeps weights in another file")


def _drop_notes(model: ModelProto, result: Packed) -> None:
    """Leave out texts and shapes that a runtime finds itself."""
    graph = model.graph
    texts = 0
    for each in _messages(model):
        for field in NOTES:
            if each is not model or field != "metadata_props":
                texts += bool(getattr(each, field, ()))
                if hasattr(each, field):
                    each.ClearField(field)
    if texts:
        result.dropped.append(f"texts of {texts} parts")
    # ONNX Runtime does not find the shapes of other makers' operators.
    if graph.value_info and not any(node.domain for node in graph.node):
        result.dropped.append(f"the shapes of {len(graph.value_info)} inner tensors")
        graph.ClearField("value_info")
    used = {node.domain or "" for node in graph.node}
    kept = [each for each in model.opset_import if each.domain in (*used, *OWN_DOMAINS)]
    if len(kept) < len(model.opset_import):
        result.dropped.append("operator sets that no node uses")
        del model.opset_import[:]
        model.opset_import.extend(kept)


def _messages(model: ModelProto) -> Iterator[Any]:
    graph = model.graph
    yield from (model, graph, *graph.input, *graph.output, *graph.value_info)
    yield from (*graph.initializer, *graph.node)
    for node in graph.node:
        yield from node.attribute


def _share_constants(model: ModelProto) -> dict[str, str]:
    """Keep equal constants once, none without a use; return the name of each that is left out."""
    import onnx

    graph = model.graph
    used = {name for node in graph.node for name in node.input}
    open_names = {each.name for each in (*graph.input, *graph.output)}
    first: dict[Any, str] = {}
    instead, kept = {}, []
    for each in graph.initializer:
        if each.name not in open_names:
            if each.name not in used:
                continue
            if each.data_type in _plain_types() and not each.raw_data:
                values = onnx.numpy_helper.to_array(each)
                each.CopyFrom(onnx.numpy_helper.from_array(values, each.name))
            same = first.setdefault(_constant(each), each.name)
            if same != each.name:
                instead[each.name] = same
                continue
        kept.append(each)
    kept = [_copy(each) for each in kept]
    graph.ClearField("initializer")
    graph.initializer.extend(kept)
    return instead


def _copy(tensor: Any) -> Any:
    copy = type(tensor)()
    copy.CopyFrom(tensor)
    return copy


def _plain_types() -> tuple[int, ...]:
    from onnx import TensorProto as Types

    return (Types.FLOAT, Types.DOUBLE, Types.INT8, Types.UINT8, Types.INT32, Types.INT64)


def _short_names(model: ModelProto) -> dict[str, str]:
    """Return new names of inner tensors: the name of the node, or a number."""
    graph = model.graph
    ends = {each.name for each in (*graph.input, *graph.output)}
    inner: dict[str, str] = {each.name: "" for each in graph.initializer}
    for node in graph.node:
        is_conversion = node.op_type in CONVERSIONS
        for number, name in enumerate(node.output):
            if name:
                inner[name] = "" if number or is_conversion else node.name
    found, taken = {}, {*ends, ""}
    for number, (name, wanted) in enumerate(inner.items()):
        if name not in ends:
            short = wanted or str(number)
            while short in taken:
                short += f":{number}"
            found[name] = short
            taken.add(short)
    return found


def _rename(graph: Any, constants: dict[str, str], names: dict[str, str]) -> None:
    for each in (*graph.initializer, *graph.value_info):
        each.name = names.get(each.name, each.name)
    for node in graph.node:
        for ends in (node.input, node.output):
            for number, name in enumerate(ends):
                name = constants.get(name, name)
                ends[number] = names.get(name, name)
        if names and node.op_type in CONVERSIONS and node.output:
            node.name = node.output[0]


def _is_same(before: ModelProto, after: ModelProto) -> bool:
    """Return True if two models have the same nodes over the same values."""
    return _network(before) == _network(after)


def _network(model: ModelProto) -> list[Any]:
    """Return the nodes of a model; an input is a constant's values, or the place it is made at."""
    graph = model.graph
    open_names = {each.name for each in (*graph.input, *graph.output)}
    ends: dict[str, Any] = {name: name for name in open_names}
    for each in graph.initializer:
        if each.name not in open_names:
            ends[each.name] = _constant(each)
    found: list[Any] = [
        [_bare(each) for each in (*graph.input, *graph.output)],
        [_bare(each) for each in graph.initializer if each.name in open_names],
        [(each.key, each.value) for each in model.metadata_props],
        (model.ir_version, model.producer_name, graph.name),
        sorted(each.version for each in model.opset_import if each.domain in OWN_DOMAINS),
    ]
    for place, node in enumerate(graph.node):
        taken = [ends[name] if name else None for name in node.input]
        made = []
        for number, name in enumerate(node.output):
            made.append(ends.setdefault(name, (place, number)) if name else None)
        found.append((node.op_type, node.domain, taken, made, list(map(_bare, node.attribute))))
    return found


def _constant(tensor: Any) -> Any:
    """Return type, shape and values of a constant, however they are stored."""
    import onnx

    if tensor.data_type in _plain_types():
        values = onnx.numpy_helper.to_array(tensor)
        return tensor.data_type, values.shape, values.tobytes()
    copy = _copy(tensor)
    copy.ClearField("name")
    return copy.SerializeToString(deterministic=True)


def _bare(message: Any) -> bytes:
    copy = _copy(message)
    for field in NOTES:
        if hasattr(copy, field):
            copy.ClearField(field)
    content: bytes = copy.SerializeToString(deterministic=True)
    return content
