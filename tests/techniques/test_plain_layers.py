"""A model in plain layers gives what it gave; quantization-aware training takes it then."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgecv.core.data import Images
from edgecv.core.errors import InputError
from edgecv.evaluation.scale_parity import check_same_scales
from edgecv.formats.onnx.exporter import Onnx
from edgecv.formats.tflite.exporter import TFLite
from edgecv.models.tf import load_tensorflow
from edgecv.system.isolation import ModelClient
from edgecv.techniques.qat import Qat, plain
from edgecv.techniques.quantizers.first_kernels import take_pixels
from edgecv.techniques.quantizers.placement import quantize
from edgecv.techniques.quantizers.ranges import set_ranges
from edgecv.techniques.rewrites.plain_layers import (
    flatten,
    merge_rescalings,
    one_thing_a_layer,
    without_normalizations,
)

SHAPE = (12, 12, 3)
CLASSES = 4


def model_of_everything() -> Any:
    """Return a model with what people build: nesting, sharing, gates, unusual activations."""
    _, keras = load_tensorflow()
    keras.utils.set_random_seed(5)
    layers = keras.layers
    inner = keras.Sequential(
        [
            layers.Input((12, 12, 4)),
            layers.Conv2D(4, 3, padding="same", name="conv"),
            layers.ReLU(),
        ],
        name="inner",
    )
    shared = layers.Conv2D(4, 1, activation="relu", name="shared")
    image = layers.Input(SHAPE, name="image")
    tensor = layers.Rescaling(1 / 127.5)(layers.RandomFlip("horizontal")(image))
    tensor = layers.Rescaling(1.0, -1.0)(tensor)
    tensor = layers.Conv2D(4, 3, padding="same", activation="swish", name="conv")(tensor)
    tensor = layers.Add()([inner(tensor), shared(tensor)])
    tensor = layers.BatchNormalization(name="alone")(shared(inner(tensor)))
    tensor = layers.SeparableConv2D(6, 3, activation="relu", name="both")(tensor)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(tensor)
    gate = layers.Conv2D(6, 1, activation="sigmoid")(gate)
    tensor = layers.Multiply()([tensor, gate])
    tensor = layers.ReLU(6.0)(layers.DepthwiseConv2D(3)(tensor))
    tensor = layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(tensor))
    model = keras.Model(image, layers.Softmax()(tensor))
    random = np.random.default_rng(0)
    for weight in model.weights:
        if len(weight.shape) == 1 and "seed" not in weight.name:
            low = 0.5 if "variance" in weight.name or "gamma" in weight.name else -0.2
            weight.assign(random.uniform(low, low + 1, weight.shape))
        if "dense" in weight.name and len(weight.shape) == 2:
            weight.assign(weight * 4)  # Else all answers are nearly the same.
    return model


def images(count: int) -> Images:
    random = np.random.default_rng(1)
    return random.integers(0, 256, (count, *SHAPE), dtype=np.uint8)


def predict(model: Any, pixels: Images) -> Any:
    return model(pixels.astype(np.float32), training=False).numpy()


REWRITES: dict[str, Callable[[Any], Any]] = {
    "flatten": flatten,
    "one thing a layer": one_thing_a_layer,
    "without normalizations": without_normalizations,
    "merged rescalings": lambda model: merge_rescalings(flatten(model)),
    "plain": lambda model: plain(model)[0],
}


@pytest.mark.parametrize("name", REWRITES)
def test_a_rewritten_model_gives_the_same(name: str) -> None:
    model = model_of_everything()
    before = [weight.copy() for weight in model.get_weights()]
    expected = predict(model, images(8))
    result = REWRITES[name](model)
    assert not any(hasattr(layer, "layers") for layer in result.layers)
    np.testing.assert_allclose(predict(result, images(8)), expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 1e-3
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_names_stay_where_they_are_not_taken() -> None:
    names = [layer.name for layer in flatten(model_of_everything()).layers]
    assert len(set(names)) == len(names)
    assert {"conv", "inner_conv", "shared", "both"} <= set(names)


def test_a_model_of_everything_is_trained_with_rounding_and_written_in_both_formats(
    tmp_path: Any,
) -> None:
    model, pixels = model_of_everything(), images(60)
    flat, _ = plain(model)
    quantized, left_out = quantize(flat)
    assert len(left_out) == 2
    quantized(pixels.astype(np.float32), training=True)  # Ranges of weights come with a step.
    set_ranges(quantized, flat, pixels)
    take_pixels(quantized)
    expected = predict(quantized, pixels)
    artifacts = []
    for exporter, runtime in ((TFLite(precision="int8"), "litert"), (Onnx(precision="int8"), "")):
        path = tmp_path / f"int8.{exporter.format}"
        artifacts.append(exporter.export(quantized, pixels, path))
        with ModelClient(runtime or "onnxruntime", threads=1) as worker:
            found = worker.predict(path, pixels).only
        assert np.abs(found - expected).mean() < 0.01
    assert check_same_scales(artifacts)


def test_frozen_layers_stay_frozen() -> None:
    """Separable convolutions and normalizations of a frozen backbone were trained by qat."""
    model = model_of_everything()
    model.trainable = False
    assert not plain(model)[0].trainable_weights
    model.trainable = True
    assert len(plain(model)[0].trainable_weights) == len(plain(model)[0].weights)


@pytest.mark.parametrize("kind", ["PReLU", "LayerNormalization"])
def test_what_has_no_integers_is_named_before_any_training(kind: str) -> None:
    _, keras = load_tensorflow()
    layer = getattr(keras.layers, kind)(name="odd")
    model = keras.Sequential(
        [
            keras.layers.Input(SHAPE),
            keras.layers.Conv2D(4, 3),
            layer,
            keras.layers.Flatten(),
            keras.layers.Dense(CLASSES),
            keras.layers.Softmax(),
        ]
    )
    with pytest.raises(InputError, match=rf"odd is a {kind}.*leave qat out"):
        Qat().check_model(model)


@pytest.mark.parametrize("activation", [None, "relu"])
def test_dense_layers_of_more_axes_have_the_trained_ranges_in_both_formats(
    activation: str | None, tmp_path: Any
) -> None:
    _, keras = load_tensorflow()
    layers, random = keras.layers, np.random.default_rng(4)
    model = keras.Sequential(
        [
            layers.Input(SHAPE),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Dense(5, activation=activation, name="first"),
            layers.Conv2D(6, 3, activation="softmax", name="gate"),
            layers.Dense(7, activation=activation, name="second"),
            layers.Flatten(),
            layers.Dense(CLASSES),
            layers.Softmax(),
        ]
    )
    model.set_weights([random.normal(0, 0.5, each.shape) for each in model.get_weights()])
    pixels = images(30)
    flat, _ = plain(model)
    quantized, _ = quantize(flat)
    set_ranges(quantized, flat, pixels)
    take_pixels(quantized)
    assert np.abs(predict(quantized, pixels) - predict(model, pixels)).max() < 0.1
    exporters = (TFLite(precision="int8"), Onnx(precision="int8"))
    # Each proves that the file has the trained scales.
    artifacts = [
        each.export(quantized, pixels, tmp_path / f"int8.{each.format}") for each in exporters
    ]
    assert check_same_scales(artifacts)


def test_a_normalization_a_channel_behind_a_rescaling_is_merged() -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input(SHAPE),
            layers.Rescaling(1 / 255),
            layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 0.5]),
            layers.Conv2D(4, 3),
            layers.GlobalAveragePooling2D(),
        ]
    )
    pixels = images(3)
    np.testing.assert_allclose(
        predict(plain(model)[0], pixels), predict(model, pixels), rtol=1e-4, atol=1e-5
    )
