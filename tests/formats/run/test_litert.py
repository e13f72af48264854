"""TFLite files through LiteRT."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lite_converter import lite_converter
from refusal import check_refused

from edgecv.core.data import Images
from edgecv.core.errors import RuntimeFailure, UnsuitableFile
from edgecv.formats.tflite.inspect import read
from edgecv.formats.tflite.runtime import LiteRT
from edgecv.models.tf import load_tensorflow

NAMES = ["float32", "int8_of_bytes", "int8_of_int8", "int16x8"]
TOLERANCE = {"float32": 1e-6, "int8_of_bytes": 0.02, "int8_of_int8": 0.02, "int16x8": 0.01}


@pytest.mark.parametrize("name", NAMES)
def test_it_answers_as_keras_does(
    name: str, tflite: dict[str, Path], images: Images, expected: np.ndarray
) -> None:
    predictions = LiteRT().open(tflite[name], threads=1).predict(images).only
    assert predictions.dtype == np.float32
    np.testing.assert_allclose(predictions, expected, atol=TOLERANCE[name])


@pytest.mark.parametrize("name", NAMES)
def test_threads_and_neighbours_change_nothing(
    name: str, tflite: dict[str, Path], images: Images
) -> None:
    alone = LiteRT().open(tflite[name], threads=1)
    one_by_one = np.concatenate([alone.predict(image[None]).only for image in images])
    for threads in (1, 2, 3):
        together = LiteRT().open(tflite[name], threads).predict(images).only
        np.testing.assert_array_equal(together, one_by_one)


def test_the_facts_of_a_quantized_file(tflite: dict[str, Path]) -> None:
    facts = LiteRT().open(tflite["int8_of_bytes"], threads=1).facts
    assert (facts.input.shape, facts.input.type) == ((1, 8, 8, 3), "uint8")
    assert facts.input.scale == pytest.approx(1.0)
    assert (facts.output.type, facts.output.zero_point) == ("int8", -128)
    assert facts.output.scale == pytest.approx(1 / 256)
    plain = LiteRT().open(tflite["float32"], threads=1).facts
    assert (plain.input.scale, plain.input.zero_point) == (None, None)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_single_call_runs_and_leaves_predictions_alone(
    threads: int, tflite: dict[str, Path], images: Images
) -> None:
    session = LiteRT().open(tflite["int8_of_bytes"], threads)
    before = session.predict(images).only
    call = session.single_call(images[:1])
    for _ in range(3):
        call()
    np.testing.assert_array_equal(session.predict(images).only, before)


def test_no_images_give_no_predictions(tflite: dict[str, Path], images: Images) -> None:
    assert LiteRT().open(tflite["float32"], threads=2).predict(images[:0]).only.shape == (0, 3)


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((2, 9, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8), np.zeros((2, 8, 8, 3))],
    ids=["size", "rank", "type"],
)
def test_other_images_are_refused_with_both_shapes(
    wrong: np.ndarray, tflite: dict[str, Path]
) -> None:
    session = LiteRT().open(tflite["float32"], threads=1)
    for use in (session.predict, session.single_call):
        with pytest.raises(RuntimeFailure) as caught:
            use(wrong)
        assert "[8, 8, 3]" in str(caught.value)
        assert str(list(wrong.shape)) in str(caught.value)


@pytest.mark.quick
@pytest.mark.parametrize("content", [b"", b"noise" * 100, b"\x1c\0\0\0TFL3" + b"\0" * 50])
def test_what_is_not_a_tflite_file_is_refused(content: bytes, tmp_path: Path) -> None:
    check_refused(LiteRT(), tmp_path / "bad.tflite", content, r"LiteRT refused it: .|is empty")


@pytest.mark.parametrize("has_flex", [True, False])
def test_an_operator_of_another_maker_is_named_and_wrong_input(
    has_flex: bool, tmp_path: Path
) -> None:
    tensorflow, keras = load_tensorflow()
    taken = keras.layers.Input((4, 4, 3))
    model = keras.Model(taken, tensorflow.linalg.det(taken[..., :3, :]))
    converter = tensorflow.lite.TFLiteConverter.from_keras_model(model)
    converter.allow_custom_ops = not has_flex
    if has_flex:
        converter.target_spec.supported_ops = [tensorflow.lite.OpsSet.SELECT_TF_OPS]
    path = tmp_path / "a.tflite"
    path.write_bytes(converter.convert())
    with pytest.raises(
        UnsuitableFile, match=r"(MatrixDeterminant|interpreter)\.?; .*edgecv inspect reads the file"
    ):
        LiteRT().open(path, threads=1)


@pytest.mark.quick
def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailure, match="cannot be read: No such file"):
        LiteRT().open(tmp_path / "none.tflite", threads=1)


def write_model(path: Path, inputs: Any, outputs: Any) -> Path:
    _, keras = load_tensorflow()
    model = keras.Model(inputs, outputs)
    path.write_bytes(lite_converter(model).convert())
    return path


def test_nan_is_refused_with_how_many_images(tmp_path: Path) -> None:
    _, keras = load_tensorflow()
    image = keras.Input((2, 2, 1))
    # The square root of 10 minus the pixel: NaN for pixels above 10.
    flat = keras.layers.Flatten()(image)
    path = write_model(
        tmp_path / "nan.tflite", image, keras.layers.Lambda(lambda x: (10 - x) ** 0.5)(flat)
    )
    session = LiteRT().open(path, threads=1)
    images = np.zeros((5, 2, 2, 1), np.uint8)
    assert session.predict(images).only.shape == (5, 4)
    images[3:] = 200
    with pytest.raises(RuntimeFailure, match="NaN or infinity on 2 of 5 images"):
        session.predict(images)


def test_files_that_take_no_image_are_refused(tmp_path: Path) -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    image, vector = keras.Input((4, 4, 3)), keras.Input((5,))
    row = layers.Dense(2)(layers.Flatten()(image))
    cases = {
        r"2 inputs .* and 1 output ": ([image, vector], layers.Dense(2)(vector) + row),
        r"input .* has shape \[1, 5\]": (vector, layers.Dense(2)(vector)),
    }
    for message, (inputs, outputs) in cases.items():
        path = write_model(tmp_path / "odd.tflite", inputs, outputs)
        with pytest.raises(RuntimeFailure, match=message):
            LiteRT().open(path, threads=1)


def test_one_number_for_all_images_is_refused(tmp_path: Path) -> None:
    """The message was one of zip(), and the exit code that of a crash."""
    tensorflow, keras = load_tensorflow()
    image = keras.Input((4, 4, 3))
    total = keras.layers.Lambda(tensorflow.reduce_sum)(image)
    path = write_model(tmp_path / "scalar.tflite", image, total)
    with pytest.raises(
        UnsuitableFile, match=r"its output .* has shape \[\]; accepted: outputs of a"
    ):
        LiteRT().open(path, threads=1)


def test_every_output_is_given_by_the_name_of_the_signature(tmp_path: Path) -> None:
    _, keras = load_tensorflow()
    image = keras.Input((4, 4, 3))
    row = keras.layers.GlobalAveragePooling2D(name="row")(image)
    outputs = [row, keras.layers.Rescaling(0.5, name="map")(image)]
    path = write_model(tmp_path / "two.tflite", image, outputs)
    session = LiteRT().open(path, threads=2)
    images = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 3), np.uint8)
    found = session.predict(images).arrays
    assert {each.name for each in session.facts.outputs} == set(found) == {"map", "row"}
    np.testing.assert_allclose(found["map"], images * 0.5)
    np.testing.assert_allclose(found["row"], images.mean(axis=(1, 2)), rtol=1e-5)


def test_one_input_and_output_are_named_by_the_signature(tmp_path: Path) -> None:
    """A newcomer read "StatefulPartitionedCall:0" for the probabilities."""
    _, keras = load_tensorflow()
    image = keras.Input((4, 4, 3), name="photo")
    row = keras.layers.GlobalAveragePooling2D(name="row")(image)
    session = LiteRT().open(write_model(tmp_path / "one.tflite", image, row), threads=1)
    assert (session.facts.input.name, session.facts.outputs[0].name) == ("photo", "row")


def test_each_name_of_one_tensor_is_that_of_an_end(tmp_path: Path) -> None:
    """Of two outputs over one tensor a name was lost, and an input had the name of an output."""
    tensorflow, _ = load_tensorflow()
    spec = tensorflow.TensorSpec((1, 4, 4, 3), name="image")

    @tensorflow.function(input_signature=[spec])
    def outputs(image: Any) -> dict[str, Any]:
        mean = tensorflow.reduce_mean(image, [1, 2])
        return {"p": mean, "same": mean, "i": tensorflow.identity(image)}

    function = outputs.get_concrete_function()
    owner = tensorflow.Module()
    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions([function], owner)
    path = tmp_path / "ends.tflite"
    path.write_bytes(converter.convert())
    facts, contents = LiteRT().open(path, threads=1).facts, read(path.read_bytes(), str(path))
    for taken, given in (([facts.input], facts.outputs), (contents.inputs, contents.outputs)):
        assert [each.name for each in taken] == ["image"]
        assert sorted(each.name for each in given) == ["i", "p", "same"]


@pytest.mark.parametrize("kernels", ["xnnpack", "builtin", "reference"])
def test_all_kernels_give_what_keras_gives(
    kernels: str, tflite: dict[str, Path], images: Images, expected: np.ndarray
) -> None:
    session = LiteRT(kernels=kernels).open(tflite["float32"], threads=1)  # type: ignore[arg-type]
    np.testing.assert_allclose(session.predict(images).only, expected, atol=1e-5)
