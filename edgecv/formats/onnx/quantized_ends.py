"""Scale and zero point of an ONNX file's input and output, which ONNX Runtime does not give."""

from edgecv.formats.onnx.graph import image_input, quantization_of, read_model


def quantization_in(content: bytes, kind: str, name: str) -> tuple[float, int] | tuple[None, None]:
    """Return scale and zero point of the "input", or of an "output" by name; None without one.

    They are those of the DequantizeLinear nodes at the input, or the QuantizeLinear at the output.
    """
    graph = read_model(content).graph
    if kind == "input":
        nodes = [use.node for use in image_input(graph).uses()]
        operator = "DequantizeLinear"
    else:
        nodes = [each.producer() for each in graph.outputs if each.name == name]
        operator = "QuantizeLinear"
    if any(node is None or node.op_type != operator for node in nodes):
        return None, None
    ends = {node.inputs[1:]: node for node in nodes}
    found = quantization_of(ends.popitem()[1]) if len(ends) == 1 else None
    if found is None or not found.is_one:
        return None, None
    return float(found.scales.item()), int(found.zero_points.item())
