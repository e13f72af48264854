"""Losses and scores of maps for training, in TensorFlow: raw outputs are logits."""

from typing import Any

from edgecv.core.keras_types import Tensor
from edgecv.core.targets import IGNORED
from edgecv.models.tf import tensorflow
from edgecv.models.training.imitation import divergence_from, two_classes

SMOOTH = 1.0
"""Pixels that both areas of a class get on top: one of few pixels then decides nothing."""


def loss_of(masks: Tensor, raw: Tensor) -> Tensor:
    """Cross-entropy plus soft Dice loss: (N, H, W), (N, h, w, K or 1) -> (N,).

    Cross-entropy is the mean over the pixels that the mask knows, Dice over the classes that it
    has: a small object then counts as much as the background.
    """
    logits, known, wanted = _prepared(masks, raw)
    classes = tensorflow.where(known > 0, tensorflow.cast(masks, "int32"), 0)
    entropy = tensorflow.nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=logits)
    pixels = tensorflow.maximum(1.0, tensorflow.reduce_sum(known, axis=(1, 2)))
    mean_entropy = tensorflow.reduce_sum(entropy * known, axis=(1, 2)) / pixels
    given = tensorflow.nn.softmax(logits) * known[..., tensorflow.newaxis]
    hits, areas, occurs = _areas(given, wanted)
    dice = (2 * hits + SMOOTH) / (areas + SMOOTH)
    return mean_entropy + 1 - _mean(dice, occurs)


def imitation_loss_of(teacher: Tensor, raw: Tensor, temperature: float) -> Tensor:
    """Divergence from the teacher's probabilities, a pixel's mean: (N, ...), (N, ...) -> (N,)."""
    return tensorflow.reduce_mean(divergence_from(teacher, raw, temperature), axis=(1, 2))


def score_of(masks: Tensor, raw: Tensor) -> Tensor:
    """Intersection over union, the mean of the classes in the mask: (N, ...), (N, ...) -> (N,)."""
    logits, known, wanted = _prepared(masks, raw)
    answers = tensorflow.one_hot(tensorflow.argmax(logits, -1), logits.shape[-1])
    hits, areas, occurs = _areas(answers * known[..., tensorflow.newaxis], wanted)
    return _mean(hits / tensorflow.maximum(1.0, areas - hits), occurs)


def _prepared(masks: Tensor, raw: Tensor) -> Any:
    """Return logits of the masks' size, and masks: 1 where it is known, one-hot where it is."""
    logits = two_classes(raw)
    if logits.shape[1:3] != masks.shape[1:3]:
        logits = tensorflow.image.resize(logits, masks.shape[1:3])
    known = tensorflow.cast(masks != IGNORED, tensorflow.float32)
    return logits, known, tensorflow.one_hot(tensorflow.cast(masks, "int32"), logits.shape[-1])


def _areas(given: Tensor, wanted: Tensor) -> Any:
    """Return hits, the sum of both areas, and 1 for each class of the mask: (N, K) each."""
    hits, given, wanted = (
        tensorflow.reduce_sum(each, axis=(1, 2)) for each in (given * wanted, given, wanted)
    )
    return hits, given + wanted, tensorflow.cast(wanted > 0, tensorflow.float32)


def _mean(values: Tensor, occurs: Tensor) -> Tensor:
    """Return the mean of the classes that occur: (N, K), (N, K) -> (N,); 1 where none does."""
    counts = tensorflow.reduce_sum(occurs, axis=-1)
    means = tensorflow.reduce_sum(values * occurs, axis=-1) / tensorflow.maximum(1.0, counts)
    return tensorflow.where(counts > 0, means, 1.0)
