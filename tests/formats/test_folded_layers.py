"""Kernels are read with what other converters leave behind them: products, sums, normalization."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.core.quantization import Stored
from edgecv.formats.onnx.stored_weights import OnnxWeights
from edgecv.formats.pixel_transform import Pixels

RANDOM = np.random.default_rng(0)
WEIGHTS = RANDOM.normal(size=(4, 3, 3, 3)).astype(np.float32)
BIAS = RANDOM.normal(size=4).astype(np.float32)
NO_PIXELS = Pixels(None, (8, 8, 3))
FACTOR, TERM = (RANDOM.uniform(0.5, 2, 4).astype(np.float32) for _ in range(2))


def read(nodes: list[Any], constants: dict[str, Any], pixels: Pixels = NO_PIXELS) -> Stored:
    from onnx import TensorProto, helper, numpy_helper

    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])
    answer = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(np.asarray(each), name) for name, each in constants.items()]
    graph = helper.make_graph(nodes, "g", [image], [answer], tensors)
    content = helper.make_model(graph).SerializeToString()
    return OnnxWeights(content).stored(pixels)


def node(kind: str, inputs: str, outputs: str, **given: Any) -> Any:
    from onnx import helper

    return helper.make_node(kind, inputs.split(), outputs.split(), **given)


def check(found: Stored) -> None:
    (kernel,) = found.kernels
    assert np.allclose(kernel.values, WEIGHTS.reshape(4, 3, 9) * FACTOR[:, None, None], atol=1e-5)
    assert np.allclose(kernel.bias, BIAS * FACTOR + TERM, atol=1e-5)
    (point,) = found.points
    assert point.starts_at_zero
    assert point.sources == (0,)


@pytest.mark.quick
def test_products_and_sums_are_folded() -> None:
    wide = {"f": FACTOR.reshape(4, 1, 1), "t": TERM.reshape(1, 4, 1, 1)}
    nodes = [node("Conv", "x w b", "a"), node("Mul", "f a", "c"), node("Add", "c t", "d"),
             node("Relu", "d", "y")]  # fmt: skip
    check(read(nodes, {"w": WEIGHTS, "b": BIAS, **wide}))


@pytest.mark.quick
@pytest.mark.parametrize("bias", [BIAS, np.array([0.3], np.float32)])
def test_the_factors_of_a_dense_layer_are_in_its_kernel_and_bias(bias: Any) -> None:
    dense = WEIGHTS.reshape(4, -1)[:, :8]
    nodes = [node("Flatten", "x", "r"), node("Gemm", "r w b", "y", alpha=0.5, beta=2.0, transB=1)]
    (kernel,) = read(nodes, {"w": dense, "b": bias}).kernels
    assert np.allclose(kernel.values, dense[:, :, None] / 2)
    assert np.allclose(kernel.bias, bias * 2)


@pytest.mark.quick
def test_normalization_is_folded() -> None:
    variance, mean = (RANDOM.uniform(1, 2, 4).astype(np.float32) for _ in range(2))
    scale = FACTOR * np.sqrt(variance + 1e-3)
    given = {"s": scale, "h": TERM + mean * FACTOR, "m": mean, "v": variance}
    nodes = [node("Conv", "x w b", "a"), node("BatchNormalization", "a s h m v", "c", epsilon=1e-3),
             node("Relu", "c", "y")]  # fmt: skip
    check(read(nodes, {"w": WEIGHTS, "b": BIAS, **given}))


@pytest.mark.quick
def test_behind_moved_axes_the_outputs_are_the_last() -> None:
    nodes = [node("Conv", "x w b", "a"), node("Transpose", "a", "e", perm=[0, 2, 3, 1]),
             node("Mul", "e f", "c"), node("Add", "c t", "d"), node("Relu", "d", "y")]  # fmt: skip
    check(read(nodes, {"w": WEIGHTS, "b": BIAS, "f": FACTOR, "t": TERM}))


@pytest.mark.quick
def test_what_is_not_one_factor_an_output_is_not_folded() -> None:
    nodes = [node("Conv", "x w b", "a"), node("Mul", "a f", "y")]
    found = read(nodes, {"w": WEIGHTS, "b": BIAS, "f": np.ones((8, 8), np.float32)})
    assert np.array_equal(found.kernels[0].values, WEIGHTS.reshape(4, 3, 9))
    assert [each.type for each in found.points] == ["kernel", "Mul"]


@pytest.mark.quick
@pytest.mark.parametrize(("kind", "of"), [("Mul", FACTOR), ("Div", 1 / FACTOR)])
def test_the_rounding_of_constants_in_half_precision_is_known(kind: str, of: Any) -> None:
    nodes = [node(kind, "x r", "p"), node("Add", "p o", "q"), node("Conv", "q w b", "a"),
             node(kind, "a f", "c"), node("Add", "c t", "y")]  # fmt: skip
    sides = (1, 4, 1, 1)
    half = {
        "r": of.reshape(sides)[:, :3], "o": TERM.reshape(sides)[:, :3],
        "f": of.reshape(sides), "t": TERM.reshape(sides),
    }  # fmt: skip
    half = {name: values.astype(np.float16) for name, values in half.items()}
    pixels = Pixels(lambda images: images.astype(np.float32), (8, 8, 3))
    found = read(nodes, {"w": WEIGHTS, "b": BIAS, **half}, pixels)
    exact = np.concatenate([np.diag(FACTOR[:3]), TERM[:3, None]], axis=1)
    assert found.pixels is not None
    assert found.pixels_room is not None
    error = np.abs(found.pixels - exact)
    assert 0 < error.max() < 1e-2
    assert np.all(error <= found.pixels_room + 1e-6)
    (kernel,) = found.kernels
    error = np.abs(kernel.values - WEIGHTS.reshape(4, 3, 9) * FACTOR[:, None, None])
    assert 0 < error.max() < 1e-2
    assert np.all(error <= kernel.steps[:, None, None] / 2 + 1e-6)
    assert np.all(np.abs(kernel.bias - BIAS * FACTOR - TERM) <= kernel.bias_steps / 2 + 1e-6)


def test_a_transposed_matrix_in_tflite_is_read(tmp_path: Path) -> None:
    """Older converters write a Dense layer as a product with a matrix that has its inputs first."""
    from edgecv.formats.tflite.stored_weights import TFLiteWeights
    from edgecv.models.tf import load_tensorflow

    tensorflow, _ = load_tensorflow()
    matrix = RANDOM.normal(size=(6, 5)).astype(np.float32)

    class Network(tensorflow.Module):  # type: ignore[misc, name-defined]
        @tensorflow.function(input_signature=[tensorflow.TensorSpec((1, 4, 6), tensorflow.float32)])
        def __call__(self, x: Any) -> Any:
            return tensorflow.linalg.matmul(x, matrix[None])

    network = Network()
    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions(
        [network.__call__.get_concrete_function()], network
    )
    found = TFLiteWeights(converter.convert(), "a").stored(Pixels(None, (1, 1, 1)))
    (kernel,) = found.kernels
    assert np.array_equal(kernel.values[:, :, 0], matrix.T)
