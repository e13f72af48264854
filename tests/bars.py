"""Images of two classes, and a tiny model that learns them within seconds."""

from typing import Any

import numpy as np

from edgecv.core.data import Shape, Split
from edgecv.models.tf import keras, set_seed


def bars(images: int, seed: int, shape: Shape) -> Split:
    """Make images that are bright in one half, which is their class: top or bottom."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, images)
    pixels = random.integers(0, 100, (images, *shape)).astype(np.uint8)
    half = shape[0] // 2
    for image, label in zip(pixels, labels, strict=True):
        image[half * label : half * label + half] += 100
    return Split(pixels, labels, str(seed))


def tiny(seed: int = 0, *further: Any) -> Any:
    """Make a model for bars of (8, 8, 1), with further layers before its last."""
    set_seed(seed)
    layers = keras.layers
    return keras.Sequential(
        [
            layers.InputLayer((8, 8, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Flatten(),
            *further,
            layers.Dense(2),
            layers.Softmax(),
        ]
    )
