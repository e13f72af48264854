"""What a network expects of a pixel becomes part of its graph: exactly."""

from typing import Any

import numpy as np
import pytest

from edgecv.core.errors import InputError
from edgecv.core.preprocessing import NAMED, Preprocessing, named
from edgecv.models.preprocessing import LAYER, found_in, pixel_kernel, with_preprocessing
from edgecv.models.tf import load_tensorflow, set_seed

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 12, 12, 3)).astype(np.float32)
EXPECTED = {
    "0..255": lambda pixels: pixels,
    "0..1": lambda pixels: pixels / 255,
    "-1..1": lambda pixels: pixels / 127.5 - 1,
    "imagenet": lambda pixels: (pixels / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
    "caffe": lambda pixels: pixels[..., ::-1] - [103.939, 116.779, 123.68],
}


def sequential(padding: str, *, use_bias: bool = True) -> Any:
    set_seed(3)
    _, keras = load_tensorflow()
    layers = keras.layers
    return keras.Sequential(
        [
            layers.InputLayer((12, 12, 3), name="image"),
            layers.Conv2D(5, 3, padding=padding, use_bias=use_bias, name="conv_1"),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )


def two_branches() -> Any:
    set_seed(4)
    _, keras = load_tensorflow()
    layers = keras.layers
    image = layers.Input((12, 12, 3), name="image")
    left, right = layers.Conv2D(4, 3)(image), layers.Conv2D(4, 3)(image)
    return keras.Model(image, layers.GlobalAveragePooling2D()(layers.Add()([left, right])))


MODELS = {
    "valid": lambda: sequential("valid"),
    "without a bias": lambda: sequential("valid", use_bias=False),
    "same": lambda: sequential("same"),
    "two branches": two_branches,
}


def test_every_choice_has_its_arithmetic_here() -> None:
    assert set(EXPECTED) == set(NAMED)


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("kind", MODELS)
def test_pixels_give_what_prepared_images_gave(kind: str, name: str) -> None:
    model = MODELS[kind]()
    wanted = model(EXPECTED[name](PIXELS).astype(np.float32)).numpy()
    before = model.get_weights()
    taking_pixels, _ = with_preprocessing(model, named(name, "test"), "test")
    found = taking_pixels(PIXELS).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_it_is_folded_where_that_is_exact_and_stands_in_front_where_not() -> None:
    def layers_with(kind: str, name: str) -> list[str]:
        made, _ = with_preprocessing(MODELS[kind](), NAMED[name], "test")
        return [layer.name for layer in made.layers]

    assert LAYER not in layers_with("valid", "imagenet")
    assert LAYER not in layers_with("same", "0..1")  # Padding stays zero: no offset.
    assert LAYER in layers_with("same", "imagenet")
    assert LAYER in layers_with("two branches", "0..1")


@pytest.mark.parametrize("name", ["0..1", "caffe"])
def test_layers_of_the_same_name_stay(name: str) -> None:
    """A layer of the user's called "preprocess" was lost."""
    _, keras = load_tensorflow()
    layers = keras.layers
    image = layers.Input((12, 12, 3))
    small = layers.Resizing(6, 6, name=LAYER)(image)
    model = keras.Model(image, layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(small)))
    made, _ = with_preprocessing(model, NAMED[name], "test")
    assert [layer.name for layer in made.layers][1:3] == [f"{LAYER}_1", LAYER]
    assert (pixel_kernel(made) is not None) == (name == "caffe")
    wanted = model(EXPECTED[name](PIXELS).astype(np.float32)).numpy()
    np.testing.assert_allclose(made(PIXELS).numpy(), wanted, rtol=1e-4, atol=1e-3)


def test_what_the_graph_does_itself_is_found() -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    inner = keras.Sequential([layers.InputLayer((8, 8, 3)), layers.Rescaling(1 / 255, name="own")])
    outer = keras.Sequential([layers.InputLayer((8, 8, 3)), inner, layers.Conv2D(2, 3)])
    assert "own (Rescaling)" in str(found_in(outer))
    turned = keras.Sequential([layers.InputLayer((8, 8, 3)), layers.RandomFlip()])
    behind = keras.Sequential([layers.InputLayer((8, 8, 3)), turned, *inner.layers])
    assert "own (Rescaling)" in str(found_in(behind))
    assert found_in(sequential("valid")) is None


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="2 numbers for 3 channels"):
        with_preprocessing(sequential("valid"), Preprocessing(scale=(1.0, 2.0)), "test")
    with pytest.raises(InputError, match='did you mean "imagenet"'):
        named("imagnet", "--preprocess")
    _, keras = load_tensorflow()
    grey = keras.Sequential([keras.layers.InputLayer((8, 8, 1)), keras.layers.Conv2D(2, 3)])
    with pytest.raises(InputError, match="bgr for 1 channel;"):
        with_preprocessing(grey, Preprocessing(channels="bgr"), "test")
