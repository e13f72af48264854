"""TFLite files of other makers: any input type and scale, open sizes, channels in front."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.analysis.inspection.read_file import inspect
from edgecv.core.errors import RuntimeFailure
from edgecv.core.input_spec import input_spec_of
from edgecv.formats.tflite.runtime import LiteRT
from edgecv.models.tf import load_tensorflow

IMAGES = np.random.default_rng(1).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
UNIT, HALF = (1 / 255, 0.0), (1 / 127.5, -1.0)


@pytest.fixture(scope="module")
def model() -> Any:
    """Return a network that takes floats around zero and gives logits."""
    _, keras = load_tensorflow()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Conv2D(4, 3, strides=2, activation="relu", input_shape=(8, 8, 3)),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ]
    )


def convert(
    model: Any, path: Path, affine: tuple[float, float], kind: str, taken: str = "float32"
) -> Path:
    """Convert a model as its maker would who trained it on ``scale * pixel + offset``."""
    tensorflow, _ = load_tensorflow()
    lite = tensorflow.lite
    converter = lite.TFLiteConverter.from_keras_model(model)
    if kind != "float32":
        converter.optimizations = [lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tensorflow.float16]
    if kind in ("int8", "int16"):
        numbers = (IMAGES * affine[0] + affine[1]).astype(np.float32)
        numbers.flat[0], numbers.flat[1] = affine[1], 255 * affine[0] + affine[1]
        converter.representative_dataset = lambda: ([each[None]] for each in numbers)
        converter.inference_input_type = getattr(tensorflow, taken)
    if kind == "int16":
        sets = lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        converter.target_spec.supported_ops = [sets]
    path.write_bytes(converter.convert())
    return path


@pytest.mark.parametrize(
    ("kind", "taken", "affine", "preprocess", "name"),
    [
        ("float32", "float32", UNIT, "0..1", None),
        ("float16", "float32", HALF, "-1..1", None),
        ("dynamic", "float32", HALF, "-1..1", None),
        ("int8", "float32", UNIT, "0..1", None),
        ("int8", "uint8", UNIT, None, "0..1"),
        ("int8", "int8", UNIT, None, "0..1"),
        ("int8", "uint8", HALF, None, "-1..1"),
        ("int8", "int8", HALF, "-1..1", None),
        ("int16", "int16", HALF, "-1..1", None),
    ],
)
def test_it_answers_as_keras_does(
    model: Any,
    kind: str,
    taken: str,
    affine: tuple[float, float],
    preprocess: str | None,
    name: str | None,
    tmp_path: Path,
) -> None:
    path = convert(model, tmp_path / "a.tflite", affine, kind, taken)
    session = LiteRT().open(path, 1, input_spec_of(preprocess))
    assert session.facts.input.type == taken
    expected = model((IMAGES * affine[0] + affine[1]).astype(np.float32)).numpy()
    tolerance = 1e-3 if kind in ("float32", "float16") else 0.05 * np.abs(expected).max()
    np.testing.assert_allclose(session.predict(IMAGES).only, expected, atol=tolerance)
    assert [f"pixels enter as {name}" in note for note in session.facts.notes] == (
        [True] if name else []
    )
    session.single_call(IMAGES[:1])()


def test_what_an_even_range_may_stand_for_is_asked(model: Any, tmp_path: Path) -> None:
    """int16 reaches as far below zero as above: 0..1 looks like -1..1 there."""
    path = convert(model, tmp_path / "a.tflite", UNIT, "int16", "int16")
    with pytest.raises(RuntimeFailure, match=r"give --preprocess with one of 0..1, -1..1"):
        LiteRT().open(path, 1)


def test_an_open_size_is_given_by_a_flag(tmp_path: Path) -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    image = keras.Input((None, None, 3))
    hidden = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(image))
    model = keras.Model(image, layers.Dense(3)(hidden))
    path = convert(model, tmp_path / "a.tflite", UNIT, "float32")
    with pytest.raises(RuntimeFailure, match=r"height and width are open; .*give --input-size"):
        LiteRT().open(path, 1)
    session = LiteRT().open(path, 2, input_spec_of("0..1", input_size="8x8"))
    assert session.facts.image == (8, 8, 3)
    expected = model((IMAGES / 255).astype(np.float32)).numpy()
    np.testing.assert_allclose(session.predict(IMAGES).only, expected, atol=1e-4)
    session.single_call(IMAGES[:1])()
    known = inspect(path, input_spec_of(input_size="8x8"))
    assert known.contents.macs == 6 * 6 * 4 * 27 + 4 * 3
    assert known.contents.inputs[0].shape == (-1, -1, -1, 3)
    assert known.image is not None
    assert inspect(path).image is None


@pytest.mark.parametrize(
    ("batch", "shape"), [(1, (8, 8)), (4, (8, 8)), (4, (8, 8, 3)), (4, (3, 8, 8))]
)
def test_grey_images_and_fixed_batches(batch: int, shape: tuple[int, ...], tmp_path: Path) -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    image = keras.Input(shape, batch_size=batch)
    hidden = layers.Dense(6, activation="relu")(layers.Flatten()(image))
    model = keras.Model(image, layers.Dense(3)(hidden))
    path = convert(model, tmp_path / "a.tflite", UNIT, "float32")
    spec, runtime = input_spec_of("0..1"), LiteRT()
    channels = 1 if len(shape) == 2 else 3
    images = IMAGES[:7, ..., :channels]
    numbers = (images / 255).astype(np.float32)
    moved = numbers.transpose(0, 3, 1, 2) if shape[0] == 3 else numbers
    expected = model(moved.reshape(7, *shape)).numpy()
    session = runtime.open(path, 2, spec)
    assert session.facts.image == (8, 8, channels)
    assert session.facts.batch == batch
    np.testing.assert_allclose(session.predict(images).only, expected, atol=1e-4)
    session.single_call(images[:1])()
    assert runtime.executed(path, images[:1], spec)
    *_, last = runtime.activations(path, images, spec)
    np.testing.assert_allclose(last.values, expected, atol=1e-4)
    extremes = runtime.watcher(path, 1, spec)(images)
    np.testing.assert_allclose(extremes.high[:, -1], expected.max(axis=1), atol=1e-4)
    assert runtime.stored(path, spec).kernels
    assert not runtime.input_evidence(session, path, images[:4], spec).rescaling


def test_channels_in_front_and_an_answer_of_four_axes(tmp_path: Path) -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    image = keras.Input((3, 8, 8))
    moved = layers.Permute((2, 3, 1))(image)
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(moved)
    model = keras.Model(image, layers.Conv2D(5, 1)(pooled))
    path = convert(model, tmp_path / "a.tflite", UNIT, "float32")
    session = LiteRT().open(path, 1, input_spec_of("0..1"))
    assert session.facts.notes == ("it takes channels before height and width",)
    numbers = (IMAGES / 255).astype(np.float32).transpose(0, 3, 1, 2)
    expected = model(numbers).numpy().reshape(len(IMAGES), 5)
    np.testing.assert_allclose(session.predict(IMAGES).only, expected, atol=1e-5)
