"""Probabilities from the outputs of a file: its values show whether they are logits."""

import numpy as np

from edgecv.core.data import Predictions

ROUNDING = 0.01
"""Largest distance of a probability from 0..1, and of the sum of a row from 1."""
MOST_CODES = 256
NEAR_A_CODE = 0.05
LOGITS = "it gives logits: a softmax is taken of them"


def as_probabilities(
    outputs: Predictions, scale: float | None = None
) -> tuple[Predictions, tuple[str, ...]]:
    """Return probabilities, float32 (N, K), and a note where they were computed from logits.

    ``scale`` of outputs that were integers: each is off by up to half of it. Raises
    ValueError, with what was found, where the outputs are neither.

    >>> as_probabilities(np.array([[2.0, 2.0]], np.float32))[0]
    array([[0.5, 0.5]], dtype=float32)
    """
    low, high = float(outputs.min()), float(outputs.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        return softmax(outputs), (LOGITS,)
    sums = outputs.sum(axis=1, dtype=np.float64)
    step = step_of(outputs) if scale is None else scale
    if np.abs(sums - 1).max() > ROUNDING + outputs.shape[1] * step / 2:
        raise ValueError(
            f"gives outputs of 0..1 whose sums are {sums.min():.3g} to {sums.max():.3g}:"
            " neither probabilities of one class nor logits"
        )
    return outputs, ()


def step_of(outputs: Predictions) -> float:
    """Return the step that outputs of 0..1 were rounded to within the file, else 0.

    A quantized softmax may be followed by a conversion to float.

    >>> round(1 / step_of(np.array([[3, 250, 2], [128, 127, 1]], np.float32) / 255))
    255
    >>> step_of(np.array([[0.123, 0.456, 0.421]], np.float32))
    0.0
    """
    positive = np.unique(outputs[outputs > 0].astype(np.float64))
    if not 1 < len(positive) <= MOST_CODES:
        return 0.0
    step = float(np.diff(positive, prepend=0.0).min())
    codes = positive / step
    is_rounded = (
        step * MOST_CODES >= positive.max() and np.abs(codes - np.rint(codes)).max() < NEAR_A_CODE
    )
    return step if is_rounded else 0.0


def softmax(logits: Predictions) -> Predictions:
    """Return the probabilities of logits: float32 (N, K)."""
    exact = logits.astype(np.float64)
    powers = np.exp(exact - exact.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
