"""Pixels are the codes of an int8 input: what rescales them is declared where that is exact."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from exported_runs import Runtimes

from edgecv.core.artifact import TensorFacts
from edgecv.core.errors import StepError
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.preprocessing import PIXEL_STEPS, Preprocessing
from edgecv.formats.image_input import pixel_encoder, preprocessing_of
from edgecv.formats.tflite.check import prove
from edgecv.formats.tflite.exporter import TFLite
from edgecv.formats.tflite.tables import TFLiteTables
from edgecv.models.declared_pixels import PixelInput, declared_pixels
from edgecv.models.tf import keras

PIXEL_STEP = 1 / 128
BYTES = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
GIVEN = InputSpec(preprocess=Preprocessing())


@pytest.mark.parametrize("step", PIXEL_STEPS)
@pytest.mark.parametrize("asked", [DEFAULT_INPUT, GIVEN])
@pytest.mark.parametrize(("kind", "shift"), [("int8", 128), ("uint8", 0)])
def test_each_byte_is_its_own_code_at_every_zero_point(
    kind: str, shift: int, asked: InputSpec, step: float
) -> None:
    for zero in range(256):
        tensor = TensorFacts("image", (1, 16, 16, 1), kind, step, zero - shift)
        read, _ = preprocessing_of(Path("a.tflite"), tensor, asked, 1)
        codes = pixel_encoder(tensor, asked=read, channels=1)(BYTES)
        np.testing.assert_array_equal(codes.astype(np.int32), BYTES.astype(np.int32) - shift)
        stands_for = (codes.astype(np.float32) - (zero - shift)) * np.float32(step)
        taken = PixelInput(None, step, zero).values(BYTES)  # type: ignore[arg-type]
        np.testing.assert_array_equal(stands_for, taken)


def rescaled(scale: Any, offset: Any, padding: str = "same", *behind: Any) -> Any:
    layers = keras.layers
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            layers.InputLayer(tiny_models.SHAPE),
            layers.Rescaling(scale, offset, name="rescale"),
            *behind,
            layers.Conv2D(6, 3, padding=padding, use_bias=False, activation="relu", name="first"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5, name="last"),
            layers.Softmax(),
        ]
    )


MEANS = [-1.0, -2.2, -3.1]
SCALES = [1 / 100, 1 / 50, 1 / 25]


@pytest.mark.parametrize(
    ("scale", "offset", "padding", "found"),
    [
        (1 / 128, -1.0, "same", (PIXEL_STEP, 128)),
        (1 / 64, -2.0, "same", (PIXEL_STEP, 128)),
        (1.0, -100.0, "same", (1.0, 100)),
        (1 / 100, -0.5, "same", (PIXEL_STEP, 50)),
        (-1 / 255, 1.0, "same", (PIXEL_STEP, 255)),
        (SCALES, [-1.0, -2.0, -4.0], "same", (PIXEL_STEP, 100)),
        (SCALES, 0.0, "same", (1.0, 0)),
        (SCALES, MEANS, "valid", (1.0, 0)),
    ],
)
def test_the_model_of_declared_pixels_is_the_same_function(
    scale: Any, offset: Any, padding: str, found: tuple[float, int]
) -> None:
    model, pixels = rescaled(scale, offset, padding), tiny_models.images(20)
    before = [each.copy() for each in model.get_weights()]
    declared = declared_pixels(model)
    assert (declared.scale, declared.zero, declared.note) == (*found, "")
    expected = model(pixels.astype(np.float32), training=False)
    answers = declared.model(declared.values(pixels), training=False)
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    for old, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


@pytest.mark.parametrize(
    ("model", "note"),
    [
        (lambda: rescaled(1 / 127.5, -1.0), "pads with pixel 127.5, which is no byte"),
        (lambda: rescaled(SCALES, MEANS), "differs by channel"),
        (lambda: rescaled(1 / 64, -2.0, "same", keras.layers.ReLU()), "is no convolution"),
        (lambda: rescaled(1 / 128, -1.0, "valid"), ""),
        (lambda: rescaled(1 / 255, 0.0), ""),
    ],
)
def test_what_is_not_exact_or_not_needed_is_left_alone(model: Any, note: str) -> None:
    made = model()
    declared = declared_pixels(made)
    assert declared.model is made
    assert note in declared.note
    assert bool(note) == bool(declared.note)


def test_layers_that_pad_pass_and_inner_models_are_entered() -> None:
    layers = keras.layers
    inner = keras.Sequential(
        [
            layers.InputLayer(tiny_models.SHAPE),
            layers.Normalization(mean=128.0, variance=64.0**2),
            layers.ZeroPadding2D(1),
            layers.DepthwiseConv2D(3),
            layers.Flatten(),
        ]
    )
    model = keras.Sequential([layers.InputLayer(tiny_models.SHAPE), layers.RandomFlip(), inner])
    pixels = tiny_models.images(5)
    declared = declared_pixels(model)
    assert (declared.scale, declared.zero) == (PIXEL_STEP, 128)
    answers = declared.model(declared.values(pixels), training=False)
    expected = model(pixels.astype(np.float32), training=False)
    np.testing.assert_allclose(answers, expected, atol=1e-5)


def in_front(scale: float, offset: float, *, is_functional: bool = False) -> Any:
    """Return a model behind another one that holds its rescaling alone, as Keras ships them."""
    first, image = keras.layers.Rescaling(scale, offset), keras.Input(tiny_models.SHAPE)
    given = keras.Input(tiny_models.SHAPE)
    if is_functional:
        before = keras.Model(given, first(given))
    else:
        before = keras.Sequential([keras.layers.InputLayer(tiny_models.SHAPE), first])
    return keras.Model(image, rescaled(1.0, 0.0)(before(image)))


@pytest.mark.parametrize("is_functional", [False, True])
@pytest.mark.parametrize(
    ("scale", "offset", "found"),
    [(1 / 255, 0.0, (1.0, 0)), (1 / 100, -0.5, (PIXEL_STEP, 50)), (1 / 127.5, -1.0, (1.0, 0))],
)
def test_a_model_that_holds_the_rescaling_alone_is_left_again(
    scale: float, offset: float, found: tuple[float, int], is_functional: bool
) -> None:
    """An int8 file computed on pixels that were 255 times too large."""
    model, pixels = in_front(scale, offset, is_functional=is_functional), tiny_models.images(9)
    declared = declared_pixels(model)
    assert (declared.scale, declared.zero) == found
    answers = declared.model(declared.values(pixels), training=False)
    expected = model(pixels.astype(np.float32), training=False)
    np.testing.assert_allclose(answers, expected, atol=1e-5)


def test_pixels_that_are_an_output_too_stay_rescaled() -> None:
    layers, image = keras.layers, keras.Input(tiny_models.SHAPE)
    scaled = layers.Rescaling(1 / 100, -0.5)(image)
    model = keras.Model(image, [scaled, layers.Conv2D(4, 3, padding="same")(scaled)])
    assert declared_pixels(model).model is model
    only = keras.Model(image, scaled)
    assert declared_pixels(only).model is only


def test_a_file_begins_with_its_first_convolution_and_answers_alike_through_both_ends(
    runtimes: Runtimes, tmp_path: Path
) -> None:
    model, pixels = rescaled(1 / 100, -0.5), tiny_models.images(40)
    answers = {}
    for io, kinds in (("int8", ["CONV_2D"]), ("uint8", ["QUANTIZE", "CONV_2D"])):
        path = tmp_path / f"{io}.tflite"
        exporter = TFLite(precision="int8", io=io)  # type: ignore[arg-type]
        artifact = exporter.export(model, pixels, path)
        tables = TFLiteTables(path.read_bytes(), "here")
        assert [each.kind for each in tables.operators][: len(kinds)] == kinds
        assert tables.inputs[0].scales == (PIXEL_STEP,)
        assert any("x - 128" in each for each in artifact.notes) == (io == "int8")
        answers[io] = runtimes.predict(path).only
    np.testing.assert_array_equal(answers["int8"], answers["uint8"])
    shown = tiny_models.images(200, seed=1).astype(np.float32)
    expected = model(shown, training=False).numpy()
    assert np.abs(answers["int8"] - expected).max() < 3 / 256
    with pytest.raises(StepError, match="it quantizes in 1 operator:"):
        prove(path.read_bytes(), "float32", "here")


def test_what_stays_is_computed_and_said(tmp_path: Path) -> None:
    path = tmp_path / "int8.tflite"
    model = rescaled(1 / 127.5, -1.0)
    artifact = TFLite(precision="int8").export(model, tiny_models.images(10), path)
    kinds = [each.kind for each in TFLiteTables(path.read_bytes(), "here").operators]
    assert kinds[:3] == ["MUL", "ADD", "CONV_2D"]
    assert any(each.startswith("rescale: computed in the file") for each in artifact.notes)
