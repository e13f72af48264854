"""The last layers of networks that give numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from edgecv.evaluation.tasks.regression.values import WantedNumbers
from edgecv.models.tf import keras

EPSILON = 1e-3
"""Added to a variance of 1 by the batch normalization that is only a scale."""


class NumbersHead:
    """The last layers of a network that gives numbers: float32 (N, F) -> (N, K)."""

    def __init__(self, wanted: WantedNumbers, output: str) -> None:
        self.wanted = wanted
        self.output = output

    def __call__(self, **options: Any) -> Sequence[Any]:
        """Return a dense layer with ``options``, and a sigmoid or the scale of the targets."""
        known = np.maximum(self.wanted.counts.sum(axis=0), 1)
        means = (self.wanted.values * self.wanted.counts).sum(axis=0) / known
        dense = keras.layers.Dense(len(means), name="scaled_numbers", **options)
        if self.output == "sigmoid":
            return [dense, keras.layers.Activation("sigmoid", name="numbers")]
        return [dense, scaled("numbers", means, self.wanted.scales)]


def scaled(name: str, means: ArrayLike, scales: ArrayLike) -> Any:
    """Return a layer that turns numbers of mean 0 and deviation 1 into the unit of the targets."""
    constant = keras.initializers.Constant
    return keras.layers.BatchNormalization(
        epsilon=EPSILON,
        gamma_initializer=constant((np.asarray(scales) * np.sqrt(1 + EPSILON)).tolist()),
        beta_initializer=constant(np.asarray(means).tolist()),
        trainable=False,
        name=name,
    )
