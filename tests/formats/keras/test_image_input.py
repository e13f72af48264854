"""Keras models fitted to images: what they compute stays the same."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.core.errors import UnsuitableFile
from edgecv.core.input_spec import input_spec_of
from edgecv.formats.keras.image_input import fitted
from edgecv.models.tf import load_tensorflow

PATH = Path("a.keras")
RANDOM = np.random.default_rng(3)


def layers() -> Any:
    _, keras = load_tensorflow()
    keras.utils.set_random_seed(0)
    return keras.layers


def sequential(shape: tuple[int | None, ...], *inner: Any) -> Any:
    _, keras = load_tensorflow()
    return keras.Sequential([keras.layers.Input(shape), *inner, keras.layers.Dense(4)])


def functional(shape: tuple[int | None, ...], *inner: Any) -> Any:
    _, keras = load_tensorflow()
    entering = keras.layers.Input(shape)
    given = entering
    for layer in inner:
        given = layer(given)
    return keras.Model(entering, keras.layers.Dense(4)(given))


def answers(model: Any, images: np.ndarray) -> np.ndarray:
    tensorflow, _ = load_tensorflow()
    given: np.ndarray = model(tensorflow.constant(images.astype(np.float32))).numpy()
    return given


@pytest.mark.parametrize("make", [sequential, functional])
def test_an_open_size_becomes_the_asked_one(make: Any) -> None:
    own = layers()
    inner = own.Conv2D(4, 3, activation="relu"), own.GlobalAveragePooling2D()
    model = make((None, None, 3), *inner)
    images = RANDOM.integers(0, 256, (3, 20, 24, 3))
    changed, notes = fitted(model, input_spec_of(input_size="20x24"), PATH)
    assert tuple(changed.inputs[0].shape) == (None, 20, 24, 3)
    assert notes == ["images of 20x24, the size that was asked for"]
    np.testing.assert_array_equal(answers(changed, images), answers(model, images))
    with pytest.raises(UnsuitableFile, match="give --input-size HEIGHTxWIDTH"):
        fitted(model, input_spec_of(), PATH)


@pytest.mark.parametrize("is_nested", [False, True])
def test_a_resizing_layer_tells_the_size(is_nested: bool) -> None:
    _, keras = load_tensorflow()
    own = layers()
    first = [own.Resizing(12, 16), own.Rescaling(1 / 255)]
    first = [keras.Sequential(first)] if is_nested else first
    model = functional((None, None, 3), *first, own.Conv2D(4, 3), own.GlobalMaxPooling2D())
    if is_nested:
        model(np.zeros((1, 9, 9, 3), np.float32))
    changed, notes = fitted(model, input_spec_of(), PATH)
    assert tuple(changed.inputs[0].shape) == (None, 12, 16, 3)
    assert notes == ["images of 12x16, the size that its Resizing layer gives"]
    images = RANDOM.integers(0, 256, (3, 12, 16, 3))
    np.testing.assert_allclose(answers(changed, images), answers(model, images), rtol=1e-5)


def test_nested_models_have_known_shapes_too() -> None:
    _, keras = load_tensorflow()
    own = layers()
    inner = keras.Sequential([own.Input((None, None, 3)), own.Conv2D(4, 3, name="inner")])
    model = functional((None, None, 3), inner, own.GlobalMaxPooling2D())
    changed, _ = fitted(model, input_spec_of(input_size="8x8"), PATH)
    nested = changed.get_layer(inner.name)
    assert tuple(nested.get_layer("inner").output_shape) == (None, 6, 6, 4)
    images = RANDOM.integers(0, 256, (3, 8, 8, 3))
    np.testing.assert_array_equal(answers(changed, images), answers(model, images))


def grey_networks() -> dict[str, Any]:
    own = layers()
    return {
        "flatten": sequential((8, 9), own.Flatten(), own.Dense(6, activation="relu")),
        "reshape": sequential((8, 9), own.Reshape((8, 9, 1)), own.Conv2D(3, 3), own.Flatten()),
        "rows": functional((8, 9), own.LSTM(5)),
        "branches": branches(own),
    }


def branches(own: Any) -> Any:
    _, keras = load_tensorflow()
    entering = own.Input((8, 9), name="image")  # That of the layer in front, else.
    both = [own.Flatten()(entering), own.GlobalAveragePooling1D()(entering)]
    return keras.Model(entering, own.Dense(4)(own.Concatenate()(both)))


@pytest.mark.parametrize("kind", ["flatten", "reshape", "rows", "branches"])
def test_a_channel_axis_is_added(kind: str) -> None:
    model = grey_networks()[kind]
    changed, notes = fitted(model, input_spec_of(), PATH)
    assert tuple(changed.inputs[0].shape) == (None, 8, 9, 1)
    assert notes == ["the model takes grey images without an axis for their channel: one was added"]
    images = RANDOM.integers(0, 256, (3, 8, 9, 1)) / 255
    expected = answers(model, images[..., 0])
    np.testing.assert_allclose(answers(changed, images), expected, rtol=1e-5, atol=1e-6)


def test_channels_in_front_and_a_fixed_batch() -> None:
    _, keras = load_tensorflow()
    own = layers()
    entering = own.Input(batch_shape=(2, 3, 8, 9))
    pooled = own.GlobalAveragePooling2D(data_format="channels_first")(entering)
    model = keras.Model(entering, own.Dense(4)(pooled))
    changed, notes = fitted(model, input_spec_of(), PATH)
    assert [each.split(":")[0] for each in notes] == [
        "the model takes channels before height and width",
        "the model takes 2 images at once",
    ]
    images = RANDOM.integers(0, 256, (2, 8, 9, 3))
    expected = answers(model, images.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(answers(changed, images), expected, rtol=1e-5)


def test_a_model_that_fits_stays_as_it_is() -> None:
    own = layers()
    model = sequential((8, 8, 3), own.Conv2D(4, 3), own.Flatten())
    assert fitted(model, input_spec_of(), PATH) == (model, [])
    with pytest.raises(UnsuitableFile, match="says 9x9"):
        fitted(model, input_spec_of(input_size="9x9"), PATH)
