"""Evidence on a model's pixels, from the values that reach its first layers.

Arithmetic in front of the first weights shows on black and white images, whatever its operators
are. The first batch normalization holds mean and variance of the training data: with the right
preprocessing, images give it an input of about that mean and variance.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images, Shape
from edgecv.core.preprocessing import Preprocessing, affine_of, fitting

Values = NDArray[Any]
Encode = Callable[[Images], Values]
LARGEST_SCALED = 10.0
"""The largest value of rescaled pixels: torchvision's are up to 2.7."""
CENTRED = 50.0
"""Pixels around 0 without another scale reach at least so far to both sides, as Keras' "caffe"."""
LARGEST_CENTRED = 300.0
SMALLEST_VARIANCE = 1e-12
INITIAL_SHARES = np.linspace(0.0, 1.0, 41) ** 3
"""Shares of its first mean, 0, and variance, 1, that a batch normalization may still hold: mostly
small ones, as each step leaves 99%."""


@dataclass(frozen=True)
class InputEvidence:
    """Facts of a model's graph that show the preprocessing of its pixels."""

    rescaling: str = ""
    """Description of the arithmetic that brings pixels of 0..255 to a network's usual range, or of
    an integer input that declares its range. Empty where there is none."""
    divergences: tuple[tuple[str, float], ...] = ()
    """Divergence of images from the training data by the first batch normalization, for each
    preprocessing by name. Empty where the graph has no batch normalization."""


@dataclass(frozen=True)
class NormalizationInput:
    """Input of the first batch normalization, and the statistics that it holds."""

    values: NDArray[np.float64]
    """float64 (N, C): all places of all images."""
    mean: NDArray[np.float64]
    """float64 (C,)."""
    variance: NDArray[np.float64]
    """float64 (C,), with the layer's epsilon."""


class InputProbe(Protocol):
    """A model that is run up to one of its first layers."""

    def first_weights(self, values: Values) -> NDArray[np.float64] | None:
        """Return the input of the first layer with weights: (N, ...) -> (N, H, W, C) or (N, K)."""

    def first_normalization(self, values: Values) -> NormalizationInput | None:
        """Return the input of the first batch normalization; None where there is none."""


def rescaling_of(probe: InputProbe, encode: Encode, shape: Shape) -> str:
    """Return a description of a graph's own rescaling; empty unless its result is usual.

    A graph that doubles its input and subtracts 1 rescales too, but takes other pixels than 0..255.
    """
    constant = np.stack([np.full(shape, value, np.uint8) for value in (0, 255)])
    reached = probe.first_weights(encode(constant))
    if reached is None:
        return ""
    black, white = (_inner(each) for each in reached)
    if not np.isfinite([black, white]).all() or not _is_usual(black, white):
        return ""
    return f"its graph brings 0..255 to {_span(black, white)}"


def divergences(
    probe: InputProbe, encoders: Mapping[str, Encode], images: Images
) -> tuple[tuple[str, float], ...]:
    """Return the divergence of images, uint8 (N, H, W, C), for each preprocessing by name."""
    found = []
    for name, encode in encoders.items():
        reached = probe.first_normalization(encode(images))
        far = None if reached is None else divergence(reached)
        if far is not None:
            found.append((name, far))
    return tuple(found)


def divergence(reached: NormalizationInput) -> float | None:
    """Return the divergence of a batch normalization's input from its statistics.

    It is the median over channels of the Kullback-Leibler divergence of two normal distributions,
    the least over what a short training may have left of the initial statistics: these alone look
    like pixels of variance 1. About 0.01 to 0.3 for matching images; None where it is not a number.
    """
    mean, variance = reached.values.mean(axis=0), reached.values.var(axis=0)
    trained = np.maximum(reached.variance, SMALLEST_VARIANCE)
    initial = INITIAL_SHARES[:, np.newaxis]
    ratio = np.maximum(variance * (1 - initial) + initial, SMALLEST_VARIANCE) / trained
    shift = (mean * (1 - initial) - reached.mean) ** 2 / trained
    far = np.median((ratio + shift - 1 - np.log(ratio)) / 2, axis=1).min()
    return float(far) if np.isfinite(far) else None


def evidence_of(probe: InputProbe, encoders: Mapping[str, Encode], images: Images) -> InputEvidence:
    """Return the evidence of a graph; ``encoders``: one for each name of a preprocessing."""
    height, width, channels = images.shape[1:]
    rescaling = rescaling_of(probe, encoders["0..255"], (height, width, channels))
    if rescaling:
        return InputEvidence(rescaling)
    return InputEvidence("", divergences(probe, encoders, images))


def float_encoders(channels: int) -> dict[str, Encode]:
    """Return the encoder of each preprocessing for a model that takes float32 (N, H, W, C)."""
    return {name: _encoder(choice, channels) for name, choice in fitting(channels).items()}


def _encoder(choice: Preprocessing, channels: int) -> Encode:
    scale, offset, order = affine_of(choice, channels, "--preprocess")

    def encode(images: Images) -> Values:
        turned = images[..., order]
        return np.asarray(turned * scale + offset).astype(np.float32)

    return encode


def _inner(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values away from the border, which padding may have changed."""
    if values.ndim != 3:
        return values.ravel()
    inner: NDArray[np.float64] = values[values.shape[0] // 2, values.shape[1] // 2]
    return inner


def _is_usual(black: NDArray[np.float64], white: NDArray[np.float64]) -> bool:
    """Return True for ends of a range that networks take, other than 0 to 255 themselves."""
    low, high = float(min(black.min(), white.min())), float(max(black.max(), white.max()))
    if np.allclose(black, white):
        return False  # Whatever the network sees of an image, it is not its brightness.
    if max(-low, high) <= LARGEST_SCALED:
        return True
    return low <= -CENTRED and high >= CENTRED and max(-low, high) <= LARGEST_CENTRED


def _span(black: NDArray[np.float64], white: NDArray[np.float64]) -> str:
    low, high = min(black.min(), white.min()), max(black.max(), white.max())
    return f"{low:.3g}..{high:.3g}"
