"""Whether a file gives probabilities or logits, told by what it gave."""

import numpy as np

from edgecv.records import Predictions

ROUNDING = 0.01
"""How far a probability may be outside of 0..1, and how far the sum of a row from 1."""
LOGITS = "it gives logits: a softmax is taken of them"


def as_probabilities(
    outputs: Predictions, scale: float | None = None
) -> tuple[Predictions, tuple[str, ...]]:
    """Return probabilities, float32 (N, K), and a sentence where they had to be made of logits.

    ``scale``: of outputs that were integers, each of which is up to half of it off. Raises
    ValueError, with what was found, where the outputs are neither.

    >>> as_probabilities(np.array([[2.0, 2.0]], np.float32))[0]
    array([[0.5, 0.5]], dtype=float32)
    """
    low, high = float(outputs.min()), float(outputs.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        return softmax(outputs), (LOGITS,)
    sums = outputs.sum(axis=1, dtype=np.float64)
    if np.abs(sums - 1).max() > ROUNDING + outputs.shape[1] * (scale or 0.0) / 2:
        raise ValueError(
            f"gives outputs of 0..1 whose sums are {sums.min():.3g} to {sums.max():.3g}:"
            " neither probabilities of one class nor logits"
        )
    return outputs, ()


def softmax(logits: Predictions) -> Predictions:
    """Return the probabilities that logits stand for: float32 (N, K)."""
    exact = logits.astype(np.float64)
    powers = np.exp(exact - exact.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
