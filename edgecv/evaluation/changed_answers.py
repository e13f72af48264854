"""The images that get another answer."""

import numpy as np

from edgecv.core.paired_results import Flips
from edgecv.core.records import Labels, Predictions


def flips(predictions: Predictions, baseline: Predictions, labels: Labels | None) -> Flips:
    """Return the images whose likeliest class changed: (N, K), (N, K), (N,)."""
    answers, before = predictions.argmax(axis=1), baseline.argmax(axis=1)
    changed = np.flatnonzero(answers != before)
    count, fraction = len(changed), len(changed) / len(answers)
    if labels is None:
        return Flips(count, fraction, unjudged=tuple(changed.tolist()))
    wins = answers[changed] == labels[changed]
    losses = before[changed] == labels[changed]
    return Flips(
        count,
        fraction,
        wins=tuple(changed[wins].tolist()),
        losses=tuple(changed[losses].tolist()),
        both_wrong=tuple(changed[~wins & ~losses].tolist()),
    )


def most_confident(flipped: Flips, predictions: Predictions, most: int) -> list[int]:
    """Return the flipped images, those first of whose new answer the candidate is most sure."""
    images = np.array(
        sorted((*flipped.wins, *flipped.losses, *flipped.both_wrong, *flipped.unjudged)), np.int64
    )
    order = np.argsort(-predictions[images].max(axis=1), kind="stable")
    chosen: list[int] = images[order][:most].tolist()
    return chosen
