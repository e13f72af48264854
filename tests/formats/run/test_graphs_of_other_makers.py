"""Sound ONNX graphs of forms that our own exporter never writes are read as ONNX Runtime does."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx  # noqa: TID253  a test may take its time
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper  # noqa: TID253

from edgecv.core.quantization import Stored
from edgecv.formats.onnx.float16 import content_in_float32
from edgecv.formats.onnx.runtime import OnnxRuntime

SIDE = 8
FLOAT = TensorProto.FLOAT
node = helper.make_node


def weights(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(sum(shape)).normal(0, 0.3, shape).astype(np.float32)


def write(
    path: Path,
    nodes: Sequence[Any],
    constants: dict[str, Any],
    outputs: int = 4,
    functions: Sequence[Any] = (),
) -> Path:
    """Write a graph from images "x" (N, H, W, C) to "y"; constants are arrays or TensorProtos."""
    stored = [
        each if isinstance(each, TensorProto) else numpy_helper.from_array(np.asarray(each), name)
        for name, each in constants.items()
    ]
    taken = helper.make_tensor_value_info("x", FLOAT, ["n", SIDE, SIDE, 3])
    given = helper.make_tensor_value_info("y", FLOAT, ["n", outputs])
    graph = helper.make_graph(nodes, "g", [taken], [given], stored)
    sets = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=sets, functions=functions, ir_version=10)
    onnx.save(model, path)
    return path


def images(number: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (number, SIDE, SIDE, 3)).astype(np.uint8)


def read(path: Path) -> tuple[Stored, set[str]]:
    """Return what a file stores, and its operators, once its points are watched."""
    runtime = OnnxRuntime()
    stored = runtime.stored(path)
    assert runtime.watcher(path, 1)(images(1)).low.shape == (1, len(stored.points))
    found = runtime.activations(path, images())
    assert all(each.values.shape[0] == 3 for each in found)
    return stored, {each.type for each in found}


HEAD = [
    node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
    node("Conv", ["t", "w"], ["c"]),
]


def tail(name: str) -> list[Any]:
    """Return operators from a map to the output."""
    return [node("GlobalAveragePool", [name], ["p"]), node("Flatten", ["p"], ["y"])]


@pytest.mark.parametrize(("rows", "block"), [(64, 16), (8, 8), (24, 16)])
def test_weights_of_blocks_are_read_by_the_scale_of_each(
    rows: int, block: int, tmp_path: Path
) -> None:
    codes = np.random.default_rng(0).integers(-7, 8, (rows, 8))
    steps = np.abs(weights(-(-rows // block), 8)) + 0.1
    path = write(
        tmp_path / "a.onnx",
        [
            node("Flatten", ["x"], ["f"]),
            node("MatMul", ["f", "first"], ["g"]),
            node("DequantizeLinear", ["q", "s"], ["wd"], axis=0, block_size=block),
            node("MatMul", ["g", "wd"], ["h"]),
            node("Gemm", ["h", "last"], ["y"]),
        ],
        {
            "first": weights(SIDE * SIDE * 3, rows),
            "q": helper.make_tensor("q", TensorProto.INT4, codes.shape, codes.ravel().tolist()),
            "s": steps,
            "last": weights(8, 4),
        },
    )
    stored, _ = read(path)
    kernel = stored.kernels[1]
    real = codes * np.repeat(steps, block, axis=0)[:rows]
    np.testing.assert_allclose(kernel.values[:, :, 0], real.T, rtol=1e-6)
    np.testing.assert_allclose(kernel.steps, steps.max(axis=0), rtol=1e-6)


@pytest.mark.parametrize("is_typed", [True, False])
def test_without_a_zero_point_integers_have_the_type_that_is_named(
    is_typed: bool, tmp_path: Path
) -> None:
    kind = {"output_dtype": TensorProto.INT8} if is_typed else {}
    path = write(
        tmp_path / "a.onnx",
        [
            node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
            node("DequantizeLinear", ["q", "sw"], ["wd"], axis=0),
            node("Conv", ["t", "wd"], ["c"]),
            node("QuantizeLinear", ["c", "s"], ["cq"], **kind),
            node("DequantizeLinear", ["cq", "s"], ["cd"]),
            node("MaxPool", ["cd"], ["m"], kernel_shape=[2, 2]),
            node("QuantizeLinear", ["m", "s"], ["mq"], **kind),
            node("DequantizeLinear", ["mq", "s"], ["md"]),
            *tail("md"),
        ],
        {
            "q": np.random.default_rng(0).integers(-127, 128, (4, 3, 3, 3)).astype(np.int8),
            "sw": np.full(4, 0.01, np.float32),
            "s": np.float32(1.0),
        },
    )
    stored, _ = read(path)
    ends = (-128, 127) if is_typed else (0, 255)
    steps = [stored.points[0].steps, *(each.taken for each in stored.links)]
    assert [(each.low, each.high) for each in steps if each is not None] == [ends] * len(steps)


def test_an_output_that_is_left_out_is_none(tmp_path: Path) -> None:
    """Only the last state of an LSTM is used: "" was asked for as an output of the file."""
    path = write(
        tmp_path / "a.onnx",
        [
            node("Reshape", ["x", "sides"], ["r"]),
            node("Transpose", ["r"], ["t"], perm=[1, 0, 2]),
            node("LSTM", ["t", "W", "R"], ["", "state"], hidden_size=4),
            node("Squeeze", ["state", "first"], ["y"]),
        ],
        {
            "sides": np.array([-1, SIDE, SIDE * 3]),
            "W": weights(1, 16, SIDE * 3),
            "R": weights(1, 16, 4),
            "first": np.array([0]),
        },
    )
    _, kinds = read(path)
    assert "LSTM" in kinds


def test_what_a_branch_alone_takes_ends_before_it(tmp_path: Path) -> None:
    """Tensors within a branch were asked for as outputs of the file."""
    then = helper.make_graph(
        [node("Mul", ["c", "two"], ["d"]), node("Relu", ["d"], ["then"])],
        "then",
        [],
        [helper.make_tensor_value_info("then", FLOAT, None)],
    )
    other = helper.make_graph(
        [node("Constant", [], ["else"], value=numpy_helper.from_array(weights(1, 4, 6, 6)))],
        "else",
        [],
        [helper.make_tensor_value_info("else", FLOAT, None)],
    )
    kernel = weights(4, 3, 3, 3)
    path = write(
        tmp_path / "a.onnx",
        [
            *HEAD,
            node("ReduceMax", ["t"], ["m"], keepdims=0),
            node("Greater", ["m", "three"], ["is"]),
            node("If", ["is"], ["i"], then_branch=then, else_branch=other),
            *tail("i"),
        ],
        {"w": kernel, "three": np.float32(3), "two": np.float32(2)},
    )
    stored, kinds = read(path)
    np.testing.assert_array_equal(stored.kernels[0].values.ravel(), kernel.ravel())
    assert {"Conv", "If"} <= kinds


def test_a_list_of_tensors_is_no_activation(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.onnx",
        [
            *HEAD,
            node("SplitToSequence", ["c", "four"], ["s"], axis=1),
            node("SequenceAt", ["s", "first"], ["e"]),
            *tail("e"),
        ],
        {"w": weights(8, 3, 3, 3), "four": np.array(4), "first": np.array(0)},
    )
    _, kinds = read(path)
    assert {"Conv", "SequenceAt"} <= kinds
    assert "SplitToSequence" not in kinds


def test_a_tensor_without_values_beside_the_file_takes_none_of_it(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.onnx",
        [
            node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
            node("Resize", ["t", "roi", "factors"], ["r"]),
            node("Conv", ["r", "w"], ["c"]),
            *tail("c"),
        ],
        {
            "roi": np.zeros(0, np.float32),
            "factors": np.ones(4, np.float32),
            "w": weights(4, 3, 3, 3),
        },
    )
    expected = OnnxRuntime().open(path, threads=1).predict(images()).only
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="more.bin", size_threshold=0)
    found = OnnxRuntime().open(path, threads=1).predict(images()).only
    np.testing.assert_array_equal(found, expected)


def test_names_within_a_function_are_its_own(tmp_path: Path) -> None:
    """A cast of the graph was removed, and its name replaced within functions too."""
    import onnxruntime

    inner = [node("Relu", ["a"], ["h"]), node("Neg", ["h"], ["o"])]
    opset = [helper.make_opsetid("", 21)]
    block = helper.make_function("own", "Block", ["a"], ["o"], inner, opset)
    path = write(
        tmp_path / "a.onnx",
        [
            node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
            node("Block", ["h"], ["k"], domain="own"),
            node("Cast", ["k"], ["c"], to=FLOAT),
            node("ReduceMean", ["c", "sides"], ["m"], keepdims=0),
            node("MatMul", ["m", "w"], ["y"]),
        ],
        {"sides": np.array([1, 2]), "w": weights(3, 4)},
        functions=[block],
    )
    content = path.read_bytes()
    made = content_in_float32(content, "x")
    assert made != content
    taken = {"x": np.float32(images() % 8)}
    before, after = (
        onnxruntime.InferenceSession(each).run(None, taken)[0] for each in (content, made)
    )
    np.testing.assert_allclose(before, after, rtol=1e-2)
