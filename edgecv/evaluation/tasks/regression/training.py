"""Loss, score and moves of numbers in training, in TensorFlow."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgecv.core.plugins import Move
from edgecv.models.tf import tensorflow

SMALLEST = 1e-12


def loss_of(targets: Any, raw: Any, huber: float | None) -> Any:
    """Squared errors or Huber's loss, in standard deviations: (N, 3, K), (N, ...) -> (N,)."""
    errors = tensorflow.abs(_row(raw) - targets[:, 0]) * targets[:, 1]
    losses = errors**2
    if huber is not None:
        linear = 2 * huber * errors - huber**2
        losses = tensorflow.where(errors <= huber, losses, linear)
    return _mean(losses, targets)


def imitation_loss_of(teacher: Any, raw: Any) -> Any:
    """Mean of squared differences, in deviations of the teacher: (N, ...), (N, ...) -> (N,)."""
    wanted = _row(teacher)
    variance = tensorflow.math.reduce_variance(wanted, axis=0)
    far = (_row(raw) - wanted) ** 2 / (variance + SMALLEST)
    return tensorflow.reduce_mean(far, axis=-1)


def moved(targets: Any, move: Move, *, is_box: bool, swap: Sequence[tuple[int, int]]) -> Any:
    """Return points, or a box, after the images were moved: (N, 3, K).

    ``swap``: pairs of points that are left and right.
    """
    x, y = move.points(targets[:, 0, 0::2], targets[:, 0, 1::2])
    ends, _ = move.points(tensorflow.constant([[0.0, 1.0]]) + 0 * x[:, :1], 0 * x[:, :2])
    is_mirrored = ends[:, :1] > ends[:, 1:]
    weights = targets[:, 1:]
    if is_box:
        x = tensorflow.where(is_mirrored, x[:, ::-1], x)
    elif swap:
        order = np.arange(x.shape[1])
        for left, right in swap:
            order[[left, right]] = right, left
        x, y = (
            tensorflow.where(is_mirrored, tensorflow.gather(each, order, axis=1), each)
            for each in (x, y)
        )
        twice = np.stack([2 * order, 2 * order + 1], axis=1).ravel()
        weights = tensorflow.where(
            is_mirrored[..., None], tensorflow.gather(weights, twice, axis=2), weights
        )
    if move.cuts:
        high, wide = move.size
        is_inside = (x >= 0) & (x <= wide) & (y >= 0) & (y <= high)
        inside = tensorflow.repeat(tensorflow.cast(is_inside, weights.dtype), 2, axis=1)
        weights *= inside[:, None]
    values = tensorflow.reshape(tensorflow.stack([x, y], axis=2), tensorflow.shape(targets[:, 0]))
    return tensorflow.concat([values[:, None], weights], axis=1)


def score_of(targets: Any, raw: Any, within: float | None) -> Any:
    """Return minus the mean error, of the range, or PCK: (N, 3, K), (N, ...) -> (N,)."""
    far = tensorflow.abs(_row(raw) - targets[:, 0]) * targets[:, 2]
    if within is None:
        return -_mean(far, targets)
    is_near = tensorflow.square(far[:, 0::2]) + tensorflow.square(far[:, 1::2]) <= (within**2)
    hits = tensorflow.repeat(tensorflow.cast(is_near, far.dtype), 2, axis=1)
    return _mean(hits * tensorflow.cast(targets[:, 1] > 0, far.dtype), targets)


def _row(raw: Any) -> Any:
    return tensorflow.reshape(raw, [tensorflow.shape(raw)[0], -1])


def _mean(losses: Any, targets: Any) -> Any:
    """Return the mean over the numbers that count: (N, K) -> (N,)."""
    counted = tensorflow.reduce_sum(tensorflow.cast(targets[:, 1] > 0, losses.dtype), axis=-1)
    return tensorflow.reduce_sum(losses, axis=-1) / tensorflow.maximum(counted, 1.0)
