"""Channels that are removed, and what the narrower model says then beside the wide one."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.models.channels.costs import cost_of
from edgecv.models.channels.graph import ChannelGraph
from edgecv.models.channels.rebuild import rebuild, zeroed
from edgecv.models.channels.trace import trace
from edgecv.models.softmax import logits_model
from edgecv.models.tf import load_tensorflow

# Not imported from conftest: which of the conftest files that name means depends on the order.
SHAPE = (8, 8, 3)
TOLERANCE = 3e-5
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


Body = Callable[[Any, Any], Any]


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
