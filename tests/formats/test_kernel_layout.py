"""The layer of each stored kernel, found by its weights."""

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecv.formats.kernel_layout import LayerKernel, StoredKernel, names_of

pytestmark = pytest.mark.quick


def layer(name: str, weights: NDArray[np.float64]) -> LayerKernel:
    return LayerKernel(name, "Dense", weights, 0, weights.shape[1])


def stored(weights: NDArray[np.float64], most: int, kind: str = "") -> StoredKernel:
    """Return a kernel rounded to integers with a scale for each output."""
    scales = np.maximum(np.abs(weights).max(axis=1), 1e-9) / most
    codes = np.round(weights / scales[:, np.newaxis]).astype(np.int8)
    return StoredKernel(codes.ravel(), tuple(scales), type=kind)


@pytest.mark.parametrize("kind", ["int4", ""])
def test_few_codes_resemble_their_own_layer_alone(kind: str) -> None:
    """They were alike with every layer, and took the name of the first of their size."""
    random = np.random.default_rng(0)
    layers = [layer(name, random.normal(size=(32, 32))) for name in ("dense_1", "dense_2")]
    factors = random.choice([-3.0, 0.5], (32, 1))  # A normalization was folded into it.
    kernels = [stored(layers[0].weights, 127), stored(factors * layers[1].weights, 7, kind)]
    assert names_of(kernels, layers) == ["dense_1", "dense_2"]
    assert names_of(kernels[::-1], layers) == ["dense_2", "dense_1"]


def test_a_kernel_of_zeros_takes_no_name_of_another() -> None:
    random = np.random.default_rng(0)
    layers = [layer("dense_1", random.normal(size=(32, 32))), layer("zeros", np.zeros((32, 32)))]
    kernels = [stored(layers[1].weights, 127), stored(layers[0].weights, 127)]
    assert names_of(kernels, layers) == ["zeros", "dense_1"]
