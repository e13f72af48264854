"""Inputs and outputs of a session of ONNX Runtime, with the scales of their integers."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from edgecv.core.artifact import TensorFacts
from edgecv.core.errors import RuntimeFailure
from edgecv.core.text import first_line
from edgecv.formats.onnx.conversions import quantization_in
from edgecv.formats.onnx.graph import DamagedGraph, ForeignValues
from edgecv.formats.onnx.session import tensor_of

INTEGERS = ("uint8", "int8", "uint16", "int16")
"""Types that stand for real numbers where a file says their scale."""


def ends_of(
    session: Any, content: bytes, path: Path, kind: Literal["input", "output"]
) -> list[TensorFacts]:
    """Return the facts of a session's inputs or outputs.

    Scale and zero point of integers are those of the file's metadata, ``edgecv.input_scale`` and
    ``edgecv.input_zero_point``, with the name behind them where there are several; without these,
    those of the operator that dequantizes an input or quantizes an output.
    """
    tensors = session.get_inputs() if kind == "input" else session.get_outputs()
    found = [tensor_of(each) for each in tensors]
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    ends = [f".{each.name}" if len(found) > 1 else "" for each in found]
    declared = [_declared(path, kind, end, metadata) for end in ends]
    pairs = zip(found, declared, strict=True)
    return [_with_scale(tensor, kind, content, *each) for tensor, each in pairs]


def _with_scale(
    tensor: TensorFacts, kind: str, content: bytes, scale: float | None, zero_point: int | None
) -> TensorFacts:
    """Return a tensor with the scale that its file declares, or that of an operator."""
    if tensor.type not in INTEGERS:
        return tensor
    if scale is None:
        try:
            scale, zero_point = quantization_in(content, kind, tensor.name)
        except (DamagedGraph, ForeignValues):
            return tensor  # ONNX Runtime has opened it all the same.
    return replace(tensor, scale=scale, zero_point=zero_point)


def _declared(
    path: Path, kind: str, end: str, metadata: dict[str, str]
) -> tuple[float, int] | tuple[None, None]:
    scale_key, zero_point_key = f"edgecv.{kind}_scale{end}", f"edgecv.{kind}_zero_point{end}"
    if scale_key not in metadata:
        return None, None
    try:
        return float(metadata[scale_key]), int(metadata.get(zero_point_key, "0"))
    except ValueError as error:
        raise RuntimeFailure(
            str(path), f"its metadata {scale_key} or {zero_point_key} is wrong: {first_line(error)}"
        ) from None
