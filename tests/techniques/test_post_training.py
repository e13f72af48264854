"""Techniques that train nothing: equalization, batch normalization, biases and rounding."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bars import bars
from tuning import tuning_on
from weights import weights_sha256

from edgecv.core.data import Dataset
from edgecv.core.errors import InputError
from edgecv.core.plugins import Technique, TechniqueContext
from edgecv.core.registry import EXPORTERS
from edgecv.formats.kernel_layout import layer_kernels, rows_of
from edgecv.formats.onnx.check import kernels_in as onnx_kernels
from edgecv.formats.tflite.check import kernels_in as tflite_kernels
from edgecv.models.float_batches import float_batches
from edgecv.models.tf import load_tensorflow, set_seed
from edgecv.models.training.batch_norm import estimate
from edgecv.models.training.schedule import Schedule
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.techniques.adaround import AdaRound
from edgecv.techniques.bias_correction import BiasCorrection
from edgecv.techniques.cluster import Cluster
from edgecv.techniques.equalize import Equalize, pairs_of
from edgecv.techniques.prune import Prune
from edgecv.techniques.qat import Qat
from edgecv.techniques.quantizers import linear_layers as linear
from edgecv.techniques.quantizers.linear_layers import linear_layers
from edgecv.techniques.quantizers.rounding import RoundedNetwork
from edgecv.techniques.reestimate import BATCH, Reestimate
from edgecv.techniques.rewrites.plain_network import plain

SIDE = 12
DATA = Dataset(
    "bars",
    ("top", "bottom"),
    *(bars(count, seed, (SIDE, SIDE, 3)) for seed, count in enumerate((160, 64, 40, 40), 1)),
)
IMAGES = DATA.calibration.images.astype(np.float32)
FOUR_BITS = {"*": 4}


@pytest.fixture
def context(tmp_path: Path) -> TechniqueContext:
    return tuning_on(DATA, tmp_path / "epoch.npz")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A trained network with all that is rounded: one with channels of unlike size."""
    return trained(tmp_path_factory.mktemp("post"))


def trained(folder: Path) -> Any:
    set_seed(0)
    _, keras = load_tensorflow()
    layers = keras.layers
    made = keras.Sequential(
        [
            layers.InputLayer((SIDE, SIDE, 3), name="image"),
            layers.Rescaling(1 / 128, offset=-1.0, name="rescale"),
            layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="conv"),
            layers.BatchNormalization(name="conv_norm"),
            layers.ReLU(name="conv_relu"),
            layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="depthwise"),
            layers.BatchNormalization(name="depthwise_norm"),
            layers.ReLU(name="depthwise_relu"),
            layers.Conv2D(12, 3, dilation_rate=2, padding="same", groups=2, name="grouped"),
            layers.ReLU(name="grouped_relu"),
            layers.MaxPooling2D(name="pool"),
            layers.Flatten(name="flatten"),
            layers.Dense(16, activation="relu", name="dense"),
            layers.Dense(2, name="logits"),
            layers.Softmax(name="probabilities"),
        ]
    )
    schedule = Schedule(epochs=3, minimum_steps=0, batch=16, shift=0, mirror=False)
    tuning_on(DATA, folder / "epoch.npz").fit(made, schedule, None)
    return made


def answers(model: Any) -> Any:
    return model(IMAGES, training=False).numpy()


def test_samples_by_kernels_are_the_outputs_of_layers(model: Any) -> None:
    flat, _ = plain(model)
    _, keras = load_tensorflow()
    found = list(linear_layers(flat))
    assert [each.layer.name for each in found] == [
        "conv",
        "depthwise",
        "grouped",
        "dense",
        "logits",
    ]
    for each in found:
        rows = each.rows(flat, DATA.calibration.images, seed=3)
        kernel = each.kernel.numpy()
        np.testing.assert_array_equal(each.in_order(each.matrices(kernel)), kernel)
        outputs = np.einsum("sgk,gko->sgo", rows, each.matrices(kernel)).reshape(len(rows), -1)
        outputs = outputs + each.layer.bias.numpy()
        if each.layer.activation is keras.activations.relu:
            outputs = np.maximum(outputs, 0)
        given = keras.Model(flat.inputs, each.layer.output)(IMAGES, training=False).numpy()
        given = given.reshape(-1, outputs.shape[1])
        # There are fewer places than are sampled at the most: each is taken once.
        assert outputs.shape == given.shape
        for channel in range(outputs.shape[1]):
            np.testing.assert_allclose(
                np.sort(outputs[:, channel]), np.sort(given[:, channel]), atol=1e-4
            )


@pytest.mark.parametrize("ranges", ["activations", "weights"])
def test_equalization_balances_channels_and_keeps_the_function(
    ranges: Any, model: Any, context: TechniqueContext
) -> None:
    flat, _ = plain(model)
    # One channel of a hundred times the size, taken back behind the relu: the same function.
    kernel, bias = flat.get_layer("conv").get_weights()
    kernel[..., 2], bias[2] = kernel[..., 2] * 100, bias[2] * 100
    flat.get_layer("conv").set_weights([kernel, bias])
    kernel, bias = flat.get_layer("depthwise").get_weights()
    kernel[:, :, 2] /= 100
    flat.get_layer("depthwise").set_weights([kernel, bias])
    np.testing.assert_allclose(answers(flat), answers(model), atol=1e-5)
    before = weights_sha256(flat)
    notes: list[str] = []
    technique = Equalize(ranges=ranges)
    technique.check_model(flat)
    result = technique.apply(flat, replace(context, note=notes.append))
    assert weights_sha256(flat) == before, "the caller's model was changed"
    np.testing.assert_allclose(answers(result), answers(model), atol=1e-5)
    names = [(one.layer.name, other.layer.name) for one, other in pairs_of(result)]
    assert ("conv", "depthwise") in names
    assert ("dense", "logits") in names
    _, keras = load_tensorflow()
    spreads = []
    for each in (flat, result):
        given = keras.Model(each.inputs, each.get_layer("conv").output)(IMAGES, training=False)
        largest = given.numpy().reshape(-1, 8).max(axis=0)
        spreads.append(largest.max() / np.median(largest))
    assert spreads[1] < spreads[0] / 5
    assert notes[0].startswith(f"{len(names)} pairs of layers with balanced channels: conv to")


@pytest.mark.parametrize("is_inside", [False, True])
def test_relu6_is_not_balanced_and_named(is_inside: bool, context: TechniqueContext) -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.InputLayer((SIDE, SIDE, 3)),
            layers.Conv2D(4, 3, name="limited", activation="relu6" if is_inside else None),
            layers.Identity() if is_inside else layers.ReLU(6.0, name="relu6"),
            layers.Conv2D(4, 3, name="open", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, name="logits"),
        ]
    )
    notes: list[str] = []
    result = Equalize().apply(model, replace(context, note=notes.append))
    assert [(a.layer.name, b.layer.name) for a, b in pairs_of(result)] == [("open", "logits")]
    assert notes[-1] == "not balanced, as a relu6 does not pass factors on: limited"
    with pytest.raises(InputError, match="no two layers with kernels follow each other"):
        Equalize().check_model(keras.Model(model.inputs, model.layers[1].output))


def test_batch_normalization_is_measured_again(model: Any, context: TechniqueContext) -> None:
    shifted = Reestimate().apply(model, context)  # What is right on these images.
    wrong = Reestimate().apply(model, context)
    norm = wrong.get_layer("conv_norm")
    norm.moving_mean.assign(norm.moving_mean + 3.0)
    norm.moving_variance.assign(norm.moving_variance * 9.0)
    norm.trainable = False  # As files of a transfer learning have it: nothing was measured then.
    assert np.abs(answers(wrong) - answers(shifted)).max() > 0.05
    notes: list[str] = []
    mended = Reestimate().apply(wrong, replace(context, note=notes.append))
    np.testing.assert_allclose(answers(mended), answers(shifted), atol=1e-4)
    assert "the means of conv_norm moved the most, by " in notes[0]
    assert not mended.get_layer("conv_norm").trainable
    with pytest.raises(InputError, match="no batch normalization"):
        Reestimate().check_model(plain(model)[0])


def test_each_image_weighs_the_same_in_a_mean() -> None:
    """The last of 101 images weighed as much as the other 100, and had no variance as a row."""
    _, keras = load_tensorflow()
    layers = keras.layers
    norm = layers.BatchNormalization()
    row = keras.Sequential([layers.InputLayer((1, 1, 3)), layers.Flatten(), norm])
    images = np.random.default_rng(0).integers(0, 100, (BATCH + 1, 1, 1, 3)).astype(np.uint8)
    images[-1] = 255
    estimate(row, float_batches(images, BATCH), 0, frozen_too=True)
    values = images.reshape(len(images), 3).astype(np.float64)
    np.testing.assert_allclose(norm.moving_mean, values.mean(axis=0), rtol=0.02)
    np.testing.assert_allclose(norm.moving_variance, values.var(axis=0), rtol=0.05)


def test_corrected_biases_take_back_the_mean_shift(model: Any, context: TechniqueContext) -> None:
    four = replace(context, bits=FOUR_BITS)
    result = BiasCorrection().apply(model, four)
    network = RoundedNetwork(model, four, 64)
    shifts = []
    for other in (result, network.to_nearest()):
        given = [each.rows(other, DATA.calibration.images, 0) for each in linear_layers(other)]
        exact = [
            each.rows(network.exact, DATA.calibration.images, 0)
            for each in linear_layers(network.exact)
        ]
        pairs = list(zip(given, exact, strict=True))[1:]  # The first takes pixels.
        shifts.append([float(np.abs((a - b).mean(axis=0)).mean()) for a, b in pairs])
    assert sum(shifts[0]) < sum(shifts[1]) / 2


def test_learned_rounding_is_better_and_in_both_files(
    model: Any, context: TechniqueContext, tmp_path: Path
) -> None:
    four = replace(context, bits=FOUR_BITS)
    network = RoundedNetwork(model, four, 64)
    nearest = network.noise(network.to_nearest())
    notes: list[str] = []
    result = AdaRound(steps=300).apply(model, replace(four, note=notes.append))
    assert network.noise(result) < 0.95 * nearest
    assert "of 2,984 weights are not rounded to nearest" in notes[-2]
    for each in linear_layers(result):
        kernel = each.matrices(each.kernel.numpy())
        step = np.abs(kernel).max(axis=1, keepdims=True) / 7
        codes = kernel / np.where(step > 0, step, 1)
        np.testing.assert_allclose(codes, np.round(codes), atol=1e-4)
    check_in_both_files(AdaRound(steps=100).apply(model, context), tmp_path)


def check_in_both_files(result: Any, folder: Path) -> None:
    """Check that int8 files have the codes of a model's kernels, which are whole steps already."""
    import onnx

    readers = {
        "tflite": lambda content: tflite_kernels(content, "a"),
        "onnx": lambda content: onnx_kernels(onnx.load_from_string(content)),
    }
    for name, kernels_in in readers.items():
        path = folder / f"a.{name}"
        cls = EXPORTERS.classes[name]
        cls(precision="int8", pack="off").export(result, DATA.calibration.images, path)
        layers = layer_kernels(result, name)
        for layer, stored in zip(layers, kernels_in(path.read_bytes()), strict=True):
            own, true = rows_of(stored.weights, layer)
            step = np.abs(true).max(axis=1, keepdims=True) / 127
            codes = true / np.where(step > 0, step, 1)
            np.testing.assert_allclose(codes, np.round(codes), atol=1e-3)
            np.testing.assert_array_equal(own, np.round(codes), err_msg=f"{name} {layer.name}")


@pytest.mark.parametrize("images", [2, 3])
def test_few_images_decide_too(images: int, model: Any, context: TechniqueContext) -> None:
    """Of fewer than five samples of a layer none decided: all was rounded to nearest."""
    few = bars(images, 2, (SIDE, SIDE, 3))
    notes: list[str] = []
    taken = replace(context, calibration=few, bits=FOUR_BITS, note=notes.append)
    AdaRound(steps=30).apply(model, taken)
    assert not notes[-2].startswith("0 of")
    one = replace(taken, calibration=bars(1, 2, (SIDE, SIDE, 3)))
    with pytest.raises(InputError, match=r"has 1 calibration image.*two or more"):
        AdaRound(steps=30).apply(model, one)


def test_samples_are_drawn_one_batch_after_the_other(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All images were float32 in memory at once: 3 GB of a thousand at 512x512."""
    flat, _ = plain(model)
    order: list[str] = []

    def batches(images: Any) -> Any:
        for batch in float_batches(images):
            order.append("made")
            yield batch

    def sample(layer: Any, values: Any, count: int, chance: Any) -> Any:
        order.append("used")
        return draw(layer, values, count, chance)

    draw = linear.LinearLayer._sample
    monkeypatch.setattr(linear, "float_batches", batches)
    monkeypatch.setattr(linear.LinearLayer, "_sample", sample)
    next(linear_layers(flat)).rows(flat, DATA.calibration.images, seed=3)
    assert order == ["made", "used"] * 2


def test_a_layer_of_several_outputs_may_stand_in_between(context: TechniqueContext) -> None:
    """Behind tf.split the maker of a tensor was not found: a traceback."""
    tensorflow, keras = load_tensorflow()
    layers = keras.layers
    image = layers.Input((SIDE, SIDE, 3))
    parts = tensorflow.split(image, [1, 2], axis=-1)
    pixels = layers.Concatenate()([layers.Rescaling(1 / 128, -1.0)(part) for part in parts])
    left, right = tensorflow.split(layers.Conv2D(4, 3, name="first")(pixels), 2, axis=-1)
    joined = layers.Concatenate()([layers.Conv2D(4, 3, name="second")(left), right[:, 1:-1, 1:-1]])
    pooled = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 1, name="third")(joined))
    model = keras.Model(image, layers.Softmax()(layers.Dense(2, name="logits")(pooled)))
    Equalize().check_model(model)
    techniques: list[Technique] = [Equalize(), BiasCorrection(), AdaRound(steps=10)]
    for technique in techniques:
        technique.check_model(model)
        result = technique.apply(model, context)
        assert np.abs(answers(result) - answers(model)).max() < 0.05
    with pytest.raises(InputError, match="qat"):
        Qat().check_model(model)


def test_data_without_calibration_images_are_refused(model: Any, context: TechniqueContext) -> None:
    none = bars(0, 1, (SIDE, SIDE, 3))
    for technique in (Equalize(), Reestimate(), BiasCorrection(), AdaRound()):
        with pytest.raises(InputError, match="no calibration images"):
            technique.apply(model, replace(context, calibration=none))
    Equalize(ranges="weights").apply(model, replace(context, calibration=none))


def test_orders_and_precisions_that_would_undo_it_are_refused() -> None:
    assert not Qat.may_follow(AdaRound)
    assert not Prune.may_follow(BiasCorrection)
    assert not AdaRound.may_follow(BiasCorrection)
    assert not AdaRound.may_follow(Cluster)
    assert not Equalize.may_follow(Qat)
    assert BiasCorrection.may_follow(Cluster)
    options: dict[str, Any] = {"model": "m.keras", "quantize": "float16", "formats": "tflite"}
    with pytest.raises(InputError, match="--adaround: rounds weights as integers"):
        CompressOptions(**options, adaround=True).to_recipe()
    kept: list[Technique] = [Equalize(), AdaRound()]
    options["quantize"] = "int8"
    recipe = CompressOptions(**options, adaround=True, equalize=True).to_recipe()
    assert list(recipe.techniques) == kept
