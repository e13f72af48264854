"""Files of several inputs, fed with arrays by name."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from lite_converter import lite_converter

import edgecv
from edgecv.core.errors import InputError
from edgecv.datasets.npz_arrays import holds_inputs
from edgecv.models.tf import load_tensorflow

SHAPE = (12, 7)
RANDOM = np.random.default_rng(0)
ARRAYS = {
    "spectrogram": RANDOM.normal(size=(20, *SHAPE)).astype(np.float32),
    "word": RANDOM.integers(0, 5, (20, 3)),
}


def write_model(path: Path, factor: float) -> Path:
    """Write a model of two inputs: spectrogram x factor, and what a table says of three words."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    table = np.arange(10, dtype=np.float32).reshape(5, 2)
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["spectrogram", "factor"], ["louder"]),
            helper.make_node("Gather", ["table", "word"], ["meaning"]),
        ],
        "two",
        [
            helper.make_tensor_value_info("spectrogram", TensorProto.FLOAT, [1, *SHAPE]),
            helper.make_tensor_value_info("word", TensorProto.INT64, [1, 3]),
        ],
        [
            helper.make_tensor_value_info("louder", TensorProto.FLOAT, [1, *SHAPE]),
            helper.make_tensor_value_info("meaning", TensorProto.FLOAT, [1, 3, 2]),
        ],
        [numpy_helper.from_array(np.float32(factor), "factor"),
         numpy_helper.from_array(table, "table")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    np.savez(folder / "inputs.npz", **ARRAYS)
    factors = {"true": 2.0, "near": 2.01, "wrong": -2.0}
    found = {name: write_model(folder / f"{name}.onnx", each) for name, each in factors.items()}
    return {**found, "inputs": folder / "inputs.npz"}


def test_arrays_are_fed_by_name(models: dict[str, Path]) -> None:
    report = edgecv.validate(
        models["near"], baseline=models["true"], data=models["inputs"], min_sqnr=40
    )
    assert report.outcome == "passed"
    assert (report.data.name, report.data.splits["test"].images) == ("inputs.npz", 20)
    louder, meaning = report.comparisons[0].output_differences
    largest = np.abs(ARRAYS["spectrogram"]).max() * 0.01
    assert louder.largest == pytest.approx(largest, rel=1e-4)
    assert (meaning.name, meaning.largest) == ("meaning", 0.0)
    wrong = edgecv.validate(models["wrong"], baseline=models["true"], data=models["inputs"])
    assert wrong.outcome == "failed"


def test_only_a_npz_without_images_holds_inputs(models: dict[str, Path], tmp_path: Path) -> None:
    assert holds_inputs(models["inputs"])
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("test/cat/1.png", b"pixels")
    np.savez(tmp_path / "data.npz", x_test=np.zeros(3), y_test=np.zeros(3))
    for other in ("images.zip", "data.npz", "missing.npz", "."):
        assert not holds_inputs(tmp_path / other)


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"word": None}, r"holds spectrogram, and .*true\.onnx takes spectrogram, word"),
        ({"word": ARRAYS["word"][:7]}, "holds other numbers of samples: spectrogram 20, word 7"),
        ({"word": np.zeros((20, 4), int)}, r"word is int64 \[20, 4\]"),
        ({"word": np.array([["a"] * 3] * 20)}, "word is <U1"),
        ({"spectrogram": np.full((20, *SHAPE), np.nan)}, "spectrogram holds NaN"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    models: dict[str, Path], tmp_path: Path, changed: dict[str, np.ndarray | None], found: str
) -> None:
    arrays = {name: each for name, each in {**ARRAYS, **changed}.items() if each is not None}
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(InputError, match=found):
        edgecv.validate(models["near"], baseline=models["true"], data=tmp_path / "bad.npz")


def write_difference(path: Path, *inputs: str) -> Path:
    """Write a model that subtracts one input from another; ``inputs``: their order in the file.

    The one whose name ends in "lost" is subtracted.
    """
    import onnx
    from onnx import TensorProto, helper

    less, more = sorted(inputs, key=lambda name: "lost" not in name)
    ends = [helper.make_tensor_value_info(each, TensorProto.FLOAT, [1, 4]) for each in inputs]
    left = helper.make_tensor_value_info("left", TensorProto.FLOAT, [1, 4])
    graph = helper.make_graph([helper.make_node("Sub", [more, less], ["left"])], "g", ends, [left])
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    values = {name: RANDOM.normal(size=(5, 4)).astype(np.float32) for name in ("had", "lost")}
    np.savez(folder / "parts.npz", **values)
    return folder


@pytest.mark.parametrize("is_given", [True, False], ids=["arrays", "random values"])
def test_inputs_of_one_shape_belong_together_by_name(is_given: bool, parts: Path) -> None:
    """They were taken in their order, and a right file answered the wrong question."""
    data = {"data": parts / "parts.npz"} if is_given else {}
    true = write_difference(parts / "true.onnx", "lost", "had")
    for number, names in enumerate((("had", "lost"), ("serving_default_had:0", "lost:0"))):
        other = write_difference(parts / f"{number}.onnx", *names)
        (found,) = edgecv.validate(other, baseline=true, **data).comparisons
        assert [each.largest for each in found.output_differences] == [0.0]
        assert found.artifact.notes == ()


def test_inputs_of_other_names_are_taken_in_order_and_said(parts: Path) -> None:
    true = write_difference(parts / "true.onnx", "lost", "had")
    other = write_difference(parts / "other.onnx", "x_lost", "y")
    (found,) = edgecv.validate(other, baseline=true, data=parts / "parts.npz").comparisons
    assert found.output_differences[0].largest == 0
    assert found.artifact.notes == (
        "its inputs have other names than the baseline's, and are taken in their order: x_lost as"
        " lost, y as had",
    )


def test_inputs_of_a_tflite_file_are_named_by_its_signature(parts: Path) -> None:
    """``serving_default_had:0`` had to be the name of an array."""
    _, keras = load_tensorflow()
    had, lost = (keras.Input((4,), name=name) for name in ("had", "lost"))
    path = parts / "left.tflite"
    path.write_bytes(lite_converter(keras.Model([had, lost], had - lost)).convert())
    for order in (("had", "lost"), ("lost", "had")):
        other = write_difference(parts / "two.onnx", *order)
        (found,) = edgecv.validate(other, baseline=path, data=parts / "parts.npz").comparisons
        assert found.output_differences[0].largest == 0
    np.savez(parts / "one.npz", had=np.zeros((5, 4)))
    with pytest.raises(InputError, match=r"holds had, and .*left\.tflite takes had, lost"):
        edgecv.validate(path, baseline=path, data=parts / "one.npz")
