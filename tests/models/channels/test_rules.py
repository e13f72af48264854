"""What each kind of layer does with channels: followed, tied, or held and named."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgecv.core.errors import InputError
from edgecv.evaluation.tasks.classification.training import ClassHead
from edgecv.models.architectures.cifar_cnn import CifarCnn
from edgecv.models.channels.graph import ChannelGraph
from edgecv.models.channels.rules import RULES
from edgecv.models.channels.trace import trace
from edgecv.models.tf import load_tensorflow

Body = Callable[[Any, Any], Any]


def widths(graph: ChannelGraph) -> dict[str, int]:
    return {width.name: len(width) for width in graph.widths}


def graph_of(function: Body, *, ending: bool = True) -> ChannelGraph:
    """Trace pixels -> Conv2D "before" of 8 -> the body -> Flatten -> Dense "logits"."""
    _, keras = load_tensorflow()
    layers = keras.layers
    image = layers.Input((4, 4, 3), name="image")
    value = function(layers, layers.Conv2D(8, 1, activation="relu", name="before")(image))
    if ending:
        value = layers.Dense(2, name="logits")(layers.Flatten(name="flat")(value))
    return trace(keras.Model(image, value))


def is_held(graph: ChannelGraph, path: str) -> bool:
    made = graph.layers[path].made
    assert made is not None
    return bool(graph.held[graph.roots[made]].all())


UNKNOWN: dict[str, tuple[Body, str]] = {
    "LayerNormalization": (
        lambda layers, x: layers.LayerNormalization(name="here")(x),
        "here (LayerNormalization)",
    ),
    "GroupNormalization": (
        lambda layers, x: layers.GroupNormalization(4, name="here")(x),
        "here (GroupNormalization)",
    ),
    "UnitNormalization": (
        lambda layers, x: layers.UnitNormalization(name="here")(x),
        "here (UnitNormalization)",
    ),
    "Permute that moves channels": (
        lambda layers, x: layers.Permute((3, 1, 2), name="here")(x),
        "here (Permute)",
    ),
    "Reshape that splits channels": (
        lambda layers, x: layers.Reshape((4, 4, 2, 4), name="here")(x),
        "here (Reshape)",
    ),
    "Reshape that cuts channels up": (
        lambda layers, x: layers.Reshape((32, 4), name="here")(x),
        "here (Reshape)",
    ),
    "Rescaling of a number a channel": (
        lambda layers, x: layers.Rescaling([0.5] * 8, name="here")(x),
        "here (Rescaling)",
    ),
    "BatchNormalization along rows": (
        lambda layers, x: layers.BatchNormalization(axis=1, name="here")(x),
        "here (BatchNormalization)",
    ),
    "one channel added to many": (
        lambda layers, x: layers.Add(name="here")([x, layers.Conv2D(1, 1, name="one")(x)]),
        "here (Add)",
    ),
    "an activation of the user's own": (
        lambda layers, x: layers.Conv2D(8, 1, activation=lambda each: each, name="here")(x),
        "here (Conv2D)",
    ),
    "Lambda": (
        lambda layers, x: layers.Lambda(lambda each: each[..., ::-1], name="here")(x),
        "here (Lambda)",
    ),
    "an operator": (lambda layers, x: x * 2.0, "tf.math.multiply (TFOpLambda)"),
    "two outputs": (
        lambda layers, x: layers.LSTM(4, return_state=True, name="here")(
            layers.Reshape((16, 8))(x)
        )[0],
        "here (LSTM)",
    ),
    "MultiHeadAttention": (
        lambda layers, x: layers.MultiHeadAttention(2, 4, name="here")(x, x),
        "here (MultiHeadAttention)",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_is_left_whole_and_named(name: str) -> None:
    function, described = UNKNOWN[name]
    graph = graph_of(function)
    # Names of operators are counted through the whole process.
    named = [
        each.split(" ")[0].rstrip("_0123456789") + " " + each.split(" ")[1]
        for each in graph.not_followed
    ]
    assert described in (*graph.not_followed, *named)
    is_activation = "activation" in name
    assert is_held(graph, "here" if is_activation else "before")
    if not is_activation:
        assert widths(graph) == {}


def test_a_layer_of_another_library_is_held() -> None:
    _, keras = load_tensorflow()

    class Conv2D(keras.layers.Conv2D):  # type: ignore[misc, name-defined]
        """Of the same name, and with a mind of its own."""

    graph = graph_of(lambda layers, x: Conv2D(8, 1, name="here")(x))
    assert graph.not_followed == ("here (Conv2D)",)
    assert widths(graph) == {}


def test_channels_first_is_held() -> None:
    graph = graph_of(
        lambda layers, x: layers.MaxPooling2D(2, data_format="channels_first", name="here")(x)
    )
    assert graph.not_followed == ("here (MaxPooling2D)",)
    assert widths(graph) == {}


def test_known_layers_are_all_followed() -> None:
    graph = graph_of(lambda layers, x: layers.Permute((2, 1, 3))(layers.Softmax()(x)))
    assert graph.not_followed == ()


@pytest.mark.parametrize("name", ["Softmax layer", "Activation", "Dense", "log_softmax"])
def test_softmax_and_outputs_are_held(name: str) -> None:
    def function(layers: Any, x: Any) -> Any:
        x = layers.Dense(6, activation="relu", name="hidden")(layers.GlobalAveragePooling2D()(x))
        if name == "Dense":
            return layers.Dense(3, activation="softmax", name="last")(x)
        if name == "log_softmax":
            return layers.Dense(3, activation="log_softmax", name="last")(x)
        x = layers.Dense(3, name="last")(x)
        return layers.Softmax()(x) if name == "Softmax layer" else layers.Activation("softmax")(x)

    graph = graph_of(function, ending=False)
    assert widths(graph) == {"before": 8, "hidden": 6}
    assert is_held(graph, "last")
    assert graph.not_followed == ()


def test_softmax_in_the_middle_is_held() -> None:
    graph = graph_of(
        lambda layers, x: layers.Conv2D(4, 1, name="after")(
            layers.Softmax()(layers.Conv2D(5, 1, name="attention")(x))
        )
    )
    assert widths(graph) == {"before": 8, "after": 4}


def test_every_output_is_held() -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    image = layers.Input((4, 4, 3))
    features = layers.Conv2D(8, 1, name="features")(image)
    hidden = layers.Conv2D(6, 1, name="hidden")(features)
    graph = trace(keras.Model(image, [features, layers.Conv2D(2, 1, name="last")(hidden)]))
    assert widths(graph) == {"hidden": 6}


def test_what_is_tied_to_an_input_is_held() -> None:
    graph = graph_of(lambda layers, x: layers.Conv2D(3, 1, name="three")(x))
    assert widths(graph) == {"before": 8, "three": 3}
    _, keras = load_tensorflow()
    layers = keras.layers
    image = layers.Input((4, 4, 3))
    x = layers.Conv2D(3, 1, name="three")(image)
    x = layers.DepthwiseConv2D(3)(layers.Add()([image, x]))
    graph = trace(keras.Model(image, layers.Conv2D(2, 1)(x)))
    assert widths(graph) == {}
    assert (graph.tensors[0].ids == np.arange(3)).all()
    assert graph.held[graph.roots[graph.tensors[0].ids]].all()


GRAPHS: dict[str, tuple[Body, dict[str, int]]] = {
    "chain": (
        lambda layers, x: layers.Conv2D(6, 3, name="a")(layers.MaxPooling2D(1)(x)),
        {"before": 8, "a": 6},
    ),
    "residual": (
        lambda layers, x: layers.Add()(
            [x, layers.Conv2D(8, 1, name="b")(layers.Conv2D(6, 1, name="a")(x))]
        ),
        {"before+b": 8, "a": 6},
    ),
    "concatenation, added to": (
        lambda layers, x: layers.Add()(
            [
                layers.Concatenate()([x, layers.Conv2D(4, 1, name="a")(x)]),
                layers.Conv2D(12, 1, name="b")(x),
            ]
        ),
        {"before+b": 8, "a+b": 4},
    ),
    "groups of two": (
        lambda layers, x: layers.Conv2D(12, 1, groups=4, name="a")(x),
        {"before": 2, "a": 3},
    ),
    "groups of one": (
        lambda layers, x: layers.Conv2D(16, 1, groups=8, name="a")(x),
        {"before+a": 8},
    ),
    "depthwise": (
        lambda layers, x: layers.Conv2D(4, 1, name="a")(
            layers.DepthwiseConv2D(3, depth_multiplier=2)(x)
        ),
        {"before": 8, "a": 4},
    ),
    "multiplied by a gate a channel": (
        lambda layers, x: layers.Multiply()(
            [x, layers.Conv2D(8, 1, activation="sigmoid", name="gate")(x)]
        ),
        {"before+gate": 8},
    ),
    "multiplied by one gate": (
        lambda layers, x: layers.Multiply()(
            [x, layers.Conv2D(1, 1, activation="sigmoid", name="gate")(x)]
        ),
        {"before": 8},
    ),
    "a gate that says 1 of nothing": (
        lambda layers, x: layers.Conv2D(4, 1, name="after")(
            layers.Conv2D(5, 1, activation="exponential", name="gate")(x)
        ),
        {"before": 8, "after": 4},
    ),
    "dense on dense": (
        lambda layers, x: layers.Dense(5, name="a")(layers.Flatten()(x)),
        {"before": 8, "a": 5},
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_widths_of_known_graphs(name: str) -> None:
    function, expected = GRAPHS[name]
    assert widths(graph_of(function)) == expected


def test_widths_of_the_architecture() -> None:
    graph = trace(CifarCnn().build((32, 32, 3), ClassHead(10)))
    assert widths(graph) == {"conv_1": 32, "conv_2": 64, "conv_3": 64, "dense_1": 64}
    touched = {width.name: graph.touched_by(width) for width in graph.widths}
    assert touched["conv_1"] == ("conv_1", "conv_2")
    assert touched["conv_3"] == ("conv_3", "dense_1")


def test_a_shared_layer_ties_what_enters_it() -> None:
    def function(layers: Any, x: Any) -> Any:
        shared = layers.Conv2D(5, 1, name="shared")
        branches = [layers.Conv2D(6, 1, name=name)(x) for name in "ab"]
        return layers.Concatenate()([shared(each) for each in branches])

    found = {frozenset(width.makers): len(width) for width in graph_of(function).widths}
    assert found == {frozenset({"before"}): 8, frozenset("ab"): 6, frozenset({"shared"}): 5}


def test_layers_of_nested_models_are_named_by_their_path() -> None:
    def function(layers: Any, x: Any) -> Any:
        _, keras = load_tensorflow()
        entering = layers.Input((4, 4, 8))
        nested = keras.Model(entering, layers.Conv2D(5, 1, name="a")(entering), name="nested")
        return nested(x)

    assert widths(graph_of(function)) == {"before": 8, "nested/a": 5}


def test_a_model_that_is_no_graph_is_refused() -> None:
    _, keras = load_tensorflow()

    class Own(keras.Model):  # type: ignore[misc, name-defined]
        def call(self, images: Any) -> Any:
            return images

    unbuilt = keras.Sequential([keras.layers.Dense(2)])
    for model in (Own(), unbuilt, keras.layers.Dense(2), "a word"):
        with pytest.raises(InputError, match="is not a graph of layers"):
            trace(model)


def test_a_model_of_open_shapes_is_refused() -> None:
    _, keras = load_tensorflow()
    image = keras.layers.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 1)(image), name="open")
    with pytest.raises(InputError, match=r"open: has a tensor of shape \(None, None, None, 3\)"):
        trace(model)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_for_a_layer_that_there_is(name: str) -> None:
    _, keras = load_tensorflow()
    cls = getattr(keras.layers, name)
    assert issubclass(cls, keras.layers.Layer)
    assert cls.__name__ == name
