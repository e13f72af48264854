"""Two models on the same images, simulated: how many of the images changed, and by how much."""

import numpy as np
from numpy.typing import NDArray


def simulated_pairs(
    images: int, accuracy: float, changed: float, difference: float, pairs: int, seed: int = 0
) -> NDArray[np.int64]:
    """Return both right, wins, losses, both wrong of each pair: int (pairs, 4).

    ``changed`` is the fraction of images that are a win or a loss, ``difference`` the true one.
    """
    wins, losses = (changed + difference) / 2, (changed - difference) / 2
    cells = [accuracy - losses, wins, losses, 1 - accuracy - wins]
    return np.random.default_rng(seed).multinomial(images, cells, size=pairs)


REAL_SCORES = ("absolute errors", "overlaps", "heavy tails", "skewed")


def simulated_scores(
    kind: str, images: int, changed: float, random: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scores of a baseline and of a candidate: float (images,), (images,).

    ``changed`` is the fraction of images with another score.
    """
    before = random.beta(8, 2, images)
    if kind == "absolute errors":
        error = random.normal(size=images)
        before, after = -np.abs(error), -np.abs(error + random.normal(0, 0.3, images))
    elif kind == "overlaps":
        after = np.clip(before + random.normal(-0.01, 0.05, images), 0, 1)
    elif kind == "heavy tails":
        after = before + 0.02 * random.standard_t(5, images)
    else:
        after = before - random.lognormal(-4, 1, images)
    return before, np.where(random.random(images) < changed, after, before)


def simulated_counts(
    images: int, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return right and counted pixels of four classes in each image: int (images, 2, 4) each.

    First those of a baseline, then those of a candidate: a class is in about half of the images.
    """
    size = random.integers(20, 400, (images, 4)) * (random.random((images, 4)) < 0.5)
    ease = random.beta(8, 2, (images, 1))
    found = []
    for error in (0.0, 0.02):
        part = np.clip(ease - error + random.normal(0, 0.05, (images, 4)), 0, 1)
        right = np.rint(size * part).astype(np.int64)
        found.append(np.stack([right, 2 * size - right], axis=1))
    return found[0], found[1]


def mean_overlap(counts: NDArray[np.int64]) -> float:
    """Return the mean intersection over union: int (images, 2, 4)."""
    right, counted = counts.sum(axis=0)
    return float(np.mean(right / np.maximum(counted, 1)))
