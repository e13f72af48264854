"""Costs against what was published, what is counted by hand, and what the small model costs."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paths import SHARED

from edgecv.evaluation.tasks.classification.training import ClassHead
from edgecv.models.architectures.cifar_cnn import CifarCnn
from edgecv.models.channels.costs import cost_of, cost_of_model, totals
from edgecv.models.channels.graph import ChannelGraph
from edgecv.models.channels.rebuild import rebuild
from edgecv.models.channels.trace import trace
from edgecv.models.tf import load_tensorflow

# Not imported from conftest: which of the conftest files that name means depends on the order.


def keras_layers() -> Any:
    _, keras = load_tensorflow()
    return keras.layers


def sequential(*layers: Any) -> Any:
    _, keras = load_tensorflow()
    return keras.Sequential(list(layers))


def test_the_architecture() -> None:
    cost = cost_of_model(CifarCnn().build((32, 32, 3), ClassHead(10)))
    by_name = {layer.name: layer for layer in cost.layers}
    assert by_name["conv_1"].macs == 30 * 30 * 3 * 3 * 3 * 32
    assert by_name["conv_2"].macs == 13 * 13 * 3 * 3 * 32 * 64
    assert by_name["conv_3"].macs == 4 * 4 * 3 * 3 * 64 * 64
    assert by_name["dense_1"].macs == 4 * 4 * 64 * 64
    assert by_name["logits"].macs == 64 * 10
    assert (cost.macs, cost.parameters) == (4_548_608, 122_570)
    assert by_name["conv_1"].output_shape == (30, 30, 32)
    assert by_name["conv_1"].activations == 28_800


@pytest.mark.parametrize(
    ("name", "macs", "parameters"),
    [("MobileNet", 568_740_352, 4_253_864), ("MobileNetV2", 300_774_272, 3_538_984)],
)
def test_published_models(name: str, macs: int, parameters: int) -> None:
    _, keras = load_tensorflow()
    cost = cost_of_model(getattr(keras.applications, name)(weights=None))
    assert (cost.macs, cost.parameters) == (macs, parameters)


def test_a_model_that_nobody_here_made() -> None:
    path = SHARED / "models" / "vww_96.h5"
    if not path.exists():
        pytest.skip(f"needs {path}, which is not part of the project")
    from edgecv.formats.keras.importer import load

    cost = cost_of_model(load(path))
    assert (cost.macs, cost.parameters) == (7_489_664, 221_794)


def test_a_transposed_convolution_counts_where_it_spreads_from() -> None:
    layers = keras_layers()
    model = sequential(
        layers.InputLayer((5, 4, 3)), layers.Conv2DTranspose(7, 3, strides=2, padding="same")
    )
    cost = cost_of_model(model)
    assert cost.layers[0].output_shape == (10, 8, 7)
    assert cost.macs == 5 * 4 * 3 * 3 * 3 * 7
    assert cost.parameters == 3 * 3 * 3 * 7 + 7


def test_a_separable_convolution_counts_both_kernels() -> None:
    layers = keras_layers()
    model = sequential(
        layers.InputLayer((6, 6, 4)), layers.SeparableConv2D(10, 3, depth_multiplier=2)
    )
    cost = cost_of_model(model)
    assert cost.macs == 4 * 4 * (3 * 3 * 4 * 2 + 8 * 10)
    assert cost.parameters == 3 * 3 * 4 * 2 + 8 * 10 + 10


def test_a_grouped_convolution_counts_its_own_channels_only() -> None:
    layers = keras_layers()
    model = sequential(
        layers.InputLayer((6, 6, 8)), layers.Conv2D(12, 3, groups=4, use_bias=False, strides=2)
    )
    cost = cost_of_model(model)
    assert cost.macs == 2 * 2 * 3 * 3 * 2 * 12
    assert cost.parameters == 3 * 3 * 2 * 12


def test_a_depthwise_convolution_and_its_scale() -> None:
    layers = keras_layers()
    model = sequential(
        layers.InputLayer((6, 6, 8)),
        layers.DepthwiseConv2D(3, padding="same", use_bias=False),
        layers.BatchNormalization(),
    )
    cost = cost_of_model(model)
    assert cost.macs == 6 * 6 * 3 * 3 * 8
    assert cost.parameters == 3 * 3 * 8 + 4 * 8


def test_a_dense_layer_on_each_position() -> None:
    layers = keras_layers()
    cost = cost_of_model(sequential(layers.InputLayer((9, 4)), layers.Dense(5)))
    assert (cost.macs, cost.parameters) == (9 * 4 * 5, 4 * 5 + 5)


def test_a_shared_layer_is_run_twice_and_stored_once() -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    image = layers.Input((4, 4, 6))
    shared = layers.Conv2D(6, 3, padding="same", name="shared")
    small = layers.MaxPooling2D(2)(shared(image))
    model = keras.Model(image, shared(small))
    cost = cost_of_model(model)
    assert cost.macs == (4 * 4 + 2 * 2) * 3 * 3 * 6 * 6
    assert cost.parameters == model.count_params() == 3 * 3 * 6 * 6 + 6
    assert [(layer.name, layer.parameters > 0) for layer in cost.layers if layer.macs] == [
        ("shared", True),
        ("shared", False),
    ]


def test_the_peak_of_a_chain() -> None:
    layers = keras_layers()
    model = sequential(
        layers.InputLayer((4, 4, 2)),  # 32
        layers.Conv2D(4, 1, use_bias=False),  # 64
        layers.BatchNormalization(),  # in place
        layers.ReLU(),  # in place
        layers.Conv2D(6, 1),  # 96
        layers.MaxPooling2D(2),  # 24
        layers.Flatten(),  # in place
        layers.Dense(3),  # 3
    )
    assert cost_of_model(model).peak_activations == 64 + 96


def test_the_peak_is_at_the_first_layer_where_the_image_is_large() -> None:
    layers = keras_layers()
    model = sequential(
        layers.InputLayer((8, 8, 4)), layers.Conv2D(2, 1), layers.MaxPooling2D(2), layers.Flatten()
    )
    assert cost_of_model(model).peak_activations == 256 + 128


@pytest.mark.parametrize("residual", [True, False])
def test_the_peak_of_a_residual_block(residual: bool) -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    image = layers.Input((4, 4, 2))  # 32
    x = layers.Conv2D(4, 1, name="a")(image)  # 64
    y = layers.Conv2D(8, 1, name="b")(x)  # 128
    y = layers.Conv2D(4, 1, name="c")(y)  # 64
    out = layers.Add()([x, y]) if residual else layers.MaxPooling2D(2)(y)
    cost = cost_of_model(keras.Model(image, layers.Flatten()(out)))
    # While "c" runs, what enters it, what it makes, and what waits to be added.
    assert cost.peak_activations == 128 + 64 + (64 if residual else 0)


def random_model() -> Any:
    """Return a model of most kinds of ties."""
    _, keras = load_tensorflow()
    layers = keras.layers
    image = layers.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    y = layers.BatchNormalization()(layers.Conv2D(6, 3, padding="same")(x))
    y = layers.PReLU(shared_axes=[1, 2])(y)
    x = layers.Add()([x, layers.SeparableConv2D(8, 3, padding="same")(y)])
    gate = layers.Conv2D(8, 1, activation="sigmoid")(
        layers.GlobalAveragePooling2D(keepdims=True)(x)
    )
    x = layers.Concatenate()([layers.Multiply()([x, gate]), layers.Conv2D(4, 1)(x)])
    x = layers.DepthwiseConv2D(3, depth_multiplier=2)(x)
    x = layers.Conv2D(12, 1, groups=4, activation="relu")(x)
    shared = layers.Conv2D(12, 3, padding="same")
    x = layers.Conv2DTranspose(5, 2, strides=2)(layers.PReLU()(shared(shared(x))))
    x = layers.Dense(6, activation="relu")(layers.Flatten()(x))
    return keras.Model(image, layers.Dense(3)(x))


@pytest.fixture(scope="module")
def whole() -> tuple[Any, ChannelGraph]:
    model = random_model()
    return model, trace(model)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_the_cost_of_a_removal_is_that_of_the_smaller_model(
    whole: tuple[Any, ChannelGraph], seed: int
) -> None:
    model, graph = whole
    random = np.random.default_rng(seed)
    gone = [
        random.choice(width.units, random.integers(0, len(width)), replace=False)
        for width in graph.widths
    ]
    alive = graph.without(np.concatenate(gone))
    foretold = cost_of(graph, alive)
    small = rebuild(model, graph, alive)
    assert foretold == cost_of_model(small)
    assert foretold.parameters == small.count_params()
    assert (foretold.macs, foretold.parameters) == totals(graph, alive)


def test_nothing_removed_costs_the_same(whole: tuple[Any, ChannelGraph]) -> None:
    model, graph = whole
    assert cost_of(graph, graph.everything()) == cost_of_model(model)
    assert cost_of_model(model).parameters == model.count_params()
    for width in graph.widths:
        macs, parameters = totals(graph, graph.without(width.units[:1]))
        assert macs < totals(graph, graph.everything())[0]
        assert parameters < model.count_params()
