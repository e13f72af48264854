"""Keras 3 models that tf-keras cannot have: exported by Keras 3 as they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.core.errors import InputError
from edgecv.core.input_spec import InputSpec
from edgecv.formats.keras.importer import load, load_with_parity
from edgecv.formats.onnx.exporter import Onnx
from edgecv.formats.tflite.exporter import TFLite
from edgecv.formats.trust import NO_TRUST
from edgecv.pipeline.conversion.adapt_model import adapt
from edgecv.system.isolation import ModelClient

SHAPE = (12, 12, 3)
Images = np.ndarray[Any, np.dtype[np.uint8]]


@pytest.fixture
def images() -> Images:
    return np.random.default_rng(3).integers(0, 256, (24, *SHAPE)).astype(np.uint8)


@pytest.fixture
def transformer(keras3: Any) -> Any:
    """Return one block of a vision transformer."""
    layers = keras3.layers
    entering = keras3.Input(SHAPE)
    given = layers.Conv2D(8, 4, strides=4)(layers.Rescaling(1 / 255)(entering))
    given = layers.Reshape((9, 8))(given)
    inner = layers.LayerNormalization()(given)
    attention = layers.MultiHeadAttention(2, 4, name="attention")(inner, inner)
    given = layers.Add()([given, attention])
    given = layers.Dense(8, activation="gelu")(layers.LayerNormalization()(given))
    return keras3.Model(entering, layers.Dense(4, activation="softmax")(layers.Flatten()(given)))


def answers(original: Any, images: Images) -> Any:
    return np.asarray(original(images.astype(np.float32), training=False))


def test_attention_goes_into_both_formats(
    transformer: Any, save: Callable[[Any], Path], images: Images, tmp_path: Path
) -> None:
    path = save(transformer)
    adapted = adapt(path, InputSpec(), NO_TRUST)
    assert "attention (MultiHeadAttention) has no counterpart" in adapted.facts.untrainable
    assert not adapted.facts.is_own
    expected = answers(transformer, images)
    kept = tmp_path / "kept.keras"
    adapted.model.save(kept)
    again = load(kept)(images.astype(np.float32), training=False)
    np.testing.assert_allclose(again, expected, atol=1e-5)
    for exporter, runtime in ((TFLite, "litert"), (Onnx, "onnxruntime")):
        for precision, allowed in (("float32", 1e-5), ("int8", 0.1)):
            target = tmp_path / f"{precision}.{exporter.format}"
            exporter(precision=precision).export(adapted.model, images, target)
            with ModelClient(runtime, 1) as worker:
                found = worker.predict(target, images).only
            assert np.abs(found - expected).max() <= allowed, target.name


def test_operations_that_tflite_lacks_are_computed(
    keras3: Any, save: Callable[[Any], Path], images: Images, tmp_path: Path
) -> None:
    """Error functions, a gelu in an order of its own, grouped convolutions, a recurrent layer."""
    layers, ops = keras3.layers, keras3.ops
    entering = keras3.Input(SHAPE)
    x = layers.Conv2D(4, 3)(layers.Rescaling(1 / 255)(entering))
    branches = [ops.erf(x), ops.erfc(x), x * (ops.erf(x / 2**0.5) + 1) * 0.5]
    branches += [ops.einsum("bhwc->bwhc", -x)]
    branches += [layers.Conv2D(4, 3, groups=groups, padding="same")(x) for groups in (2, 4)]
    recurrent = layers.LSTM(5)(layers.Reshape((10, 40))(x))
    given = layers.Concatenate()([*map(layers.GlobalAveragePooling2D(), branches), recurrent])
    original = keras3.Model(entering, layers.Dense(3)(given))
    model = load(save(original))
    target = tmp_path / "float32.tflite"
    TFLite(precision="float32").export(model, images[:0], target)
    with ModelClient("litert", 1) as worker:
        found = worker.predict(target, images).only
    for values in (found, model(images.astype(np.float32), training=False)):
        np.testing.assert_allclose(values, answers(original, images), atol=2e-5)


def test_an_hdf5_file_is_taken_like_an_archive(
    small: Any, transformer: Any, randomize: Callable[[Any], None], images: Images, tmp_path: Path
) -> None:
    for model, is_rebuilt in ((small, True), (transformer, False)):
        randomize(model)
        path = tmp_path / f"{model.name}.h5"
        model.save(path)
        found, parity = load_with_parity(path)
        assert parity is not None
        assert bool(parity.unbuildable) != is_rebuilt
        np.testing.assert_allclose(
            found(images.astype(np.float32), training=False), answers(model, images), atol=1e-5
        )


@pytest.mark.parametrize("policy", ["mixed_float16", "bfloat16"])
def test_half_precision_becomes_float32(
    policy: str, keras3: Any, randomize: Callable[[Any], None], images: Images, tmp_path: Path
) -> None:
    layers = keras3.layers
    before = keras3.config.dtype_policy()
    keras3.config.set_dtype_policy(policy)
    try:
        entering = keras3.Input(SHAPE)
        given = layers.Conv2D(4, 3, activation="relu")(layers.Rescaling(1 / 255)(entering))
        given = layers.GlobalAveragePooling2D()(layers.BatchNormalization()(given))
        original = keras3.Model(entering, layers.Dense(3, activation="softmax")(given))
    finally:
        keras3.config.set_dtype_policy(before)
    randomize(original)
    path = tmp_path / "half.keras"
    original.save(path)
    model, parity = load_with_parity(path)
    assert parity is not None
    assert f"{policy} of the original became float32" in parity.sentences()
    assert {weight.dtype.name for weight in model.weights} == {"float32"}
    expected = answers(original, images).astype(np.float32)
    np.testing.assert_allclose(model(images.astype(np.float32)), expected, atol=0.03)


def test_several_outputs_are_exported(
    keras3: Any, save: Callable[[Any], Path], images: Images
) -> None:
    entering = keras3.Input(SHAPE)
    given = keras3.ops.exp(entering / 255)
    model = load(save(keras3.Model(entering, [given, given + 1])))
    found = model(images.astype(np.float32))
    for number in (0, 1):
        expected = np.exp(images.astype(np.float32) / 255) + number
        np.testing.assert_allclose(found[f"output_{number}"], expected, rtol=1e-5)


def test_more_than_a_model_of_images_is_named(keras3: Any, save: Callable[[Any], Path]) -> None:
    one, other = keras3.Input(SHAPE), keras3.Input(SHAPE)
    with pytest.raises(InputError, match=r"\(Exp\) has no counterpart"):
        load(save(keras3.Model([one, other], keras3.ops.exp(one) + other)))
