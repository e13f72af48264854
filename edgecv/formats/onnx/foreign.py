"""Foreign ONNX models: what can be adapted, and the proof that it takes any number of images."""

import numpy as np

from edgecv.core.data import Shape
from edgecv.core.errors import InputError, StepError
from edgecv.core.text import first_line
from edgecv.formats.onnx.canonical import INPUT, serialized
from edgecv.formats.onnx.graph import OWN_DOMAINS, read_model
from edgecv.formats.onnx.graph_types import Graph, Model, ModelProto

OPSET = 17
"""The operator set that older models are converted to: one scale per channel needs 13."""
IR_VERSION = 8
SAME_ALONE = 1e-2
"""The largest difference of an answer for an image alone, as a fraction: other orders of sums."""
INTEGERS = (
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "QLinearConv",
    "ConvInteger",
    "MatMulInteger",
)
NOT_FLOAT32 = ("FLOAT16", "DOUBLE", "BFLOAT16")


def in_this_version(model: ModelProto, where: str) -> Model:
    """Return a ModelProto as an onnx-ir model with an operator set that can be quantized."""
    import onnx
    from onnx import version_converter

    graph = model.graph
    constants = {each.name for each in graph.initializer}
    inputs = [each for each in graph.input if each.name not in constants]
    del graph.input[:]  # Until IR version 4, weights were inputs too.
    graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, IR_VERSION)
    for each in (*model.opset_import, *graph.node):
        each.domain = "" if each.domain in OWN_DOMAINS else each.domain
    opset = {each.domain: each.version for each in model.opset_import}.get("", 1)
    try:
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
        if opset < OPSET:
            model = version_converter.convert_version(model, OPSET)
    except Exception as error:  # its errors have no other common base class
        raise StepError(
            where,
            f"cannot be brought from operator set {opset} to {OPSET}: {first_line(error)}",
            remedy=f"export the model again with operator set {OPSET}",
        ) from error
    if model.graph.sparse_initializer:
        raise StepError(where, "holds sparse weights", accepted="dense weights")
    try:
        return read_model(model)
    except RuntimeError as error:  # the base class of onnx-ir's errors
        raise StepError(where, f"is a damaged ONNX file: {first_line(error)}") from error


def check_graph(graph: Graph, where: str) -> None:
    """Raise an error for a graph that is quantized, holds 64 bits, or computes nothing."""
    if found := sorted({node.op_type for node in graph if node.op_type in INTEGERS}):
        raise InputError(
            where,
            f"is quantized already: it has {', '.join(found)}",
            accepted="float32 models",
            remedy="give the model that it was made of, or measure it with edgecv validate",
        )
    if any(each.dtype.name in NOT_FLOAT32 for each in graph.initializers.values()):
        raise StepError(
            where,
            "holds weights of 64 bits",
            accepted="weights of 32 or 16 bits",
            remedy="export the model again as float32",
        )
    for each in graph.outputs:
        if each.producer() is None:
            raise StepError(where, f'computes nothing: its output "{each.name}" is no operator\'s')


def check_batch(model: ModelProto, shape: Shape, where: str) -> None:
    """Raise StepError if the graph takes only one image at a time."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    two = np.random.default_rng(0).integers(0, 256, (2, *shape)).astype(np.float32)
    try:
        session = onnxruntime.InferenceSession(
            serialized(model), options, providers=["CPUExecutionProvider"]
        )
        answers, alone = (session.run(None, {INPUT: images}) for images in (two, two[:1]))
    except Exception as error:  # ONNX Runtime's errors have no base class of their own
        raise StepError(
            where,
            f"cannot be made to take any number of images: {first_line(error)}",
            remedy="export the model again with an open batch",
        ) from error
    for output, answer, one in zip(session.get_outputs(), answers, alone, strict=True):
        most = SAME_ALONE * np.abs(one).max(initial=0)
        if len(answer) != len(two) or not np.allclose(answer[:1], one, SAME_ALONE, most):
            found = (
                f"is {list(answer.shape)} for two images"
                if len(answer) != len(two)
                else "is another one for an image alone than for the same image beside another"
            )
            raise StepError(
                where,
                f'its output "{output.name}" {found}',
                accepted="an answer for each image",
                remedy="export the model again with an open batch",
            )
