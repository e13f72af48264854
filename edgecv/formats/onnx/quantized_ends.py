"""Facts of a file that ONNX Runtime does not give: its quantized ends, and external weights."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgecv.core.errors import RuntimeFailure
from edgecv.formats.onnx.graph import image_input, quantization_of, read_model
from edgecv.formats.tensors import one_line


def quantization_in(content: bytes, kind: str) -> tuple[float, int] | tuple[None, None]:
    """Return scale and zero point of the "input" or the "output", where the graph has them.

    All that takes the input dequantizes it in the same way, or what makes the output quantizes it.
    """
    graph = read_model(content).graph
    if kind == "input":
        nodes = [use.node for use in image_input(graph).uses()]
        operator = "DequantizeLinear"
    else:
        nodes = [graph.outputs[0].producer()]
        operator = "QuantizeLinear"
    if any(node is None or node.op_type != operator for node in nodes):
        return None, None
    ends = {node.inputs[1:]: node for node in nodes}
    found = quantization_of(ends.popitem()[1]) if len(ends) == 1 else None
    if found is None or not found.is_one:
        return None, None
    return float(found.scales.item()), int(found.zero_points.item())


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
