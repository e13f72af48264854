"""Batch normalization: its moving averages after a short training, and over several devices.

The averages follow slowly: with a momentum of 0.99, a third of their value is still the initial
one after 100 steps, and a well trained model predicts badly.
"""

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.models.tf import compile_function, load_tensorflow, set_seed

STEPS_THAT_SUFFICE = 1000
"""Ten times the number of steps that a momentum of 0.99 averages over."""
MOST_BATCHES = 50


def lag(model: KerasModel, steps: int) -> bool:
    """Return True if the moving averages of a model lag behind after ``steps`` of training."""
    return steps < STEPS_THAT_SUFFICE and any(_trained(model))


def estimate(
    model: KerasModel, batches: Iterator[Any], seed: int, *, frozen_too: bool = False
) -> None:
    """Set the moving averages, in place, to the mean over batches with the present weights.

    ``batches``: float32 (N, H, W, C), as in training; at most 50 are used. ``frozen_too``: also
    those of layers that are not trained.
    """
    set_seed(seed)  # For dropout: the same averages after a kill.
    layers = estimated(model) if frozen_too else list(_trained(model))
    frozen = [layer for layer in layers if not layer.trainable]
    momenta = [layer.momentum for layer in layers]
    variables = [each for layer in layers for each in (layer.moving_mean, layer.moving_variance)]
    start = [variable.numpy() for variable in variables]
    sums: list[NDArray[np.float64]] = [np.zeros(each.shape) for each in start]
    count = 0
    try:
        for layer in frozen:
            layer.trainable = True  # Else it would not look at the batch.
        for layer in layers:
            layer.momentum = 0.0  # The average is then that of the last batch alone.
        look = compile_function(lambda images: model(images, training=True))
        for images, _ in zip(batches, range(MOST_BATCHES), strict=False):
            look(images)
            sums = [each + variable.numpy() for each, variable in zip(sums, variables, strict=True)]
            count += 1
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
        for layer in frozen:
            layer.trainable = False
    for variable, total in zip(variables, sums, strict=True):
        variable.assign((total / count).astype(np.float32))


def _trained(model: KerasModel) -> Iterator[Any]:
    """Yield each batch normalization that is trained, also those of nested models."""
    return (layer for layer in _all(model) if layer.trainable)


def estimated(model: KerasModel) -> list[Any]:
    """Return each batch normalization with statistics of images, frozen or not.

    A frozen one of mean 0 and variance 1 has none: it is a scale, as heads of numbers have.
    """
    return [layer for layer in _all(model) if layer.trainable or not is_scale(layer)]


def is_scale(layer: KerasLayer) -> bool:
    """Return True for a batch normalization that has never seen a batch."""
    is_still = not layer.moving_mean.numpy().any()
    return is_still and bool(np.all(layer.moving_variance.numpy() == 1))


def _all(model: KerasModel) -> Iterator[Any]:
    _, keras = load_tensorflow()
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.BatchNormalization):
            yield layer


def synchronized(layer: KerasLayer, replicas: int) -> KerasLayer:
    """Return a batch normalization without weights over the batches of all replicas.

    Keras' own kernel for one device takes the variance of a sample into the moving average, the one
    for several that of the population: here both take that of a sample.
    """
    return _synchronized_class().from_config(
        {**layer.get_config(), "synchronized": True, "replicas": replicas if layer.fused else 0}
    )


@cache
def _synchronized_class() -> Any:
    _, keras = load_tensorflow()

    class OverReplicas(keras.layers.BatchNormalization):  # type: ignore[misc,name-defined]
        """Mean and variance over the batches of all replicas."""

        def __init__(self, *, replicas: int, **options: Any) -> None:
            super().__init__(**options)
            self._replicas, self._correction = replicas, 1.0

        def _calculate_mean_and_var(self, inputs: Any, axes: Any, *rest: Any, **named: Any) -> Any:
            count = self._replicas * math.prod(inputs.shape[axis] for axis in axes)
            self._correction = count / (count - 1) if count > 1 else 1.0
            return super()._calculate_mean_and_var(inputs, axes, *rest, **named)

        def _assign_moving_average(self, variable: Any, value: Any, *rest: Any) -> Any:
            is_variance = variable is self.moving_variance
            scaled = value * self._correction if is_variance else value
            return super()._assign_moving_average(variable, scaled, *rest)

    return OverReplicas
