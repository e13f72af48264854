"""An ONNX file of another maker is quantized, and what comes out is held against the file."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx_networks
import pytest

import edgecv
from edgecv.core.errors import EdgecvError, InputError
from edgecv.core.input_spec import input_spec_of
from edgecv.formats.onnx.runtime import OnnxRuntime


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def slow(*values: Any) -> Any:
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("options", "preprocess"),
    [
        ({"opset": 9, "ir_version": 3, "batch": 1}, "0..1"),
        slow({"opset": 12, "batch": 1, "flatten": "Reshape"}, "-1..1"),
        ({"opset": 17, "ends_in": "softmax", "padded": False}, "imagenet"),
        slow({"opset": 17, "ends_in": "softmax"}, "imagenet"),
        slow({"opset": 21, "ir_version": 10, "ends_in": "map"}, "caffe"),
        slow({"channels": 1, "flatten": "Reshape"}, "0..1"),
    ],
    ids=str,
)
def test_it_becomes_a_twin_and_an_int8_file(
    options: dict[str, Any], preprocess: str, tmp_path: Path
) -> None:
    model = onnx_networks.residual(tmp_path / "model.onnx", **options)
    channels = options.get("channels", 3)
    data = onnx_networks.labelled_by(model, tmp_path / "data.npz", preprocess, channels)
    report = edgecv.compress(
        model,
        data=data,
        preprocess=preprocess,
        max_drop="none",  # Random weights: int8 changes many answers, half of a rare class too.
        max_class_drop="none",
        output=tmp_path / "out",
        name="run",
    )
    run = tmp_path / "out" / "run"
    assert report.outcome == "passed"
    assert (run / "baseline.onnx").read_bytes() == model.read_bytes()
    twin, int8 = report.comparisons
    assert twin.max_probability_difference < 1e-4  # type: ignore[operator]
    assert int8.input.type == "uint8"
    assert int8.input.shape[1:] == (16, 16, channels)
    # Random weights put many images near a border: of these, the classes say less than the numbers.
    assert int8.mean_probability_difference < 0.04  # type: ignore[operator]
    images = np.load(data)["x_test"][:50]
    outputs = OnnxRuntime().open(model, 1, input_spec_of(preprocess)).predict(images).only
    expected = outputs if options.get("ends_in") == "softmax" else softmax(outputs)
    answers = OnnxRuntime().open(run / "float32.onnx", 1).predict(images).only
    np.testing.assert_allclose(answers, expected, atol=1e-4)
    again = edgecv.validate(run)
    assert again.baseline is not None
    assert again.baseline.value == 1.0
    assert again.comparisons[0].max_probability_difference < 1e-4  # type: ignore[operator]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model that takes -1..1, and data that it is right on."""
    place = tmp_path_factory.mktemp("foreign")
    model = onnx_networks.residual(place / "model.onnx")
    onnx_networks.labelled_by(model, place / "data.npz", "-1..1")
    return place


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prune": 0.5}, "prune cannot be applied; accepted: quantize=.none., int8 or mixed;"),
        ({"qat": True}, "cannot be trained: qat cannot be applied"),
        ({"formats": "tflite"}, "cannot be written as tflite; accepted: formats=.onnx."),
        ({"formats": "tflite,onnx"}, "cannot be written as tflite"),
        ({"quantize": "float16"}, "onnx files cannot be written so"),
        ({"architecture": "resnet8"}, "cannot be given beside model="),
    ],
)
def test_what_needs_a_keras_model_is_refused_at_once(
    options: dict[str, Any], message: str, folder: Path, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {"data": folder / "data.npz", "output": tmp_path / "out", **options}
    with pytest.raises(InputError, match=message):
        edgecv.compress(folder / "model.onnx", **asked)
    assert not (tmp_path / "out" / "run").exists()


def test_quantize_none_gives_the_twin_alone(folder: Path, tmp_path: Path) -> None:
    report = edgecv.compress(
        folder / "model.onnx",
        data=folder / "data.npz",
        preprocess="-1..1",
        quantize="none",
        output=tmp_path / "out",
        name="run",
    )
    assert [each.artifact.path for each in report.comparisons] == ["float32.onnx"]
    assert report.baseline is not None
    assert report.baseline.value == 1.0


def edited(source: Path, target: Path, kind: str) -> Path:
    """Write the model as another exporter would that edgecv cannot take."""
    import onnx
    from onnx import helper

    model = onnx.load(source)
    graph = model.graph
    if kind == "external":
        onnx.save(model, target, save_as_external_data=True, location="more.bin", size_threshold=0)
        target.with_name("more.bin").unlink()
        return target
    if kind == "quantized":
        scale = helper.make_tensor("s", 1, [], [1 / 64])
        zero = helper.make_tensor("z", 3, [], [0])
        graph.initializer.extend([scale, zero])
        names = ["input", "s", "z"]
        graph.node.insert(0, helper.make_node("QuantizeLinear", names, ["q"]))
        graph.node.insert(1, helper.make_node("DequantizeLinear", ["q", "s", "z"], ["real"]))
        graph.node[2].input[0] = "real"
    if kind == "garbage":
        target.write_bytes(b"\x08\x07" + bytes(range(256)))
        return target
    onnx.save(model, target)
    return target


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("external", "which cannot be read"),
        ("quantized", "is quantized already: it has DequantizeLinear, QuantizeLinear"),
        ("garbage", "is not an ONNX file"),
    ],
)
def test_what_cannot_be_quantized_is_one_line(
    kind: str, message: str, folder: Path, tmp_path: Path
) -> None:
    model = edited(folder / "model.onnx", tmp_path / "edited.onnx", kind)
    with pytest.raises(EdgecvError, match=message) as caught:
        edgecv.compress(
            model,
            data=folder / "data.npz",
            preprocess="-1..1",
            quantize="none",
            output=tmp_path / "out",
        )
    assert "\n" not in str(caught.value)


def test_wrong_pixels_are_noticed_and_the_right_ones_named(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "model.onnx", tmp_path / "model.onnx")
    message = r'other pixels than 0\.\.255: .*100\.0% as -1\.\.1.*; give preprocess="-1..1"'
    with pytest.raises(InputError, match=message):
        edgecv.validate(tmp_path / "model.onnx", data=folder / "data.npz")
    with pytest.raises(InputError, match=message):
        edgecv.compress(tmp_path / "model.onnx", data=folder / "data.npz", output=tmp_path / "out")
