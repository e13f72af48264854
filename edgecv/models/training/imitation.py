"""Imitation of a teacher's probabilities, in TensorFlow: raw outputs are logits."""

from edgecv.core.keras_types import Tensor
from edgecv.models.tf import tensorflow


def two_classes(raw: Tensor) -> Tensor:
    """Return a logit a class: that of one output is of the second of two, beside 0."""
    if raw.shape[-1] > 1:
        return raw
    return tensorflow.concat([tensorflow.zeros_like(raw), raw], axis=-1)


def divergence_from(teacher: Tensor, raw: Tensor, temperature: float) -> Tensor:
    """Return the divergence of softened probabilities: (..., K), (..., K) -> (...).

    Scaled by the square of the temperature, so that the gradients match those of the targets.
    """
    log_softmax = tensorflow.nn.log_softmax
    wanted, given = (log_softmax(two_classes(each) / temperature) for each in (teacher, raw))
    divergence = tensorflow.reduce_sum(tensorflow.exp(wanted) * (wanted - given), axis=-1)
    return temperature**2 * divergence
