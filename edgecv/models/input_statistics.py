"""Fit of images to a network's training data, by its batch normalization and without labels.

The moving mean and variance are those of the training data. With the right preprocessing, images
give the same layer an input of about that mean and variance.
"""

import numpy as np

from edgecv.core.keras_types import KerasModel
from edgecv.core.records import Images
from edgecv.models.tf import load_tensorflow


def misfit(model: KerasModel, images: Images) -> float | None:
    """Return the divergence of images, uint8 (N, H, W, C), from a model's training data.

    It is the median over channels of the Kullback-Leibler divergence of two normal distributions:
    the input of the first batch normalization, and its moving statistics. About 0.01 to 0.3 for
    matching images; None if there is no such layer.
    """
    tensorflow, keras = load_tensorflow()
    kinds = keras.layers.BatchNormalization
    norm = next((each for each in model.layers if isinstance(each, kinds)), None)
    if norm is None or len(norm.inbound_nodes) != 1 or norm.axis[0] != len(norm.input.shape) - 1:
        return None
    before = keras.Model(model.inputs, norm.input)
    seen = before(tensorflow.constant(images.astype(np.float32)), training=False).numpy()
    channels = seen.reshape(-1, seen.shape[-1]).astype(np.float64)
    mean, variance = channels.mean(axis=0), channels.var(axis=0) + norm.epsilon
    trained_mean = norm.moving_mean.numpy().astype(np.float64)
    trained_variance = norm.moving_variance.numpy().astype(np.float64) + norm.epsilon
    ratio = variance / trained_variance
    shift = (mean - trained_mean) ** 2 / trained_variance
    return float(np.median((ratio + shift - 1 - np.log(ratio)) / 2))
