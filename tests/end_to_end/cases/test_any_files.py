"""Handed files of kinds that people bring: any outputs, 16-bit floats, weights beside the file."""

import os
import shutil
from pathlib import Path

import pytest
from exact_products import needs_exact_products
from paths import SHARED

import edgecv
from edgecv.analysis.bench import BenchOptions, bench_files
from edgecv.core.errors import InputError

CASES = SHARED / "cases"
pytestmark = pytest.mark.skipif(
    not CASES.is_dir(), reason=f"needs {CASES}, which is not part of the project"
)
DETECTION = CASES / "detection_four_outputs.tflite"
FIRST, EXTERNAL = CASES / "channels_first.onnx", CASES / "external.onnx"
HALVES = CASES / "channels_first_float16.onnx"
IMAGES = CASES / "channels_first-images.npz"


def test_files_of_any_inputs_and_outputs_are_timed() -> None:
    found = bench_files([DETECTION, FIRST, HALVES, EXTERNAL], BenchOptions(budget=1.0))
    assert found.failures == {}
    assert len(found.timings) == 4
    assert all(each.latency.median_us > 0 for each in found.timings)


def test_four_outputs_are_compared_by_numbers(tmp_path: Path) -> None:
    copy = Path(shutil.copy(DETECTION, tmp_path / "copy.tflite"))
    report = edgecv.validate(DETECTION, baseline=copy)
    (comparison,) = report.comparisons
    assert report.outcome == "passed"
    assert report.data.name == "random values"
    assert [each.largest for each in comparison.output_differences] == [0.0] * 4
    assert comparison.value is None
    assert comparison.agreement == 1.0
    assert [each.name for each in comparison.further_outputs] == [
        each.name for each in comparison.output_differences[1:]
    ]


def test_a_damaged_file_differs_by_numbers_on_images_too(tmp_path: Path) -> None:
    """The weights of the file's largest kernel, which are int8, stand in reverse order."""
    from ai_edge_litert import schema_py_generated as schema

    content = DETECTION.read_bytes()
    model = schema.Model.GetRootAs(content, 0)
    buffers = map(model.Buffers, range(model.BuffersLength()))
    largest = max((each.DataAsNumpy() for each in buffers if each.DataLength()), key=len)
    weights = largest.tobytes()
    assert content.count(weights) == 1
    content = content.replace(weights, weights[::-1])
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(content)
    data = CASES / "digits32.npz"
    report = edgecv.validate(damaged, baseline=DETECTION, data=data)
    (comparison,) = report.comparisons
    assert max(each.largest for each in comparison.output_differences) > 0
    assert report.outcome != "passed"
    (reason,) = {gate.reason for gate in report.gates if gate.name == "outputs"}
    assert "4 outputs compared by numbers" in reason
    assert "give --min-cosine" in reason
    assert report.data.name == data.name
    with pytest.raises(InputError, match="FILE compares the numbers"):
        edgecv.validate(damaged, data=data)


@needs_exact_products
@pytest.mark.parametrize("model", [EXTERNAL, HALVES], ids=["external", "float16"])
def test_compress_takes_it(model: Path, tmp_path: Path) -> None:
    report = edgecv.compress(
        model, data=IMAGES, preprocess="-1..1", output=tmp_path / "out", name="run", max_drop=5.0
    )
    assert report.outcome == "passed"
    twin, int8 = report.comparisons
    assert twin.max_probability_difference < 1e-4  # type: ignore[operator]
    assert int8.agreement > 0.95  # type: ignore[operator]
    baseline = tmp_path / "out" / "run" / "baseline.onnx"
    assert baseline.stat().st_size > 4000
    assert list((tmp_path / "out" / "run").glob("*.data")) == []
    assert edgecv.validate(tmp_path / "out" / "run").outcome == "passed"


def test_a_grouped_transposed_convolution_becomes_int8(tmp_path: Path) -> None:
    report = edgecv.compress(
        CASES / "grouped_conv_transpose.onnx",
        data=CASES / "grouped_conv_transpose-images.npz",
        preprocess="-1..1",
        output=tmp_path / "out",
    )
    assert report.comparisons[1].agreement >= 0.95  # type: ignore[operator]


def test_a_file_with_weights_beside_it_is_as_large_as_both(tmp_path: Path) -> None:
    report = edgecv.validate(EXTERNAL, data=IMAGES, preprocess="-1..1", baseline=FIRST)
    (comparison,) = report.comparisons
    assert comparison.agreement == 1.0
    assert comparison.artifact.bytes > (CASES / "model.onnx.data").stat().st_size


@pytest.mark.parametrize("kind", ["missing", "cut", "link", "outside", "fifo"])
def test_weights_elsewhere_are_refused(kind: str, tmp_path: Path) -> None:
    folder, outside = tmp_path / "inside", tmp_path / "model.onnx.data"
    folder.mkdir()
    data = folder / "model.onnx.data"
    shutil.copy(CASES / data.name, outside)
    model = Path(shutil.copy(EXTERNAL, folder / "model.onnx"))
    if kind == "cut":
        data.write_bytes(outside.read_bytes()[:100])
    elif kind == "link":
        data.symlink_to(outside)
    elif kind == "outside":
        content = model.read_bytes().replace(b"model.onnx.data", b"../del.onnx.dat")
        model.write_bytes(content)
    elif kind == "fifo":
        os.mkfifo(data)
    with pytest.raises(InputError) as caught:
        edgecv.compress(model, data=IMAGES, preprocess="-1..1", output=tmp_path / "out")
    message = str(caught.value)
    assert "model.onnx" in message
    assert "\n" not in message
    if kind == "link":
        found = bench_files([model, FIRST], BenchOptions(budget=1.0))
        assert list(found.failures) == [str(model)]
