"""Folding of batch normalization: the same function, and only where nothing else looks."""

from typing import Any

import numpy as np
import pytest
from weights import weights_sha256

from edgecv.core.errors import InputError
from edgecv.models.kernels import kernels_of
from edgecv.models.tf import load_tensorflow, set_seed
from edgecv.techniques.cluster import Cluster
from edgecv.techniques.quantizers.first_kernels import take_pixels
from edgecv.techniques.quantizers.placement import quantize
from edgecv.techniques.quantizers.ranges import set_ranges
from edgecv.techniques.rewrites.fold_batch_norm import fold, fuse_relus, normalizations_in

SHAPE = (8, 8, 4)
IMAGES = np.random.default_rng(0).normal(size=(5, *SHAPE)).astype(np.float32)


def randomized(model: Any) -> Any:
    """Give every weight a value that matters, those of batch normalization too."""
    random = np.random.default_rng(1)
    for variable in model.weights:
        kind = variable.name.split("/")[-1].split(":")[0]
        shape = tuple(variable.shape)
        if kind == "moving_variance":
            values = random.uniform(0.2, 2, shape)
        elif kind == "gamma":
            values = random.uniform(0.5, 2, shape) * random.choice([-1, 1], shape)
        else:
            values = random.normal(0, 0.4, shape)
        variable.assign(values)
    return model


def model_of(*middle: Any) -> Any:
    """Return a chain, with a dense layer at its end that looks at every channel."""
    set_seed(0)
    _, keras = load_tensorflow()
    ends = [keras.layers.Flatten(name="flat"), keras.layers.Dense(3, name="logits")]
    return randomized(keras.Sequential([keras.layers.InputLayer(SHAPE), *middle, *ends]))


def check_same(model: Any, result: Any) -> None:
    before = model(IMAGES, training=False).numpy()
    assert before.std() > 0.1, "a test of outputs that hardly differ shows nothing"
    most = 1e-5 * max(1.0, float(np.abs(before).max()))
    np.testing.assert_allclose(result(IMAGES, training=False).numpy(), before, rtol=0, atol=most)


def kinds(use_bias: bool) -> dict[str, Any]:
    _, keras = load_tensorflow()
    layers = keras.layers
    options = {"use_bias": use_bias, "name": "maker"}
    return {
        "Conv2D": layers.Conv2D(6, 3, padding="same", **options),
        "Conv2D in groups": layers.Conv2D(6, 3, groups=2, **options),
        "Conv2DTranspose": layers.Conv2DTranspose(5, 3, strides=2, **options),
        "DepthwiseConv2D": layers.DepthwiseConv2D(3, strides=2, **options),
        "DepthwiseConv2D, two a channel": layers.DepthwiseConv2D(3, depth_multiplier=2, **options),
        "SeparableConv2D": layers.SeparableConv2D(6, 3, depth_multiplier=2, **options),
        "Dense": layers.Dense(7, **options),
    }


@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"scale": False}, {"center": False}, {"scale": False, "center": False}], ids=str
)
def test_what_is_folded_says_the_same(options: Any, use_bias: bool) -> None:
    _, keras = load_tensorflow()
    for kind, maker in kinds(use_bias).items():
        norm = keras.layers.BatchNormalization(name="norm", epsilon=0.01, **options)
        model = model_of(maker, norm, keras.layers.ReLU(name="relu"))
        before = weights_sha256(model)
        result, folded = fold(model)
        assert folded == ("norm",), kind
        assert [layer.name for layer in result.layers] == ["maker", "relu", "flat", "logits"]
        check_same(model, result)
        assert weights_sha256(model) == before, "the caller's model was changed"


def test_a_functional_model_keeps_its_names_and_its_end() -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    image = layers.Input(SHAPE, name="image")
    x = layers.Conv2D(4, 3, padding="same", name="conv_1")(image)
    x = layers.BatchNormalization(name="norm_1")(x)
    y = layers.ReLU(name="relu_1")(x)
    x = layers.Add(name="add")([x, y])  # The normalized one has two takers; the plain one has one.
    x = layers.Conv2D(4, 3, padding="same", name="conv_2")(x + 1.0)
    model = randomized(keras.Model(image, layers.BatchNormalization(name="norm_2")(x)))
    result, folded = fold(model)
    assert folded == ("norm_1", "norm_2")
    kept = [layer.name for layer in model.layers if "norm" not in layer.name]
    assert [layer.name for layer in result.layers] == kept
    check_same(model, result)


def left_alone() -> dict[str, Any]:
    _, keras = load_tensorflow()
    layers = keras.layers
    conv = layers.Conv2D(4, 3, padding="same", name="conv")
    norm = layers.BatchNormalization(name="norm")

    def functional(build: Any) -> Any:
        image = layers.Input(SHAPE)
        return keras.Model(image, build(image))

    return {
        "activation between": functional(
            lambda x: norm(layers.Conv2D(4, 3, activation="relu", name="conv")(x))
        ),
        "pooling between": functional(lambda x: norm(layers.MaxPooling2D()(conv(x)))),
        "rows, not channels": functional(lambda x: layers.BatchNormalization(axis=1)(conv(x))),
        "shared convolution": functional(lambda x: norm(conv(conv(x)))),
        "shared normalization": functional(lambda x: norm(norm(conv(x)))),
        "two takers": functional(lambda x: layers.Add()([taken := conv(x), norm(taken)])),
        "an output too": functional(lambda x: [taken := conv(x), norm(taken)]),
        "on pixels": functional(norm),
        "within a model": functional(keras.Sequential([layers.InputLayer(SHAPE), conv, norm])),
    }


def test_what_something_else_looks_at_is_left_alone() -> None:
    for why, model in left_alone().items():
        result, folded = fold(randomized(model))
        assert folded == (), why
        assert list(normalizations_in(result)) == list(normalizations_in(model)) != []
        outputs = [each(IMAGES, training=False) for each in (model, result)]
        for one, other in zip(*[x if isinstance(x, list) else [x] for x in outputs], strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_weight_decay_of_a_folded_kernel_goes_and_of_others_stays() -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    decay = {"kernel_regularizer": "l2", "kernel_constraint": "non_neg"}
    model = model_of(
        layers.Conv2D(4, 3, name="folded", **decay),
        layers.BatchNormalization(),
        layers.Conv2D(4, 3, name="other", **decay),
    )
    result, _ = fold(model)
    assert len(result.losses) == 1
    assert result.get_layer("folded").kernel_constraint is None
    assert result.get_layer("other").kernel_constraint is not None


def test_relus_become_activations_where_they_are_plain() -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    model = model_of(
        layers.Conv2D(4, 3, name="conv"),
        layers.ReLU(name="taken_up"),
        layers.DepthwiseConv2D(3, name="depthwise"),
        layers.Activation("relu", name="taken_up_too"),
        layers.Conv2D(4, 1, name="limited"),
        layers.ReLU(6.0, name="relu6"),
        layers.Dense(8, name="leaky"),
        layers.ReLU(negative_slope=0.1, name="slope"),
        layers.MaxPooling2D(2, name="pool"),
        layers.ReLU(name="behind_a_pool"),
    )
    result = fuse_relus(model)
    gone = {layer.name for layer in model.layers} - {layer.name for layer in result.layers}
    assert gone == {"taken_up", "taken_up_too"}
    check_same(model, result)


def test_clustering_names_a_normalization_that_cannot_be_folded() -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    pool, norm = layers.MaxPooling2D(name="pool"), layers.BatchNormalization(name="norm")
    model = model_of(layers.Conv2D(4, 3, name="conv"), pool, norm)
    with pytest.raises(InputError, match="norm cannot be folded into the layer before it"):
        Cluster().check_model(model)
    Cluster().check_model(model_of(layers.Conv2D(4, 3), layers.BatchNormalization()))


@pytest.mark.parametrize("offset", [0.0, -1.0])
@pytest.mark.parametrize("scale", [1 / 128, 1 / 127.5, 1 / 255], ids=lambda scale: f"1/{1 / scale}")
def test_a_padded_convolution_takes_pixels_after_the_training(scale: float, offset: float) -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    model = model_of(
        layers.Rescaling(scale, offset=offset, name="rescale"),
        layers.Conv2D(4, 3, padding="same", name="conv"),
        layers.Conv2D(4, 3, padding="same", name="other"),
    )
    images = np.random.default_rng(2).integers(0, 256, (5, *SHAPE)).astype(np.uint8)
    quantized, _ = quantize(model)
    set_ranges(quantized, model, images)
    # A step of training: the ranges of the weights are found in it.
    before = quantized(images.astype(np.float32), training=True).numpy()
    before = quantized(images.astype(np.float32), training=False).numpy()
    other = quantized.get_layer("quant_other").layer.bias.numpy()
    take_pixels(quantized)
    rescale = quantized.get_layer("rescale")
    assert rescale.scale == 1
    assert rescale.offset == -round(-offset / scale)
    np.testing.assert_array_equal(quantized.get_layer("quant_other").layer.bias.numpy(), other)
    after = quantized(images.astype(np.float32), training=False).numpy()
    # Where no whole pixel is zero, the border is half a pixel off: 1 in 255 of what it says.
    most = 1e-5 if (-offset / scale).is_integer() else 0.02
    assert np.abs(after - before).max() <= most * np.abs(before).max()


def test_kernels_before_an_activation_that_stays_a_layer_are_rounded_too() -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    model = model_of(
        layers.Conv2D(4, 3, use_bias=False, name="conv"),
        layers.ReLU(6.0, name="relu6"),
        layers.Dense(6, name="dense"),
        layers.ReLU(6.0, name="relu6_too"),
    )
    quantized, _ = quantize(model)
    kernels = kernels_of(quantized)
    assert list(kernels) == ["conv", "dense", "logits"]
    for name, kernel in kernels.items():
        np.testing.assert_array_equal(kernel.numpy(), model.get_layer(name).kernel.numpy())
    np.testing.assert_array_equal(
        quantized.get_layer("quant_dense").layer.bias.numpy(), model.get_layer("dense").bias.numpy()
    )
