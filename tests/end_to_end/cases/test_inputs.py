"""Files whose images have an open size, no channel axis, or channels in front."""

from pathlib import Path

import pytest
from paths import SHARED

import edgecv
from edgecv.core.errors import EdgecvError
from edgecv.core.input_spec import input_spec_of
from edgecv.core.report import Report
from edgecv.formats.trust import NO_TRUST
from edgecv.pipeline.conversion.adapt_model import adapt

CASES = SHARED / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the handed cases are not here")


def test_channels_in_front_are_timed() -> None:
    files = [CASES / "channels_first.onnx", CASES / "channels_first_float16.onnx"]
    found = edgecv.bench(files, budget=1)
    assert not found.failures
    assert len(found.timings) == 2


@pytest.mark.parametrize("name", ["channels_first.onnx", "channels_first_float16.onnx"])
def test_channels_in_front_are_diagnosed(name: str) -> None:
    found = edgecv.doctor(CASES / name, preprocess="-1..1")
    assert all(each.severity != "error" for each in found.findings)


def test_each_look_inside_takes_channels_in_front() -> None:
    """Layers, kernels and a file beside it: all of them read the input in one way."""
    path, data = CASES / "channels_first.onnx", CASES / "channels_first-images.npz"
    found = edgecv.doctor(
        path, data=data, baseline=path, beside=path, preprocess="-1..1", layout="nchw"
    )
    assert found.parity is not None
    assert not any(cell.failure for cell in found.parity.cells)
    assert min(each.sqnr_db for each in found.layers) >= 40


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "its height and width are open; .*give input_size=HEIGHTxWIDTH"),
        ({"input_size": "32"}, "HEIGHTxWIDTH"),
        ({"input_size": "32x32", "layout": "nhwc"}, "layout= says nhwc"),
    ],
)
def test_an_open_size_is_asked_for_by_its_flag(options: dict[str, str], message: str) -> None:
    for act in (edgecv.bench, edgecv.doctor, edgecv.inspect):
        if act is edgecv.inspect and not options:
            continue  # What does not depend on the size is shown.
        with pytest.raises(EdgecvError, match=message) as caught:
            act(CASES / "open_size.onnx", **options)
        assert caught.value.exit_code == 2


def test_a_flag_against_a_fixed_size_is_wrong_input() -> None:
    for act in (edgecv.bench, edgecv.doctor, edgecv.inspect):
        with pytest.raises(EdgecvError, match="says 32x32; leave input_size= out") as caught:
            act(CASES / "channels_first.onnx", input_size="32x32")
        assert caught.value.exit_code == 2


def test_costs_of_an_open_size() -> None:
    known = edgecv.inspect(CASES / "open_size.onnx", input_size="32x32").contents
    assert all(each.macs is not None for each in known.operators)
    larger = edgecv.inspect(CASES / "open_size.onnx", input_size="64x64").contents
    assert larger.macs > 3 * known.macs > 0
    assert known.inputs[0].shape == (-1, 3, -1, -1), "the input is shown as the file has it"


def compressed(model: str, data: str, folder: Path, **asked: str) -> Report:
    return edgecv.compress(
        CASES / model, data=CASES / data, output=str(folder), name="case", **asked
    )


def test_an_onnx_file_of_an_open_size_is_quantized(tmp_path: Path) -> None:
    asked = {"input_size": "32x32", "preprocess": "-1..1"}
    report = compressed("open_size.onnx", "open_size-images.npz", tmp_path, **asked)
    (int8,) = (each for each in report.comparisons if not each.is_twin)
    assert int8.agreement is not None
    assert int8.agreement > 0.96
    assert report.recipe["baseline"]["input_size"] == [32, 32]


def test_a_missing_channel_axis_is_added_and_said(tmp_path: Path) -> None:
    asked = {"preprocess": "0..1", "formats": "tflite"}
    report = compressed("input_without_channels.keras", "digits28.npz", tmp_path, **asked)
    assert all(each.value is not None and each.value > 0.94 for each in report.comparisons)
    assert any("without an axis for their channel: one was added" in each for each in report.notes)


@pytest.mark.parametrize(
    ("name", "size", "shape"),
    [
        ("fully_convolutional.keras", "24x32", (24, 32, 3)),
        ("open_size_resizing.keras", None, (24, 24, 3)),
    ],
)
def test_keras_files_of_an_open_size(name: str, size: str | None, shape: tuple[int, ...]) -> None:
    adapted = adapt(CASES / name, input_spec_of(input_size=size), NO_TRUST)
    assert adapted.facts.shape == shape
    assert adapted.model.inputs[0].shape[1:] == shape
    assert any(f"images of {shape[0]}x{shape[1]}" in each for each in adapted.facts.notes)


def test_a_keras_file_whose_size_is_unclear() -> None:
    with pytest.raises(EdgecvError, match=r"are open.*give --input-size") as caught:
        adapt(CASES / "open_size.keras", input_spec_of(), NO_TRUST)
    assert caught.value.exit_code == 2
