"""Checks of an exported ONNX model: it is valid, has the types asked for, and runs as integers."""

import tempfile
from pathlib import Path

import numpy as np

from edgecv.core.errors import StepError
from edgecv.core.text import counted, first_line, listed
from edgecv.formats.export_checks import SHOWN
from edgecv.formats.kernel_layout import StoredKernel
from edgecv.formats.onnx.canonical import serialized
from edgecv.formats.onnx.conversions import quantization_of, stored_constant
from edgecv.formats.onnx.graph import (
    FLOAT_KERNELS,
    FUSED,
    INT8_SHIFT,
    INTEGER_KERNELS,
    KERNELS,
    RECURRENT,
)
from edgecv.formats.onnx.graph_types import ModelProto, Node, Value
from edgecv.formats.onnx.plain_pixels import read_in_pixels
from edgecv.formats.onnx.session import write_optimized

BLOCKS = "the first convolution takes blocks of pixels: the same numbers, sooner"


def prove_float(model: ModelProto, where: str) -> None:
    """Raise StepError if the model is not valid ONNX, or quantizes."""
    check_valid(model, where)
    quantized = [node.name for node in model.graph.node if node.op_type == "QuantizeLinear"]
    if quantized:
        found = f"it quantizes in {counted(len(quantized), 'operator')}: {listed(quantized, SHOWN)}"
        remedy = "a model that was trained with quantization is exported as int8"
        raise StepError(where, f"float32 was asked for; {found}", remedy=remedy)


def prove_integer(model: ModelProto, where: str) -> tuple[str, ...]:
    """Return notes on the layers that ONNX Runtime will not run as integers.

    Raises StepError if a weight is not int8, a layer takes or gives floats, or none will be
    run as integers. Recurrent layers, which ONNX has no integers for, are left as they are.
    """
    check_valid(model, where)
    found = read_in_pixels(model)
    nodes = list(found.graph)
    floats = [node.name for node in nodes if node.op_type in KERNELS and not _is_integer(node)]
    if floats:
        raise StepError(
            where,
            f"int8 was asked for; {counted(len(floats), 'operator')} came back float32:"
            f" {listed(floats, SHOWN)}",
            remedy="replace these layers, or choose the tflite format",
        )
    notes = count_kernels(model, where)
    if found.had_blocks:
        notes = (*notes, BLOCKS)
    if left := [node.name for node in nodes if node.op_type in RECURRENT]:
        text = (
            f"left in float32, as ONNX has no integers for recurrent layers: {listed(left, SHOWN)}"
        )
        return (*notes, text)
    return notes


def check_valid(model: ModelProto, where: str) -> None:
    """Raise StepError if the model is not valid ONNX."""
    import onnx

    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise StepError(where, f"the converted model is not valid: {first_line(error)}") from error


def kernels_in(model: ModelProto) -> list[StoredKernel]:
    """Return the weights of each layer as they are stored, in the order of the file."""
    found = [
        (node, stored)
        for node in read_in_pixels(model).graph
        if node.op_type in KERNELS and (stored := stored_constant(node.inputs[1])) is not None
    ]
    return [
        StoredKernel(weights)
        if quantization is None
        else StoredKernel(
            weights, tuple(map(float, quantization.scales.ravel())), *_output_of(node)
        )
        for node, (weights, quantization) in found
    ]


def _output_of(node: Node) -> tuple[float | None, int | None]:
    """Return scale and zero point, as of uint8, of a layer's output; None if it is float."""
    for taker in _consumers(node.outputs[0]):
        found = quantization_of(taker) if taker.op_type == "QuantizeLinear" else None
        if found is not None and found.is_one:
            shift = INT8_SHIFT if found.zero_points.dtype == np.int8 else 0
            return float(found.scales.item()), int(found.zero_points.item()) + shift
    return None, None


def _is_integer(node: Node) -> bool:
    """Return True if a layer takes and gives quantized tensors, and its weights are int8."""
    makers = [None if each is None else each.producer() for each in node.inputs]
    if any(maker is None or maker.op_type != "DequantizeLinear" for maker in makers):
        return False
    stored = stored_constant(node.inputs[1])
    if stored is not None and stored[0].dtype != np.int8:
        return False
    takers = _consumers(node.outputs[0])
    return bool(takers) and all(taker.op_type == "QuantizeLinear" for taker in takers)


def _consumers(value: Value) -> list[Node]:
    """Return the nodes that take a tensor, behind the activations that quantization fuses."""
    found = []
    for use in value.uses():
        is_fused = use.node.op_type in FUSED
        found += _consumers(use.node.outputs[0]) if is_fused else [use.node]
    return found


def count_kernels(model: ModelProto, where: str) -> tuple[str, ...]:
    """Return a note on the layers that ONNX Runtime runs in float32. Raises StepError if all."""
    nodes = _optimised(model, where).graph.node
    integers = [node.name for node in nodes if node.op_type in INTEGER_KERNELS]
    floats = [node.name for node in nodes if node.op_type in FLOAT_KERNELS]
    if not integers:
        raise StepError(
            where,
            f"ONNX Runtime would run all of its {counted(len(floats), 'layer')} in float32",
            remedy="choose float32, or the tflite format",
        )
    if not floats:
        return ()
    return (
        f"ONNX Runtime runs {len(floats)} of {counted(len(floats) + len(integers), 'layer')} in"
        f" float32 on this machine: {listed(floats, SHOWN)}",
    )


def _optimised(model: ModelProto, where: str) -> ModelProto:
    import onnx

    with tempfile.TemporaryDirectory(prefix="edgecv-onnx-") as folder:
        path = Path(folder) / "optimised.onnx"
        try:
            write_optimized(serialized(model), path, "all")
        except Exception as error:  # ONNX Runtime's errors have no base class of their own
            raise StepError(where, f"ONNX Runtime refused it: {first_line(error)}") from error
        return onnx.load(path)
