"""The promise of a removal: the small model says what the big one says with those channels at 0."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from paths import SHARED

from edgecv.core.registry import ARCHITECTURES
from edgecv.evaluation.tasks.classification import ClassHead
from edgecv.models.channels.costs import cost_of
from edgecv.models.channels.layer import ELEMENTWISE
from edgecv.models.channels.rebuild import rebuild, zeroed
from edgecv.models.channels.trace import ChannelGraph, trace
from edgecv.models.softmax import logits_model, separate_softmax
from edgecv.models.tf import load_tensorflow

# Not imported from conftest: which of the conftest files that name means depends on the order.
SHAPE = (8, 8, 3)
TOLERANCE = 1e-5
EFFECT = 1e-2
"""Removing channels changes outputs of about 1 by more than this, or the test shows nothing."""

DEEP = 2.0
"""A deep network forgets its images where each layer gives back less than it takes."""


def randomize(model: Any, seed: int, gain: float = 1.0) -> None:
    """Give every weight a value that matters, BatchNormalization's included."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        shape = tuple(variable.shape)
        name = variable.name.split("/")[-1]
        if "variance" in name or "gamma" in name:
            values = random.uniform(0.5, 1.5, shape)
        elif "kernel" in name:
            depthwise = "depthwise" in name
            fan_in = np.prod(shape[:-2] if depthwise else shape[:-1])
            values = random.normal(0, gain / np.sqrt(fan_in), shape)
        else:
            values = random.normal(0, 0.3, shape)
        variable.assign(values)


def scale_logits(model: Any, images: NDArray[np.float32]) -> None:
    """Scale the last weights so that the largest logit of these images is 1."""
    last = next(layer for layer in reversed(model.layers) if layer.weights)
    largest = float(np.abs(logits(model, images)).max())
    assert np.isfinite(largest)
    last.set_weights([value / max(largest, 1e-3) for value in last.get_weights()])


def logits(model: Any, images: NDArray[np.float32]) -> NDArray[np.float32]:
    _, keras = load_tensorflow()
    if isinstance(model.layers[-1], keras.layers.Softmax):
        model = logits_model(model)
    found: NDArray[np.float32] = model(images, training=False).numpy()
    return found


def removed(
    graph: ChannelGraph, random: np.random.Generator, fraction: float | None
) -> NDArray[np.int64]:
    """Choose units of every width: about a fraction, at least one; None for all but one."""
    chosen = []
    for width in graph.widths:
        most = len(width) - 1
        count = most
        if fraction is not None:
            # Another number for each width, so that none fits the other's shape by chance.
            some = len(width) * fraction * random.uniform(0.6, 1.4)
            count = min(most, max(1, round(some)))
        chosen.append(random.choice(width.units, count, replace=False))
    return np.concatenate(chosen) if chosen else np.array([], np.int64)


def check(
    model: Any, graph: ChannelGraph, gone: NDArray[np.int64], images: NDArray[np.float32]
) -> tuple[float, Any]:
    """Compare the small model with the zeroed big one; return what removing changed, and it."""
    alive = graph.without(gone)
    weights = model.get_weights()
    whole = logits(model, images)
    small = rebuild(model, graph, alive)
    nothing = zeroed(model, graph, alive)
    for before, after in zip(weights, nothing, strict=True):
        assert ((after == before) | (after == 0)).all()
    try:
        model.set_weights(nothing)
        big = logits(model, images)
    finally:
        model.set_weights(weights)
    np.testing.assert_allclose(logits(small, images), big, rtol=TOLERANCE, atol=TOLERANCE)
    assert small.count_params() == cost_of(graph, alive).parameters
    return float(np.abs(whole - big).max()), small


def check_each_removal(
    model: Any, images: NDArray[np.float32], seed: int = 0, gain: float = 1.0
) -> None:
    """Remove a few, half, and all but one of each width's units."""
    randomize(model, seed, gain)
    scale_logits(model, images)
    assert np.ptp(logits(model, images), axis=0).max() > EFFECT, "the images are all one to it"
    graph = trace(model)
    assert graph.widths
    parameters = [model.count_params()]
    for fraction in (0.2, 0.6, None):
        gone = removed(graph, np.random.default_rng(seed), fraction)
        effect, small = check(model, graph, gone, images)
        assert effect > EFFECT, "what was removed changed nothing"
        parameters.append(small.count_params())
        for width in graph.widths:
            left = len(width) - np.isin(width.units, gone).sum()
            assert left < len(width)
            if fraction is None:
                assert left == 1
        found = trace(small)
        for path, known in graph.layers.items():
            for tensor in (graph.output_of(path),):
                kept = graph.kept_shape(tensor, graph.without(gone))
                assert found.tensors[found.output_of(path)].shape == kept
            if known.made is not None and not graph.held[graph.roots[known.made]].any():
                assert found.layers[path].made is not None
                assert len(found.layers[path].made) < len(known.made), path
    assert parameters[0] > parameters[1] >= parameters[2] >= parameters[3]


def photographs(shape: tuple[int, ...] = SHAPE, count: int = 6) -> NDArray[np.float32]:
    """Return images that differ in brightness and in each pixel: float32 (N, H, W, C), 0..255."""
    random = np.random.default_rng(1)
    brightness = np.linspace(20, 200, count).reshape(-1, 1, 1, 1)
    pixels = brightness + random.uniform(-20, 55, (count, *shape))
    return pixels.astype(np.float32)


GAINS = {"mobilenet_v2": 1.6, "efficientnet_lite0": 1.6}
"""A convolution without an activation gives back all that it takes: with DEEP the numbers of these
grow until float32 rounds them differently in a narrower network."""
LONG = ("mobilenet_v1",)
"""Left to the slow tests: thirteen times the block of which ds_cnn has four."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in LONG else ())
        for name in ARCHITECTURES.classes
    ],
)
def test_every_architecture(name: str) -> None:
    model = ARCHITECTURES.get(name, "test")().build((32, 32, 3), ClassHead(7))
    check_each_removal(model, photographs((32, 32, 3)), gain=GAINS.get(name, DEEP))


@pytest.mark.slow
def test_a_model_that_nobody_here_made() -> None:
    path = SHARED / "models" / "vww_96.h5"
    if not path.exists():
        pytest.skip(f"needs {path}, which is not part of the project")
    from edgecv.formats.keras.importer import load

    model = separate_softmax(load(path))
    check_each_removal(model, photographs((96, 96, 3), count=4) / 32, gain=DEEP)


Body = Callable[[Any, Any], Any]
BODIES: dict[str, tuple[Body, set[str]]] = {}


def body(*narrower: str) -> Callable[[Body], Body]:
    """Register what stands between the first layer and the logits, and what must get narrower."""

    def register(function: Body) -> Body:
        BODIES[function.__name__] = (function, set(narrower))
        return function

    return register


def model_of(function: Body) -> Any:
    """Return pixels -> Conv2D "first" of 8 -> the body -> Dense "logits" of 3."""
    _, keras = load_tensorflow()
    layers = keras.layers
    image = layers.Input(SHAPE, name="image")
    value = layers.Rescaling(1 / 128, offset=-1.0)(image)
    value = layers.Conv2D(8, 3, padding="same", activation="relu", name="first")(value)
    value = function(layers, value)
    if len(value.shape) > 2:
        value = layers.Flatten()(value)
    return keras.Model(image, layers.Dense(3, name="logits")(value))


@body("first", "grouped", "after")
def groups_that_are_tied(layers: Any, x: Any) -> Any:
    x = layers.Conv2D(12, 3, groups=4, padding="same", activation="relu", name="grouped")(x)
    return layers.Conv2D(5, 1, name="after")(x)


@body("first", "grouped", "after")
def groups_of_one_channel(layers: Any, x: Any) -> Any:
    x = layers.Conv2D(16, 3, groups=8, activation="relu", name="grouped")(x)
    return layers.Conv2D(5, 1, name="after")(x)


@body("first", "grouped")
def groups_of_one_channel_after_a_multiplier(layers: Any, x: Any) -> Any:
    x = layers.DepthwiseConv2D(3, depth_multiplier=2)(x)
    return layers.Conv2D(16, 3, groups=16, activation="relu", name="grouped")(x)


@body("first", "after")
def depthwise_with_a_multiplier(layers: Any, x: Any) -> Any:
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu")(x)
    x = layers.BatchNormalization()(x)
    return layers.Conv2D(6, 3, activation="relu", name="after")(x)


@body("first", "separable", "after")
def separable(layers: Any, x: Any) -> Any:
    x = layers.SeparableConv2D(10, 3, depth_multiplier=2, activation="swish", name="separable")(x)
    return layers.Conv2D(4, 1, name="after")(x)


@body("first", "transposed", "after")
def transposed(layers: Any, x: Any) -> Any:
    x = layers.Conv2DTranspose(6, 3, strides=2, padding="same", name="transposed")(x)
    x = layers.ReLU(6.0)(x)
    return layers.Conv2D(4, 3, strides=2, name="after")(x)


@body("first", "squeeze", "excite")
def squeeze_and_excite(layers: Any, x: Any) -> Any:
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(4, 1, activation="swish", name="squeeze")(gate)
    gate = layers.Conv2D(8, 1, activation="sigmoid", name="excite")(gate)
    return layers.Multiply()([x, gate])


@body("first", "squeeze", "excite", "after")
def squeeze_and_excite_with_dense_layers(layers: Any, x: Any) -> Any:
    gate = layers.GlobalAveragePooling2D()(x)
    gate = layers.Dense(4, activation="relu", name="squeeze")(gate)
    gate = layers.Dense(8, activation="sigmoid", name="excite")(gate)
    x = layers.Multiply()([layers.Reshape((1, 1, 8))(gate), x])
    return layers.Conv2D(4, 3, name="after")(x)


@body("first", "after")
def spatial_gate_of_one_channel(layers: Any, x: Any) -> Any:
    gate = layers.Conv2D(1, 3, padding="same", activation="sigmoid", name="gate")(x)
    return layers.Conv2D(4, 3, name="after")(layers.Multiply()([x, gate]))


@body("first", "conv")
def prelu_of_a_slope_a_channel(layers: Any, x: Any) -> Any:
    return layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(6, 3, name="conv")(x))


@body("first", "conv")
def prelu_of_a_slope_an_element(layers: Any, x: Any) -> Any:
    return layers.PReLU()(layers.Conv2D(6, 3, name="conv")(x))


@body("first", "conv")
def prelu_of_one_slope(layers: Any, x: Any) -> Any:
    return layers.PReLU(shared_axes=[1, 2, 3])(layers.Conv2D(6, 3, name="conv")(x))


@body("first", "grow_0", "grow_1", "grow_2", "after")
def dense_block(layers: Any, x: Any) -> Any:
    for number in range(3):
        y = layers.ReLU()(layers.BatchNormalization()(x))
        y = layers.Conv2D(4, 3, padding="same", name=f"grow_{number}")(y)
        x = layers.Concatenate()([x, y])
    return layers.Conv2D(6, 1, activation="relu", name="after")(x)


@body("first", "in_1", "out_1", "down", "in_2", "out_2")
def residual_across_stages(layers: Any, x: Any) -> Any:
    y = layers.Conv2D(6, 3, padding="same", activation="relu", name="in_1")(x)
    x = layers.Add()([x, layers.Conv2D(8, 3, padding="same", name="out_1")(y)])
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Conv2D(12, 1, strides=2, name="down")(x)
    y = layers.Conv2D(6, 3, padding="same", activation="relu", name="in_2")(x)
    x = layers.Add()([x, layers.Conv2D(12, 3, padding="same", name="out_2")(y)])
    return layers.ReLU()(x)


@body("first", "a", "b", "c", "d", "e")
def average_maximum_minimum_subtract(layers: Any, x: Any) -> Any:
    a, b, c, d, e = (layers.Conv2D(8, 3, padding="same", name=name)(x) for name in "abcde")
    x = layers.Average()([layers.Maximum()([a, b, x]), c])
    return layers.Minimum()([layers.Subtract()([x, d]), layers.ReLU()(e)])


@body("first", "a", "b", "shared", "after")
def shared_by_two_branches(layers: Any, x: Any) -> Any:
    shared = layers.Conv2D(6, 3, activation="relu", name="shared")
    norm = layers.BatchNormalization()
    a, b = (layers.Conv2D(7, 1, activation="relu", name=name)(x) for name in "ab")
    x = layers.Concatenate()([norm(shared(a)), norm(shared(b))])
    return layers.Conv2D(4, 3, name="after")(x)


@body("first", "a", "b", "after")
def reshape_shared_by_two_branches(layers: Any, x: Any) -> Any:
    shared = layers.Reshape((64, 6))
    a, b = (layers.Conv2D(6, 1, activation="relu", name=name)(x) for name in "ab")
    x = layers.Concatenate()([shared(a), shared(b)])
    return layers.Conv1D(4, 3, name="after")(x)


@body("first", "nested/inner")
def nested_sequential_used_twice(layers: Any, x: Any) -> Any:
    _, keras = load_tensorflow()
    nested = keras.Sequential(
        [
            layers.InputLayer((8, 8, 8)),
            layers.Conv2D(8, 3, padding="same", name="inner"),
            layers.BatchNormalization(),
            layers.ReLU(),
        ],
        name="nested",
    )
    return nested(nested(x))


@body("first", "nested/inner", "nested/last", "after")
def nested_sequential_of_a_first_layer_with_a_shape(layers: Any, x: Any) -> Any:
    _, keras = load_tensorflow()
    nested = keras.Sequential(
        [
            layers.Conv2D(6, 3, activation="relu", input_shape=(8, 8, 8), name="inner"),
            layers.Conv2D(5, 3, activation="relu", name="last"),
        ],
        name="nested",
    )
    return layers.Conv2D(4, 1, name="after")(nested(x))


@body("first", "nested/inner", "after")
def nested_sequential_that_was_given_no_shape(layers: Any, x: Any) -> Any:
    _, keras = load_tensorflow()
    nested = keras.Sequential(
        [layers.Conv2D(6, 3, name="inner"), layers.BatchNormalization()], name="nested"
    )
    return layers.Conv2D(4, 1, name="after")(nested(x))


@body("first", "outer/before", "outer/inner/a", "outer/inner/b", "outer/last")
def nested_functional_in_a_nested_one(layers: Any, x: Any) -> Any:
    _, keras = load_tensorflow()
    entering = layers.Input((8, 8, 6))
    a = layers.Conv2D(5, 1, activation="relu", name="a")(entering)
    b = layers.Conv2D(6, 3, padding="same", name="b")(a)
    inner = keras.Model(entering, layers.Add()([entering, b]), name="inner")
    entering = layers.Input((8, 8, 8))
    y = layers.Conv2D(6, 3, padding="same", activation="relu", name="before")(entering)
    y = layers.ReLU()(inner(inner(y)))
    y = layers.Conv2D(8, 1, name="last")(y)
    outer = keras.Model(entering, y, name="outer")
    return layers.Add()([outer(x), x])


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "turned round"])
def test_nested_model_of_two_inputs(order: int) -> None:
    def two_inputs(layers: Any, x: Any) -> Any:
        _, keras = load_tensorflow()
        narrow, wide = layers.Input((8, 8, 5)), layers.Input((8, 8, 7))
        y = layers.Concatenate()([layers.Conv2D(4, 3, name="inner")(narrow), wide_part(wide)])
        nested = keras.Model([narrow, wide][::order], y, name="nested")
        entering = [layers.Conv2D(5, 1, name="a")(x), layers.Conv2D(7, 1, name="b")(x)]
        return layers.Conv2D(4, 1, name="after")(nested(entering[::order]))

    def wide_part(wide: Any) -> Any:
        _, keras = load_tensorflow()
        return keras.layers.Conv2D(6, 3, name="wide")(wide)

    check_body(two_inputs, {"first", "a", "b", "nested/inner", "nested/wide", "after"})


@body("first", "dense")
def flatten_and_dense(layers: Any, x: Any) -> Any:
    x = layers.Flatten()(layers.MaxPooling2D(3, 2, padding="same")(x))
    return layers.Dense(10, activation="gelu", name="dense")(x)


@body("first", "after")
def flatten_and_reshape_back(layers: Any, x: Any) -> Any:
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    return layers.Conv2D(5, 3, activation="relu", name="after")(layers.Reshape((8, 8, 8))(x))


@body("first", "after")
def rows_laid_side_by_side_on_the_channels(layers: Any, x: Any) -> Any:
    return layers.Conv1D(5, 3, activation="relu", name="after")(layers.Reshape((8, -1))(x))


@body("first", "dense")
def global_average_pooling(layers: Any, x: Any) -> Any:
    x = layers.GlobalAveragePooling2D(keepdims=False)(x)
    return layers.Dense(6, activation="elu", name="dense")(x)


@body("first", "after")
def global_average_pooling_that_keeps_its_axes(layers: Any, x: Any) -> Any:
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    return layers.Conv2D(6, 1, activation="elu", name="after")(x)


@body("first")
def zero_padding_around_what_is_not_zero(layers: Any, x: Any) -> Any:
    # Without its padding, a removed channel would leave nothing here; with it, a frame of -1.
    x = layers.Conv2D(6, 1, activation="sigmoid", name="squashed")(x)
    return layers.Rescaling(2.0, offset=-1.0)(layers.ZeroPadding2D(1)(x))


@body("first", "squashed", "after")
def sigmoid_brought_back_to_zero(layers: Any, x: Any) -> Any:
    x = layers.Conv2D(6, 1, activation="sigmoid", name="squashed")(x)
    x = layers.Rescaling(2.0, offset=-1.0)(x)
    return layers.Conv2D(4, 3, padding="same", name="after")(x)


@body("first", "conv", "after")
def zero_padding_around_zero(layers: Any, x: Any) -> Any:
    x = layers.ZeroPadding2D(((0, 1), (2, 1)))(
        layers.Conv2D(6, 1, activation="tanh", name="conv")(x)
    )
    return layers.Conv2D(4, 3, name="after")(x)


@body("first", "conv", "after")
def up_sampling_and_cropping(layers: Any, x: Any) -> Any:
    x = layers.UpSampling2D(2, interpolation="bilinear")(layers.Conv2D(6, 3, name="conv")(x))
    return layers.Conv2D(4, 3, strides=2, name="after")(layers.Cropping2D(1)(x))


@body("first", "along")
def convolution_along_one_axis(layers: Any, x: Any) -> Any:
    x = layers.Reshape((64, 8))(layers.Permute((2, 1, 3))(x))
    return layers.Conv1D(6, 3, strides=4, activation="relu", name="along")(x)


@body("first", "conv", "after")
def batch_normalization_without_a_scale(layers: Any, x: Any) -> Any:
    x = layers.BatchNormalization(scale=False)(layers.Conv2D(6, 3, name="conv")(x))
    return layers.Conv2D(4, 1, name="after")(x)


@body("first", "conv", "after")
def batch_normalization_without_a_centre(layers: Any, x: Any) -> Any:
    x = layers.BatchNormalization(center=False)(layers.Conv2D(6, 3, name="conv")(x))
    return layers.Conv2D(4, 1, name="after")(x)


@body("first")
def batch_normalization_of_what_is_not_zero(layers: Any, x: Any) -> Any:
    # Were 0.5 to come out as it went in, a removed channel would leave nothing at the end.
    x = layers.Conv2D(6, 3, activation="sigmoid", name="conv")(x)
    return layers.Rescaling(2.0, offset=-1.0)(layers.BatchNormalization(scale=False)(x))


@body("first", "dense", "after")
def dense_on_each_position(layers: Any, x: Any) -> Any:
    x = layers.Dense(6, activation="relu", name="dense")(layers.Reshape((64, 8))(x))
    return layers.Dense(4, activation="relu", name="after")(x)


@body("first", "a", "b", "after")
def concatenation_of_rows(layers: Any, x: Any) -> Any:
    a, b = (layers.Conv2D(6, 3, padding="same", name=name)(x) for name in "ab")
    x = layers.Concatenate(axis=1)([a, layers.ReLU()(b)])
    return layers.Conv2D(4, 3, name="after")(x)


def check_body(function: Body, narrower: set[str]) -> None:
    model = model_of(function)
    assert {maker for width in trace(model).widths for maker in width.makers} == narrower
    check_each_removal(model, photographs())


@pytest.mark.parametrize("name", BODIES)
def test_every_kind_of_layer(name: str) -> None:
    check_body(*BODIES[name])


STEPS = (
    "conv",
    "valid",
    "residual",
    "dense_block",
    "depthwise",
    "grouped",
    "concatenation",
    "shared",
    "gate",
    "norm",
    "activation",
)
GRAPHS = st.lists(
    st.tuples(
        st.sampled_from(STEPS),
        st.integers(1, 3),
        st.sampled_from(sorted(ELEMENTWISE)),
        st.booleans(),
    ),
    min_size=2,
    max_size=6,
)


class Graph:
    """A random network of 8x8 tensors, step by step."""

    def __init__(self) -> None:
        _, keras = load_tensorflow()
        self.layers = keras.layers

    def conv(self, channels: int, activation: str | None, **options: Any) -> Any:
        size = {"kernel_size": 3, "padding": "same", **options}
        return self.layers.Conv2D(channels, activation=activation, **size)

    def step(self, x: Any, kind: str, number: int, activation: str, flag: bool) -> Any:
        layers, channels = self.layers, x.shape[-1]
        if kind == "conv":
            return self.conv(2 * number, activation, use_bias=flag)(x)
        if kind == "valid":
            around, kept = (
                layers.ZeroPadding2D(1),
                self.conv(2 * number, activation, padding="valid"),
            )
            return kept(around(x)) if flag else around(kept(x))
        if kind == "residual":
            y = self.conv(channels, None)(self.conv(2 * number, activation)(x))
            x = layers.Add()([x, y]) if flag else layers.Maximum()([y, x])
            return layers.Activation(activation)(x)
        if kind == "dense_block":
            for _ in range(number):
                x = layers.Concatenate()([x, self.conv(2, activation)(x)])
            return x
        if kind == "depthwise":
            depthwise = layers.DepthwiseConv2D(
                3, padding="same", depth_multiplier=number, use_bias=flag, activation=activation
            )
            return depthwise(x)
        if kind == "grouped":
            groups = channels if flag or channels % 2 else 2
            return self.conv(groups * number, activation, groups=groups)(x)
        if kind == "concatenation":
            return layers.Concatenate()([self.conv(number, activation)(x), x, x])
        if kind == "shared":
            shared = self.conv(number + 1, activation)
            both = [shared(self.conv(4, None)(x)), shared(self.conv(4, activation)(x))]
            return layers.Concatenate()(both) if flag else layers.Add()(both)
        if kind == "gate":
            gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
            gate = self.conv(number + 1, activation, kernel_size=1)(gate)
            gate = self.conv(channels, "sigmoid", kernel_size=1)(gate)
            return layers.Multiply()([x, gate])
        if kind == "norm":
            return layers.BatchNormalization(scale=flag, center=number > 1)(x)
        return layers.Activation(activation)(x)


Steps = list[tuple[str, int, str, bool]]


def check_random_graph(steps: Steps, fraction: float | None, seed: int) -> None:
    def build(layers: Any, x: Any) -> Any:
        graph = Graph()
        for step in steps:
            x = graph.step(x, *step)
        return layers.Conv2D(3, 3, strides=2, name="last")(x)

    model, images = model_of(build), photographs(count=3)
    randomize(model, seed, gain=0.5)
    scale_logits(model, images)
    graph = trace(model)
    assert any("last" in width.makers for width in graph.widths)
    gone = removed(graph, np.random.default_rng(seed), fraction)
    effect, _ = check(model, graph, gone, images)
    assert effect > 0


random_graphs = given(GRAPHS, st.sampled_from([0.3, 0.7, None]), st.integers(0, 1000))
few, many = (
    settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    for count in (6, 25)
)


@few
@random_graphs
def test_a_few_random_graphs(steps: Steps, fraction: float | None, seed: int) -> None:
    check_random_graph(steps, fraction, seed)


@pytest.mark.slow
@many
@random_graphs
def test_random_graphs(steps: Steps, fraction: float | None, seed: int) -> None:
    check_random_graph(steps, fraction, seed)
