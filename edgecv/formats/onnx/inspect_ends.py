"""The inputs and outputs of an ONNX model, and who made it."""

import math
from typing import Any

from edgecv.formats.contents import End
from edgecv.formats.dtypes import SMALL_INTEGERS
from edgecv.formats.onnx.integer_operators import Links
from edgecv.formats.onnx.tables import LONGEST_NAME, Tables, Value

SCALE_OF_FIRST = {"QLinearConv": 1, "QLinearMatMul": 1, "QGemm": 1, "DequantizeLinear": 1}
"""Which input of an operator is the scale of its first input; the zero point is the next."""
SCALE_OF_OUTPUT = {"QLinearConv": 6, "QLinearMatMul": 6, "QGemm": 7, "QuantizeLinear": 1}

Quantization = tuple[float, int] | tuple[None, None]


def input_end(tables: Tables, links: Links, name: str) -> End:
    """Describe an input of the model."""
    takers = links.consumers.get(name, [])
    places = {SCALE_OF_FIRST.get(each.op_type, 0) * (each.input[0] == name) for each in takers}
    place = places.pop() if len(places) == 1 else 0
    quantization = _quantization(tables, takers[0], place) if place else (None, None)
    return _end(tables, name, tables.inputs[name], "input", quantization)


def output_end(tables: Tables, links: Links, name: str) -> End:
    """Describe an output of the model."""
    maker = links.producer.get(name)
    place = 0 if maker is None else SCALE_OF_OUTPUT.get(maker.op_type, 0)
    quantization = _quantization(tables, maker, place) if place else (None, None)
    return _end(tables, name, tables.outputs[name], "output", quantization)


def facts(tables: Tables) -> dict[str, str]:
    """Say who made a model, and which operator sets it needs."""
    model = tables.model
    found = {"ir version": str(model.ir_version)}
    sets = [f"{each.domain or 'ai.onnx'} {each.version}" for each in model.opset_import]
    if sets:
        found["operator sets"] = ", ".join(sets)
    if made_by := f"{model.producer_name} {model.producer_version}".strip():
        found["made by"] = made_by
    return {key: text[:LONGEST_NAME] for key, text in found.items()}


def _end(tables: Tables, name: str, value: Value, kind: str, quantization: Quantization) -> End:
    # What edgecv says beside a graph is about pixels; the graph may count them from 128.
    declared = _declared(tables, kind) if value.type in SMALL_INTEGERS else (None, None)
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


def _quantization(tables: Tables, node: Any, place: int) -> Quantization:
    inputs = [*node.input, "", ""]
    scales, zero_points = (
        tables.numbers(tables.constants.get(name)) for name in inputs[place : place + 2]
    )
    zero_points = zero_points or [0.0]
    if len(scales) == len(zero_points) == 1 and math.isfinite(scales[0]):
        return scales[0], int(zero_points[0])
    return None, None


def _declared(tables: Tables, kind: str) -> Quantization:
    """Return the scale that edgecv writes beside a graph."""
    found = {each.key: each.value for each in tables.model.metadata_props}
    try:
        scale = float(found[f"edgecv.{kind}_scale"])
        return (
            (scale, int(found[f"edgecv.{kind}_zero_point"]))
            if math.isfinite(scale)
            else (None, None)
        )
    except (KeyError, ValueError):
        return None, None
