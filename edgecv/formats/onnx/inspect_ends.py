"""The inputs and outputs of an ONNX model, and its producer."""

import math

from edgecv.formats.contents import End
from edgecv.formats.dtypes import SMALL_INTEGERS
from edgecv.formats.onnx.checked_graph import LONGEST_NAME, CheckedGraph, small_numbers
from edgecv.formats.onnx.checked_tensors import TensorShape
from edgecv.formats.onnx.graph import input_of
from edgecv.formats.onnx.graph_types import Node

SCALE_OF_FIRST = {"QLinearConv": 1, "QLinearMatMul": 1, "QGemm": 1, "DequantizeLinear": 1}
"""The number of the input that is the scale of the first input; the zero point is the next."""
SCALE_OF_OUTPUT = {"QLinearConv": 6, "QLinearMatMul": 6, "QGemm": 7, "QuantizeLinear": 1}

ScaleAndZero = tuple[float, int] | tuple[None, None]


def input_end(file: CheckedGraph, name: str) -> End:
    """Describe an input of the model."""
    value = next(each for each in file.graph.inputs if each.name == name)
    nodes = [use.node for use in value.uses()]
    places = {SCALE_OF_FIRST.get(node.op_type, 0) * (node.inputs[0] is value) for node in nodes}
    place = places.pop() if len(places) == 1 else 0
    quantization = _quantization(nodes[0], place) if place else (None, None)
    return _end(file, name, file.inputs[name], "input", quantization)


def output_end(file: CheckedGraph, name: str) -> End:
    """Describe an output of the model."""
    maker = next(each for each in file.graph.outputs if each.name == name).producer()
    place = 0 if maker is None else SCALE_OF_OUTPUT.get(maker.op_type, 0)
    quantization = _quantization(maker, place) if place else (None, None)
    return _end(file, name, file.outputs[name], "output", quantization)


def facts(file: CheckedGraph) -> dict[str, str]:
    """Return the producer of a model, and the operator sets that it needs."""
    model = file.model
    found = {"ir version": str(model.ir_version)}
    sets = [f"{each.domain or 'ai.onnx'} {each.version}" for each in model.opset_import]
    if sets:
        found["operator sets"] = ", ".join(sets)
    if made_by := f"{model.producer_name} {model.producer_version}".strip():
        found["made by"] = made_by
    return {key: text[:LONGEST_NAME] for key, text in found.items()}


def _end(
    file: CheckedGraph, name: str, value: TensorShape, kind: str, quantization: ScaleAndZero
) -> End:
    # edgecv's metadata is about pixels; the graph may take them minus 128.
    declared = _declared(file, kind) if value.type in SMALL_INTEGERS else (None, None)
    scale, zero_point = quantization if declared[0] is None else declared
    return End(
        name=name[:LONGEST_NAME],
        shape=value.shape or (),
        type=value.type or "unknown",
        scale=scale,
        zero_point=zero_point,
        open_sides=value.open_sides,
        has_shape=value.shape is not None,
    )


def _quantization(node: Node, place: int) -> ScaleAndZero:
    scales, zero_points = (small_numbers(input_of(node, each)) for each in (place, place + 1))
    zero_points = zero_points or [0.0]
    if len(scales) == len(zero_points) == 1 and math.isfinite(scales[0]):
        return scales[0], int(zero_points[0])
    return None, None


def _declared(file: CheckedGraph, kind: str) -> ScaleAndZero:
    """Return the scale and zero point in edgecv's metadata."""
    found = {each.key: each.value for each in file.model.metadata_props}
    try:
        scale = float(found[f"edgecv.{kind}_scale"])
        return (
            (scale, int(found[f"edgecv.{kind}_zero_point"]))
            if math.isfinite(scale)
            else (None, None)
        )
    except (KeyError, ValueError):
        return None, None
