"""Moving averages of batch normalization, estimated again after a short training.

They follow the weights slowly: with a momentum of 0.99, a third of their value is still the initial
one after 100 steps, and a well trained model predicts badly.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.keras_types import KerasModel
from edgecv.models.tf import compile_function, load_tensorflow, set_seed

STEPS_THAT_SUFFICE = 1000
"""Ten times the number of steps that a momentum of 0.99 averages over."""
MOST_BATCHES = 50


def lag(model: KerasModel, steps: int) -> bool:
    """Return True if the moving averages of a model lag behind after ``steps`` of training."""
    return steps < STEPS_THAT_SUFFICE and any(_trained(model))


def estimate(model: KerasModel, batches: Iterator[Any], seed: int) -> None:
    """Set the moving averages, in place, to the mean over batches with the present weights.

    ``batches``: float32 (N, H, W, C), as in training; at most 50 are used.
    """
    set_seed(seed)  # For dropout: the same averages after a kill.
    layers = list(_trained(model))
    momenta = [layer.momentum for layer in layers]
    variables = [each for layer in layers for each in (layer.moving_mean, layer.moving_variance)]
    start = [variable.numpy() for variable in variables]
    sums: list[NDArray[np.float64]] = [np.zeros(each.shape) for each in start]
    count = 0
    try:
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
    for variable, total in zip(variables, sums, strict=True):
        variable.assign((total / count).astype(np.float32))


def _trained(model: KerasModel) -> Iterator[Any]:
    """Yield each batch normalization that is trained, also those of nested models."""
    _, keras = load_tensorflow()
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable:
            yield layer
