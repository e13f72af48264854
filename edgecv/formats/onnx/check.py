"""Checks an ONNX model: is it valid, are the types those asked for, will integers be run."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.core.errors import StepError
from edgecv.formats.export_checks import first_line, listed
from edgecv.formats.exported_layers import StoredKernel
from edgecv.formats.onnx.canonical import Links, serialized

KERNELS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
INTEGER_KERNELS = (
    "QLinearConv",
    "QLinearMatMul",
    "QGemm",
    "ConvInteger",
    "MatMulInteger",
    "MatMulIntegerToFloat",
    "DynamicQuantizeMatMul",
)
FLOAT_KERNELS = (
    "Conv",
    "FusedConv",
    "NhwcFusedConv",
    "ConvTranspose",
    "Gemm",
    "FusedGemm",
    "MatMul",
    "FusedMatMul",
)
ERRORS_ONLY = 3
INT8_SHIFT = 128


def prove_float(model: Any, where: str) -> None:
    """Raise StepError where the model is not valid ONNX, or quantizes."""
    _check_valid(model, where)
    quantized = [node.name for node in model.graph.node if node.op_type == "QuantizeLinear"]
    if quantized:
        raise StepError(
            where,
            f"float32 was asked for; {len(quantized)} operators quantize: {listed(quantized)}",
            remedy="a model that was trained with quantization is exported as int8",
        )


def prove_integer(model: Any, where: str) -> tuple[str, ...]:
    """Return sentences on what ONNX Runtime will run as integers, and what not.

    Raises StepError where a weight is not int8, a layer takes or gives floats, or none will be
    run as integers.
    """
    _check_valid(model, where)
    links = Links(model.graph)
    kernels = [node for node in model.graph.node if node.op_type in KERNELS]
    floats = [node.name for node in kernels if not _is_integer(node, links)]
    if floats:
        raise StepError(
            where,
            f"int8 was asked for; {len(floats)} operators came back float32: {listed(floats)}",
            remedy="replace these layers, or choose the tflite format",
        )
    return _count_kernels(model, where)


def _check_valid(model: Any, where: str) -> None:
    import onnx

    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise StepError(where, f"the converted model is not valid: {first_line(error)}") from error


def kernels_in(model: Any) -> list[StoredKernel]:
    """Return the weights of each layer as they are stored, in the order of the file."""
    links = Links(model.graph)
    kernels = []
    for node in model.graph.node:
        if node.op_type not in KERNELS:
            continue
        source = links.producer.get(node.input[1])
        if source is None or source.op_type != "DequantizeLinear":
            if (weights := links.constant(node.input[1])) is not None:
                kernels.append(StoredKernel(weights))
            continue
        weights, scales = (links.constant(name) for name in source.input[:2])
        if weights is not None and scales is not None:
            scale, zero_point = _output_of(node, links)
            kernels.append(
                StoredKernel(weights, tuple(map(float, scales.ravel())), scale, zero_point)
            )
    return kernels


def _output_of(node: Any, links: Links) -> tuple[float | None, int | None]:
    """Return how a layer's output is quantized: scale, and zero point as uint8."""
    for taker in _takers(node.output[0], links):
        if taker.op_type == "QuantizeLinear":
            scale, zero_point = (links.constant(name) for name in taker.input[1:3])
            if scale is not None and zero_point is not None:
                shift = INT8_SHIFT if zero_point.dtype == np.int8 else 0
                return float(scale), int(zero_point) + shift
    return None, None


def _is_integer(node: Any, links: Links) -> bool:
    """Tell whether a layer stands between integers, and its weights are int8."""
    sources = [links.producer.get(name) for name in node.input]
    if any(source is None or source.op_type != "DequantizeLinear" for source in sources):
        return False
    weights = links.constant(links.producer[node.input[1]].input[0])
    if weights is not None and weights.dtype != np.int8:
        return False
    takers = _takers(node.output[0], links)
    return bool(takers) and all(taker.op_type == "QuantizeLinear" for taker in takers)


def _takers(name: str, links: Links) -> list[Any]:
    """Return who takes a tensor, behind the activations that quantizing takes up into itself."""
    found = []
    for node in links.consumers.get(name, []):
        taken_up = node.op_type in ("Relu", "Clip")
        found += _takers(node.output[0], links) if taken_up else [node]
    return found


def _count_kernels(model: Any, where: str) -> tuple[str, ...]:
    """Let ONNX Runtime optimise the model as it will to run it, and look at what is left."""
    nodes = _optimised(model, where).graph.node
    integers = [node.name for node in nodes if node.op_type in INTEGER_KERNELS]
    floats = [node.name for node in nodes if node.op_type in FLOAT_KERNELS]
    if not integers:
        raise StepError(
            where,
            f"ONNX Runtime would run all of its {len(floats)} layers in float32",
            remedy="choose float32, or the tflite format",
        )
    if not floats:
        return ()
    return (
        f"ONNX Runtime runs {len(floats)} of {len(floats) + len(integers)} layers in float32 on"
        f" this machine: {listed(floats)}",
    )


def _optimised(model: Any, where: str) -> Any:
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    with tempfile.TemporaryDirectory(prefix="edgecv-onnx-") as folder:
        path = Path(folder) / "optimised.onnx"
        options.optimized_model_filepath = str(path)
        try:
            onnxruntime.InferenceSession(
                serialized(model), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's errors have no base class of their own
            raise StepError(where, f"ONNX Runtime refused it: {first_line(error)}") from error
        return onnx.load(path)
