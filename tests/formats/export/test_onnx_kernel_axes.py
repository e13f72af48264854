"""Kernels of every order of axes, quantized: each answers like ONNX Runtime's float32."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from exact_products import exact_session

from edgecv.formats.onnx.kernel_scales import KernelScales
from edgecv.formats.onnx.quantize import Quantizer

SIDE, IMAGES, CLASSES = 8, 60, 5


class Net:
    """A graph of pixels (batch, 8, 8, 3) that is built operator by operator."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def stored(self, values: np.ndarray) -> str:
        """Add a constant and return its name."""
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def weights(self, *shape: int) -> str:
        """Add random weights and return their name."""
        values = self.random.normal(0, 1 / np.sqrt(max(1, np.prod(shape[1:]))), shape)
        return self.stored(values.astype(np.float32))

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator and return the name of its output."""
        from onnx import helper

        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def reshaped(self, value: str, *shape: int) -> str:
        """Change the shape behind the batch."""
        return self.add("Reshape", value, self.stored(np.array([0, *shape], np.int64)))

    def row(self, image: str, channels: int, side: int) -> str:
        """Return one row of numbers an image."""
        return self.reshaped(self.add("AveragePool", image, kernel_shape=[side, side]), channels)

    def dense(self, row: str, numbers: int) -> str:
        """Return the logits of a row."""
        return self.add("Gemm", row, self.weights(numbers, CLASSES), self.weights(CLASSES))

    def wide(self) -> str:
        """Return 8 channels of the image, 6x6."""
        scaled = self.add("Mul", "image", self.stored(np.array([1 / 64], np.float32)))
        image = self.add("Transpose", scaled, perm=[0, 3, 1, 2])
        return self.add("Conv", image, self.weights(8, 3, 3, 3), self.weights(8))

    def model(self, build: Callable[["Net"], str]) -> Any:
        """Return the model of a graph that ends in a softmax."""
        from onnx import TensorProto, helper

        self.nodes.append(helper.make_node("Softmax", [build(self)], ["probabilities"], axis=1))
        ends = [
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])]
            for name, shape in (("image", (SIDE, SIDE, 3)), ("probabilities", (CLASSES,)))
        ]
        graph = helper.make_graph(self.nodes, "net", *ends, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def convolution(outputs: int, inputs: int, group: int) -> Callable[[Net], str]:
    def build(net: Net) -> str:
        kernel, bias = net.weights(outputs, inputs, 3, 3), net.weights(outputs)
        made = net.add("Conv", net.wide(), kernel, bias, group=group)
        return net.dense(net.row(made, outputs, 4), outputs)

    return build


def transposed(outputs: int, group: int, *, bias: bool = True) -> Callable[[Net], str]:
    """A kernel of axes (inputs, outputs of one group, height, width)."""

    def build(net: Net) -> str:
        constants = [net.weights(8, outputs // group, 3, 3)]
        constants += [net.weights(outputs)] if bias else []
        made = net.add("ConvTranspose", net.wide(), *constants, group=group)
        return net.dense(net.row(made, outputs, 8), outputs)

    return build


def gemm(*bias: int, **attributes: Any) -> Callable[[Net], str]:
    def build(net: Net) -> str:
        row = net.row(net.wide(), 8, 6)
        shape = (CLASSES, 8) if attributes.get("transB") else (8, CLASSES)
        return net.add("Gemm", row, net.weights(*shape), net.weights(*bias), **attributes)

    return build


def matmul(net: Net) -> str:
    return net.add("MatMul", net.row(net.wide(), 8, 6), net.weights(8, CLASSES))


def matmul_of_tokens(net: Net) -> str:
    """Three axes on the left and two on the right, as in attention."""
    tokens = net.add("Transpose", net.reshaped(net.wide(), 8, 36), perm=[0, 2, 1])
    made = net.add("MatMul", tokens, net.weights(8, CLASSES))
    return net.add("ReduceMean", made, axes=[1], keepdims=0)


def matmul_of_three_axes(net: Net) -> str:
    """A kernel for each of two heads: (2, 18, 5)."""
    tokens = net.reshaped(net.wide(), 2, 8, 18)
    made = net.add("MatMul", tokens, net.weights(2, 18, CLASSES))
    return net.add("ReduceMean", made, axes=[1, 2], keepdims=0)


def run(model: Any, images: np.ndarray) -> np.ndarray:
    """Return the probabilities of images by ONNX Runtime."""
    session = exact_session(model.SerializeToString())
    is_integer = "uint8" in session.get_inputs()[0].type
    (found,) = session.run(None, {"image": images if is_integer else images.astype(np.float32)})
    if found.dtype == np.float32:
        return np.asarray(found)
    return (found.astype(np.float32) - np.iinfo(found.dtype).min) / 256


@pytest.mark.parametrize("activations", ["uint8", "int8"])
@pytest.mark.parametrize(
    "build",
    [
        pytest.param(convolution(12, 4, 2), id="grouped"),
        pytest.param(convolution(16, 1, 8), id="depthwise, two a channel"),
        pytest.param(transposed(6, 1), id="transposed"),
        pytest.param(transposed(6, 2), id="transposed, grouped"),
        pytest.param(transposed(8, 8), id="transposed, depthwise"),
        pytest.param(transposed(6, 2, bias=False), id="transposed, grouped, no bias"),
        pytest.param(gemm(CLASSES, transB=0), id="gemm"),
        pytest.param(gemm(CLASSES, transB=1), id="gemm, transposed"),
        pytest.param(gemm(CLASSES, alpha=0.5, beta=2.0), id="gemm with factors"),
        pytest.param(gemm(1, CLASSES), id="gemm with a bias of two axes"),
        pytest.param(gemm(1), id="gemm with one number as its bias"),
        matmul,
        matmul_of_tokens,
        matmul_of_three_axes,
    ],
)
def test_int8_answers_like_float32(build: Callable[[Net], str], activations: str) -> None:
    images = np.random.default_rng(1).integers(0, 256, (IMAGES, SIDE, SIDE, 3), np.uint8)
    model = Net().model(build)
    true = run(model, images)
    quantized = Quantizer(model, images[:20], "net.onnx", KernelScales()).quantize(activations)
    found = run(quantized, images)
    assert np.abs(found - true).mean() < 0.01
    # Against each class's own mean: a file that always gives the same answer is no match.
    own, others = found - true.mean(axis=0), true - true.mean(axis=0)
    assert np.corrcoef(own.ravel(), others.ravel())[0, 1] > 0.9


def test_an_output_that_another_layer_takes_too_is_of_integers() -> None:
    """The layer behind it was given the integers in place of the numbers they stand for."""
    from onnx import TensorProto, helper

    names: list[str] = []

    def build(net: Net) -> str:
        names.append(net.wide())
        return net.dense(net.row(names[0], 8, 6), 8)

    model = Net().model(build)
    features = helper.make_tensor_value_info(names[0], TensorProto.FLOAT, ["batch", 8, 6, 6])
    model.graph.output.append(features)
    images = np.random.default_rng(1).integers(0, 256, (IMAGES, SIDE, SIDE, 3), np.uint8)
    made = Quantizer(model, images, "net.onnx", KernelScales()).quantize("uint8")
    steps = {each.key: float(each.value) for each in made.metadata_props}
    found, wanted = (
        exact_session(each.SerializeToString()).run(None, {"image": given})
        for each, given in ((made, images), (model, images.astype(np.float32)))
    )
    for name, mine, true in zip(("probabilities", names[0]), found, wanted, strict=True):
        assert mine.dtype == np.uint8
        scale = steps[f"edgecv.output_scale.{name}"]
        reals = (mine - steps[f"edgecv.output_zero_point.{name}"]) * scale
        assert np.abs(reals - true).mean() < 2 * scale
