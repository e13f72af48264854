"""ONNX files through ONNX Runtime: mean colour, a matrix, softmax."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx  # noqa: TID253  a test may take its time
import pytest
from onnx import TensorProto, helper, numpy_helper  # noqa: TID253
from refusal import check_refused

from edgecv.core.data import Images
from edgecv.core.errors import RuntimeFailure, UnsuitableFile
from edgecv.formats.onnx.runtime import OnnxRuntime

pytestmark = pytest.mark.quick

WEIGHTS = np.array([[0.02, -0.01, 0.0], [0.0, 0.02, -0.02], [-0.01, 0.0, 0.03]], np.float32)
KINDS = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "int8": TensorProto.INT8}
SCALE = {"image_scale": 1.0, "answer_scale": 1 / 256}


def write(
    path: Path,
    batch: int | str = "n",
    taken: str = "float32",
    given: str = "float32",
    metadata: dict[str, str] | None = None,
    shape: tuple[int | str, ...] = (8, 8, 3),
) -> Path:
    """Write the network, with quantized ends where ``taken`` or ``given`` is an integer."""
    constants = {"weights": WEIGHTS, "axes": np.array([1, 2])}
    nodes = []
    image, answer = "image", "answer"
    if taken != "float32":
        zero = np.array(0 if taken == "uint8" else -128, taken)
        constants |= {"image_scale": np.float32(1.0), "image_zero": zero}
        nodes.append(
            helper.make_node("DequantizeLinear", ["image", "image_scale", "image_zero"], ["real"])
        )
        image = "real"
    if given != "float32":
        answer = "probabilities"
    nodes += [
        helper.make_node("ReduceMean", [image, "axes"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [answer]),
    ]
    if given != "float32":
        zero = np.array(0 if given == "uint8" else -128, given)
        constants |= {"answer_scale": np.float32(1 / 256), "answer_zero": zero}
        nodes.append(
            helper.make_node("QuantizeLinear", [answer, "answer_scale", "answer_zero"], ["answer"])
        )
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", KINDS[taken], [batch, *shape])],
        [helper.make_tensor_value_info("answer", KINDS[given], [batch, 3])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


def quantization(taken: str, given: str) -> dict[str, str]:
    return {
        "edgecv.input_scale": "1.0",
        "edgecv.input_zero_point": "0" if taken == "uint8" else "-128",
        "edgecv.output_scale": str(1 / 256),
        "edgecv.output_zero_point": "0" if given == "uint8" else "-128",
    }


@pytest.fixture
def expected(images: Images) -> np.ndarray:
    logits = images.astype(np.float64).mean((1, 2)) @ WEIGHTS
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("batch", ["n", 1, 4, 100])
@pytest.mark.parametrize("threads", [1, 2])
def test_every_kind_of_batch_answers_as_numpy_does(
    batch: int | str, threads: int, tmp_path: Path, images: Images, expected: np.ndarray
) -> None:
    session = OnnxRuntime().open(write(tmp_path / "a.onnx", batch), threads)
    np.testing.assert_allclose(session.predict(images).only, expected, atol=1e-5)
    assert session.facts.input.shape == (-1 if batch == "n" else batch, 8, 8, 3)


@pytest.mark.parametrize("taken", ["uint8", "int8"])
@pytest.mark.parametrize("given", ["uint8", "int8"])
def test_integers_are_scaled_by_the_metadata(
    taken: str, given: str, tmp_path: Path, images: Images, expected: np.ndarray
) -> None:
    path = write(tmp_path / "a.onnx", 1, taken, given, quantization(taken, given))
    session = OnnxRuntime().open(path, threads=1)
    assert (session.facts.input.type, session.facts.output.type) == (taken, given)
    assert session.facts.output.scale == 1 / 256
    np.testing.assert_allclose(session.predict(images).only, expected, atol=1 / 256)


@pytest.mark.parametrize("has_metadata", [True, False])
@pytest.mark.parametrize("taken", ["uint8", "int8"])
def test_arrays_of_integers_are_reals_by_their_scales(
    has_metadata: bool, taken: str, tmp_path: Path, images: Images, expected: np.ndarray
) -> None:
    """`validate int8.onnx --baseline float32.onnx` compared codes of 0..255 with probabilities."""
    metadata = quantization(taken, "int8") if has_metadata else None
    path = write(tmp_path / "a.onnx", 1, taken, "int8", metadata)
    opened = OnnxRuntime().open_tensors(path, threads=1)
    (image,), (answer,) = opened.ends.inputs, opened.ends.outputs
    assert (image.scale, image.zero_point) == (1.0, 0 if taken == "uint8" else -128)
    assert (answer.scale, answer.zero_point) == (1 / 256, -128)
    (found,) = opened.answer([images[:1].astype(np.float32)])
    np.testing.assert_allclose(found, expected[:1], atol=1 / 256)


def test_threads_and_neighbours_change_nothing(tmp_path: Path, images: Images) -> None:
    path = write(tmp_path / "a.onnx")
    alone = OnnxRuntime().open(path, threads=1)
    one_by_one = np.concatenate([alone.predict(image[None]).only for image in images])
    for threads in (1, 2, 3):
        together = OnnxRuntime().open(path, threads).predict(images).only
        np.testing.assert_array_equal(together, one_by_one)


@pytest.mark.parametrize("batch", ["n", 4])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_single_call_runs(batch: int | str, threads: int, tmp_path: Path, images: Images) -> None:
    session = OnnxRuntime().open(write(tmp_path / "a.onnx", batch), threads)
    call = session.single_call(images[:1])
    for _ in range(3):
        call()


def test_bytes_need_no_metadata(tmp_path: Path, images: Images, expected: np.ndarray) -> None:
    session = OnnxRuntime().open(write(tmp_path / "a.onnx", taken="uint8"), threads=1)
    np.testing.assert_allclose(session.predict(images).only, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"taken": "uint8", "metadata": {"edgecv.input_scale": "big"}}, "input_scale.*wrong"),
        ({"taken": "uint8", "metadata": {"edgecv.input_scale": "nan"}}, "has scale nan"),
        ({"shape": ("h", "w", 3)}, r"height and width are open.*give --input-size"),
    ],
)
def test_what_cannot_be_used_is_refused(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(RuntimeFailure, match=message):
        OnnxRuntime().open(write(tmp_path / "a.onnx", **options), threads=1)


@pytest.mark.parametrize("content", [b"", b"noise" * 100, b"\x08\x09location\xff\xff"])
def test_what_is_not_an_onnx_file_is_refused(content: bytes, tmp_path: Path) -> None:
    message = r"refused it|is not an ONNX file"
    check_refused(OnnxRuntime(), tmp_path / "bad.onnx", content, message)


@pytest.mark.parametrize("domain", ["", "com.maker"])
def test_an_operator_of_another_maker_is_named_and_wrong_input(domain: str, tmp_path: Path) -> None:
    model = onnx.load(write(tmp_path / "a.onnx"))
    model.graph.node[0].op_type, model.graph.node[0].domain = "Own", domain
    model.opset_import.append(onnx.helper.make_opsetid("com.maker", 1))
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(UnsuitableFile, match=r"Own.*edgecv inspect reads the file"):
        OnnxRuntime().open(tmp_path / "a.onnx", threads=1)


def test_an_operator_set_that_is_too_old_is_wrong_input_with_a_remedy(tmp_path: Path) -> None:
    image, mean = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, side, side])
        for name, side in (("image", 6), ("mean", 3))
    )
    node = onnx.helper.make_node(
        "AveragePool", ["image"], ["mean"], kernel_shape=[2, 2], strides=[2, 2]
    )
    graph = onnx.helper.make_graph([node], "old", [image], [mean])
    opset = [onnx.helper.make_opsetid("", 6)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=3), tmp_path / "a.onnx")
    with pytest.raises(UnsuitableFile, match=r"AveragePool.*with a newer operator set"):
        OnnxRuntime().open(tmp_path / "a.onnx", threads=1)


def test_weights_beside_the_file_are_a_part_of_it(tmp_path: Path, images: Images) -> None:
    path = write(tmp_path / "a.onnx")
    expected = OnnxRuntime().open(path, threads=1).predict(images[:2]).only
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="more.bin", size_threshold=0
    )
    found = OnnxRuntime().open(path, threads=1).predict(images[:2]).only
    np.testing.assert_array_equal(found, expected)
    (tmp_path / "more.bin").unlink()
    with pytest.raises(RuntimeFailure, match=r'weights .* are in "more.bin", which cannot be read'):
        OnnxRuntime().open(path, threads=1)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("location", "../secret.bin", "outside of its folder"),
        ("location", "/etc/passwd", "outside of its folder"),
        ("location", "link.bin", "outside of its folder"),
        ("location", "", "outside of its folder"),
        ("location", "loop.bin", "cannot be read: Too many levels of symbolic links"),
        ("offset", "-1", "at a place that is no number"),
        ("offset", "9" * 40, "at a place that is no number"),
        ("length", "1" + "0" * 12, "which ends after"),
    ],
)
def test_weights_elsewhere_are_never_read(
    key: str, value: str, message: str, tmp_path: Path
) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    path = write(folder / "a.onnx")
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="more.bin", size_threshold=0
    )
    (tmp_path / "secret.bin").write_bytes((folder / "more.bin").read_bytes())
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    (folder / "loop.bin").symlink_to("loop.bin")
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        kept = [each for each in tensor.external_data if each.key != key]
        entries = [(each.key, each.value) for each in kept] + [(key, value)]
        del tensor.external_data[:]
        for name, text in entries:
            tensor.external_data.add(key=name, value=text)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(RuntimeFailure, match=message):
        OnnxRuntime().open(path, threads=1)


def test_the_word_location_alone_is_harmless(tmp_path: Path, images: Images) -> None:
    path = write(tmp_path / "a.onnx", metadata={"location": "Geneva"})
    assert OnnxRuntime().open(path, threads=1).predict(images[:2]).only.shape == (2, 3)


def test_nan_is_refused_with_how_many_images(tmp_path: Path, images: Images) -> None:
    path = write(tmp_path / "a.onnx")
    model = onnx.load(path)
    for constant in model.graph.initializer:
        if constant.name == "weights":
            constant.CopyFrom(numpy_helper.from_array(WEIGHTS * np.nan, "weights"))
    onnx.save(model, path)
    with pytest.raises(RuntimeFailure, match="NaN or infinity on 70 of 70 images"):
        OnnxRuntime().open(path, threads=2).predict(images)
