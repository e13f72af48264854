"""The first convolution of an int8 ONNX file over blocks of pixels: the same numbers, and read."""

from typing import Any

import numpy as np
import pytest
from exact_products import exact_session
from numpy.typing import NDArray

from edgecv.core.data import Shape
from edgecv.formats.onnx.canonical import canonical, serialized
from edgecv.formats.onnx.check import kernels_in
from edgecv.formats.onnx.exporter import Onnx
from edgecv.formats.onnx.graph import read_model
from edgecv.formats.onnx.inspect import read
from edgecv.formats.onnx.kernel_scales import KernelScales
from edgecv.formats.onnx.packing import packed
from edgecv.formats.onnx.plain_pixels import read_in_pixels
from edgecv.formats.onnx.quantize import Quantizer
from edgecv.formats.onnx.session import write_optimized

CASES = {
    "same, three channels": ((8, 8, 3), 3, 1, (1, 1, 1, 1), ""),
    "behind it a pooling": ((9, 16, 3), 3, 1, (0, 0, 0, 0), "MaxPool"),
    "stride 2, padded behind": ((8, 16, 3), 3, 2, (0, 0, 1, 1), ""),
    "stride 4": ((11, 16, 3), 5, 4, (1, 0, 1, 1), ""),
    "wide kernel": ((12, 12, 3), 7, 2, (3, 3, 3, 3), ""),
    "wider than a block": ((6, 8, 1), 5, 1, (2, 2, 2, 2), ""),
    "one channel": ((8, 8, 1), 3, 1, (1, 1, 1, 1), "MaxPool"),
    "two channels": ((6, 6, 2), 3, 1, (1, 1, 1, 1), ""),
    "pointwise": ((5, 8, 3), 1, 1, (0, 0, 0, 0), ""),
}


def network(shape: Shape, kernel: int, stride: int, pads: tuple[int, ...], then: str) -> Any:
    """Return a float32 ModelProto: a convolution, perhaps a pooling, and a second one."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    weights = {
        "first": rng.normal(size=(16, shape[2], kernel, kernel)) / 50,
        "bias": rng.normal(size=16),
        "second": rng.normal(size=(8, 16, 2, 2)),
    }
    nodes = [
        helper.make_node("Transpose", ["image"], ["moved"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "Conv", ["moved", "first", "bias"], ["c"], pads=pads, strides=[stride, stride]
        ),
        helper.make_node("Relu", ["c"], ["r"]),
    ]
    if then:
        nodes.append(helper.make_node(then, ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]))
    nodes += [
        helper.make_node("Conv", ["p" if then else "r", "second"], ["d"], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["d"], ["g"]),
        helper.make_node("Flatten", ["g"], ["answer"]),
    ]
    real = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", real, ["batch", *shape])],
        [helper.make_tensor_value_info("answer", real, ["batch", 8])],
        [numpy_helper.from_array(each.astype(np.float32), name) for name, each in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return canonical(read_model(model), "network", outputs=["answer"])


def pixels_of(shape: Shape, number: int = 6) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (number, *shape), dtype=np.uint8)


def quantized(model: Any, shape: Shape, *, in_blocks: bool, io: str = "uint8") -> Any:
    quantizer = Quantizer(
        model, pixels_of(shape, 8), "network", KernelScales(), io, in_blocks=in_blocks
    )
    return quantizer.quantize("uint8")


def answers(content: bytes, pixels: NDArray[Any]) -> NDArray[Any]:
    found: NDArray[Any] = exact_session(content).run(None, {"image": pixels})[0]
    return found


@pytest.mark.parametrize("case", CASES)
def test_blocks_give_the_same_numbers_and_are_read_as_what_they_compute(
    case: str, tmp_path: Any
) -> None:
    import onnx
    import onnx_ir

    shape, *rest = CASES[case]
    model = network(shape, *rest)
    plain = quantized(model, shape, in_blocks=False)
    blocks = quantized(model, shape, in_blocks=True)
    assert serialized(plain) != serialized(blocks)
    onnx.checker.check_model(blocks, full_check=True)
    pixels = pixels_of(shape)
    expected = answers(serialized(plain), pixels)
    assert np.ptp(expected) > 0
    small = packed(serialized(blocks)).content
    for content in (serialized(blocks), small):
        assert np.array_equal(answers(content, pixels), expected)
        again = read_in_pixels(content).model
        plainly = onnx_ir.to_proto(again).SerializeToString()
        assert np.array_equal(answers(plainly, pixels), expected)
        assert [each.weights.tolist() for each in kernels_in(onnx.load_from_string(content))] == [
            each.weights.tolist() for each in kernels_in(plain)
        ]
    # An operator in float between integers would be a fault to doctor.
    assert "float" not in {each.arithmetic for each in read(small, "network").operators}
    write_optimized(small, tmp_path / "optimized.onnx", "all")
    nodes = onnx.load(tmp_path / "optimized.onnx").graph.node
    assert [each.op_type for each in nodes].count("QLinearConv") == 2
    assert not {"QuantizeLinear", "Pad", "Tile", "Slice"} & {each.op_type for each in nodes}


@pytest.mark.parametrize("io", ["int8", "float32"])
def test_blocks_with_other_inputs(io: str) -> None:
    shape, *rest = CASES["same, three channels"]
    model = network(shape, *rest)
    pixels: NDArray[Any] = pixels_of(shape)
    pixels = pixels.astype(np.float32) if io == "float32" else (pixels ^ 128).view(np.int8)
    found = [
        answers(serialized(quantized(model, shape, in_blocks=each, io=io)), pixels)
        for each in (False, True)
    ]
    assert np.array_equal(*found)


@pytest.mark.parametrize(
    ("shape", "rest"),
    [
        ((8, 8, 4), (3, 1, (1, 1, 1, 1), "")),
        ((8, 9, 3), (3, 1, (1, 1, 1, 1), "")),
        ((8, 12, 3), (3, 3, (1, 1, 1, 1), "")),
        ((8, 8, 3), (3, 1, (0, 0, 0, 0), "")),
    ],
    ids=["four channels", "no whole blocks", "stride across blocks", "columns of no block"],
)
def test_a_convolution_that_no_blocks_fit_stays(shape: Shape, rest: Any) -> None:
    model = network(shape, *rest)
    found = [serialized(quantized(model, shape, in_blocks=each)) for each in (False, True)]
    assert found[0] == found[1]
    assert not read_in_pixels(found[0]).had_blocks


def test_only_int8_files_have_the_choice() -> None:
    with pytest.raises(ValueError, match="leave it out"):
        Onnx(precision="float32", first_convolution="plain")
    assert Onnx(precision="int8", first_convolution="plain").first_convolution == "plain"
