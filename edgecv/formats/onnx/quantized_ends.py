"""What ONNX Runtime does not say of a file: its quantized ends, and weights that lie elsewhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgecv.core.errors import RuntimeFailure
from edgecv.formats.tensors import one_line


def quantization_in(content: bytes, kind: str) -> tuple[float, int] | tuple[None, None]:
    """Return scale and zero point of the "input" or the "output", where the graph has them.

    All that takes the input dequantizes it in the same way, or what makes the output quantizes it.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.ModelProto.FromString(content).graph
    constants = {each.name: each for each in graph.initializer}
    constants |= {
        node.output[0]: attribute.t
        for node in graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    }
    if kind == "input":
        name = next(each.name for each in graph.input if each.name not in constants)
        nodes = [node for node in graph.node if name in node.input]
        operator = "DequantizeLinear"
    else:
        nodes = [node for node in graph.node if graph.output[0].name in node.output]
        operator = "QuantizeLinear"
    ends = {tuple(node.input[1:3]) if node.op_type == operator else () for node in nodes}
    found = ends.pop() if len(ends) == 1 else ()
    if not found or any(name not in constants for name in found):
        return None, None
    scale, *zero_point = (numpy_helper.to_array(constants[name]) for name in found)
    if any(each.size != 1 for each in (scale, *zero_point)):
        return None, None
    return float(scale.item()), int(zero_point[0].item()) if zero_point else 0


def refuse_external_data(path: Path, content: bytes) -> None:
    """Raise RuntimeFailure where some tensor of the file says that it lies in another file."""
    # A tensor that lies in another file says where with the key "location", so the file has to
    # be read as protobuf, which takes 0.1 s, only where that word occurs.
    if b"location" not in content:
        return
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError as error:
        raise RuntimeFailure(str(path), f"is not an ONNX file: {one_line(error)}") from None
    for message in _messages(model):
        if isinstance(message, onnx.TensorProto) and (
            message.external_data or message.data_location == onnx.TensorProto.EXTERNAL
        ):
            raise RuntimeFailure(
                str(path),
                f'its weights "{message.name}" are in another file',
                accepted="one file that holds everything",
                remedy="save it with onnx.save(..., save_as_external_data=False)",
            )


def _messages(message: Any) -> Iterator[Any]:
    yield message
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None:
            for inner in value if descriptor.is_repeated else [value]:
                yield from _messages(inner)
