"""The promise of a removal: the small model says what the big one says with those channels at 0."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paths import SHARED
from removals import (
    DEEP,
    check,
    check_each_removal,
    model_of,
    photographs,
    randomize,
    removed,
    scale_logits,
)

from edgecv.core.registry import ARCHITECTURES
from edgecv.evaluation.tasks.classification.training import ClassHead
from edgecv.models.channels.layer import ELEMENTWISE
from edgecv.models.channels.trace import trace
from edgecv.models.softmax import separate_softmax
from edgecv.models.tf import load_tensorflow

GAINS = {"mobilenet_v2": 1.6, "efficientnet_lite0": 1.6}
"""A convolution without an activation gives back all that it takes: with DEEP the numbers of these
grow until float32 rounds them differently in a narrower network."""
LONG = ("mobilenet_v1", "resnet56")
"""Left to the slow tests: many times the block of which ds_cnn or resnet20 has some."""


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
