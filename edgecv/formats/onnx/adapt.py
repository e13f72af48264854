"""An ONNX model of another maker, made into what edgecv writes: pixels in, probabilities out.

Names, axes, pixels and the softmax are put into the graph; its layers stay as they are, so what
comes out is the float32 twin of what came in.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field

from edgecv.core.errors import StepError
from edgecv.core.options import Options
from edgecv.core.preprocessing import Preprocessing, affine_of
from edgecv.core.records import Shape
from edgecv.formats.export_checks import first_line
from edgecv.formats.onnx.canonical import (
    BATCH,
    INPUT,
    OUTPUT,
    Links,
    canonical,
    serialized,
    set_constant,
)
from edgecv.formats.onnx.prepare import attribute_of

OPSET = 17
"""What older models are brought to: scales a channel need 13."""
IR_VERSION = 8
ROW = 2
"""Axes of an answer that is one row of numbers for an image."""
GIVEN = "given"
CHANNELS_FIRST = [0, 3, 1, 2]
INTEGERS = (
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "QLinearConv",
    "ConvInteger",
    "MatMulInteger",
)


@dataclass(frozen=True)
class OnnxNetwork:
    """A network that arrived as ONNX: "image" (batch, H, W, C), 0..255 -> "probabilities"."""

    content: bytes
    shape: Shape

    @classmethod
    def at(cls, path: Path) -> Self:
        """Return the network in a file that ``adapted`` has made."""
        import onnx

        content = path.read_bytes()
        image = onnx.ModelProto.FromString(content).graph.input[0].type.tensor_type
        height, width, channels = (int(each.dim_value) for each in image.shape.dim[1:])
        return cls(content, (height, width, channels))

    def model(self) -> Any:
        """Return the float32 ModelProto."""
        import onnx

        return onnx.ModelProto.FromString(self.content)


class Ends(Options):
    """What is known of a foreign model's input and output, once a runtime has run it."""

    shape: Annotated[Shape, Field(strict=False)]
    classes: int
    channels_first: bool
    gives_logits: bool
    preprocess: Preprocessing


def adapted(path: Path, ends: Ends) -> tuple[bytes, int]:
    """Return the model in the file as edgecv writes models, and how many parameters it has.

    Raises StepError where it cannot be adapted.
    """
    import onnx

    where = str(path)
    model = _of_this_time(onnx.ModelProto.FromString(path.read_bytes()), where)
    _check(model.graph, where)
    is_row = len(model.graph.output[0].type.tensor_type.shape.dim) == ROW
    _name_ends(model.graph, ends)
    model = canonical(model, where)
    graph = model.graph
    floats = [each for each in graph.initializer if each.data_type == onnx.TensorProto.FLOAT]
    parameters = sum(int(np.prod(each.dims)) for each in floats)
    _open_batch(graph, Links(graph))
    _take_pixels(graph, ends, where)
    _give_probabilities(graph, ends, is_row=is_row)
    onnx.helper.set_model_props(model, {})
    result = canonical(model, where)
    _check_batch(result, ends.shape, where)
    return serialized(result), parameters


def _of_this_time(model: Any, where: str) -> Any:
    """Return the model with an operator set that can be quantized, constants as constants."""
    import onnx
    from onnx import version_converter

    graph = model.graph
    constants = {each.name for each in graph.initializer}
    inputs = [each for each in graph.input if each.name not in constants]
    del graph.input[:]  # Until IR version 4, weights were inputs too.
    graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, IR_VERSION)
    opset = {each.domain: each.version for each in model.opset_import}.get("", 1)
    try:
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
        if opset < OPSET:
            model = version_converter.convert_version(model, OPSET)
    except Exception as error:  # what it raises has no base class short of this
        raise StepError(
            where,
            f"cannot be brought from operator set {opset} to {OPSET}: {first_line(error)}",
            remedy=f"export the model again with operator set {OPSET}",
        ) from error
    _take_out_constant_nodes(model.graph)
    return model


def _take_out_constant_nodes(graph: Any) -> None:
    from onnx import numpy_helper

    for node in [node for node in graph.node if node.op_type == "Constant"]:
        value = attribute_of(node, "value", None)
        if value is None:
            (attribute,) = node.attribute
            value = numpy_helper.from_array(
                np.array(
                    attribute_of(node, attribute.name, None),
                    np.float32 if "float" in attribute.name else np.int64,
                )
            )
        kept = graph.initializer.add()
        kept.CopyFrom(value)
        kept.name = node.output[0]
        graph.node.remove(node)


def _check(graph: Any, where: str) -> None:
    import onnx

    if found := sorted({node.op_type for node in graph.node if node.op_type in INTEGERS}):
        raise StepError(
            where,
            f"is quantized already: it has {', '.join(found)}",
            accepted="float32 models",
            remedy="give the model that it was made of, or measure it with edgecv validate",
        )
    kinds = onnx.TensorProto
    halves = kinds.FLOAT16, kinds.DOUBLE, kinds.BFLOAT16
    if any(each.data_type in halves for each in graph.initializer):
        raise StepError(
            where,
            "holds weights of 16 or 64 bits",
            accepted="float32 weights",
            remedy="export the model again as float32",
        )
    if graph.sparse_initializer:
        raise StepError(where, "holds sparse weights", accepted="dense weights")
    if graph.output[0].name not in {name for node in graph.node for name in node.output}:
        raise StepError(where, "computes nothing: its output is no operator's")


def _name_ends(graph: Any, ends: Ends) -> None:
    """Write down the shapes that are known: an exporter may have left them open."""
    import onnx

    height, width, channels = ends.shape
    image = [channels, height, width] if ends.channels_first else [height, width, channels]
    for value, shape in ((graph.input[0], image), (graph.output[0], [ends.classes])):
        kind = value.type.tensor_type.elem_type
        value.CopyFrom(onnx.helper.make_tensor_value_info(value.name, kind, [BATCH, *shape]))


def _open_batch(graph: Any, links: Links) -> None:
    """Let reshapes of one image take any number of images."""
    for node in graph.node:
        if node.op_type != "Reshape":
            continue
        shape = links.constant(node.input[1])
        if shape is not None and shape.ndim == 1 and len(shape) > 1 and shape[0] == 1:
            name = f"{node.name}_shape"
            if attribute_of(node, "allowzero", 0) == 0:
                set_constant(graph, name, np.array([0, *shape[1:]], np.int64))
                node.input[1] = name


def _take_pixels(graph: Any, ends: Ends, where: str) -> None:
    """Put in front of the graph what makes its input of pixels (batch, H, W, C)."""
    import onnx

    make = onnx.helper.make_node
    scale, offset, order = affine_of(ends.preprocess, ends.shape[2], where)
    nodes, current = [], INPUT
    if order != sorted(order) and _turn_first_kernel(graph, ends, order):
        scale, offset = scale[order], offset[order]
    elif order != sorted(order):
        set_constant(graph, "order", np.array(order, np.int64))
        nodes.append(make("Gather", [current, "order"], ["turned"], axis=3))
        current = "turned"
    for name, operator, value, nothing in (
        ("scale", "Mul", scale, 1.0),
        ("offset", "Add", offset, 0.0),
    ):
        if (value != nothing).any():
            set_constant(graph, name, value.astype(np.float32).reshape(1, 1, 1, -1))
            nodes.append(make(operator, [current, name], [f"{name}d"]))
            current = f"{name}d"
    if ends.channels_first:
        nodes.append(make("Transpose", [current], ["channels_first"], perm=CHANNELS_FIRST))
        current = "channels_first"
    kind = graph.input[0].type.tensor_type
    if kind.elem_type != onnx.TensorProto.FLOAT:
        nodes.append(make("Cast", [current], ["cast"], to=kind.elem_type))
        current = "cast"
        kind.elem_type = onnx.TensorProto.FLOAT
    for node in graph.node:
        node.input[:] = [current if name == INPUT else name for name in node.input]
    for number, node in enumerate(nodes):
        graph.node.insert(number, node)
    dims = onnx.helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, [BATCH, *ends.shape])
    graph.input[0].CopyFrom(dims)


def _turn_first_kernel(graph: Any, ends: Ends, order: list[int]) -> bool:
    """Turn the channels in the kernel of the convolution that alone takes the image, if any."""
    links = Links(graph)
    first = links.only_consumer(INPUT)
    if first is None or first.op_type != "Conv" or not ends.channels_first:
        return False
    kernel = links.constant(first.input[1])
    if kernel is None or attribute_of(first, "group", 1) != 1:
        return False
    set_constant(graph, "turned_kernel", np.ascontiguousarray(kernel[:, order]))
    first.input[1] = "turned_kernel"
    return True


def _give_probabilities(graph: Any, ends: Ends, *, is_row: bool) -> None:
    """Make the answer one row of float32 probabilities for an image."""
    import onnx

    make = onnx.helper.make_node
    for node in graph.node:
        node.output[:] = [GIVEN if name == OUTPUT else name for name in node.output]
        node.input[:] = [GIVEN if name == OUTPUT else name for name in node.input]
    nodes, current = [], GIVEN
    if graph.output[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        nodes.append(make("Cast", [current], ["cast_back"], to=onnx.TensorProto.FLOAT))
        current = "cast_back"
    if not is_row:
        nodes.append(make("Flatten", [current], ["row"], axis=1))
        current = "row"
    if ends.gives_logits:
        nodes.append(make("Softmax", [current], ["likely"], axis=1))
        current = "likely"
    graph.node.extend(nodes)
    for node in graph.node:
        node.output[:] = [OUTPUT if name == current else name for name in node.output]
    row = onnx.helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, [BATCH, ends.classes])
    graph.output[0].CopyFrom(row)


def _check_batch(model: Any, shape: Shape, where: str) -> None:
    """Raise StepError where the graph is of one image only."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    two = np.random.default_rng(0).integers(0, 256, (2, *shape)).astype(np.float32)
    try:
        session = onnxruntime.InferenceSession(
            serialized(model), options, providers=["CPUExecutionProvider"]
        )
        session.run(None, {INPUT: two})
    except Exception as error:  # ONNX Runtime's errors have no base class of their own
        raise StepError(
            where,
            f"cannot be made to take any number of images: {first_line(error)}",
            remedy="export the model again with an open batch",
        ) from error
