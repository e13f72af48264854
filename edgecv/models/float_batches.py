"""Images in batches, as a network takes them."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images

USUAL = 32
MOST_BYTES = 2**26
"""Most memory of the images of a batch, in float32: of large images a batch has fewer."""


def fitting_batch(shape: tuple[int, ...], most: int) -> int:
    """Return how many images of a shape are a batch: up to ``most``, and at least one.

    >>> fitting_batch((32, 32, 3), 512), fitting_batch((224, 224, 3), 512)
    (512, 111)
    """
    return max(1, min(most, MOST_BYTES // (4 * math.prod(shape))))


def batch_count(images: Images, size: int = USUAL) -> int:
    """Return the number of batches that ``float_batches`` yields."""
    return math.ceil(len(images) / size)


def float_batches(images: Images, size: int = USUAL) -> Iterator[NDArray[np.float32]]:
    """Yield images, uint8 (N, H, W, C), in batches of reals: float32 (up to ``size``, H, W, C).

    No batch has more than one image more than another: each weighs the same in a mean over batches.

    >>> [batch.shape for batch in float_batches(np.zeros((9, 1, 1, 3), np.uint8), 4)]
    [(3, 1, 1, 3), (3, 1, 1, 3), (3, 1, 1, 3)]
    """
    count = batch_count(images, size)
    for number in range(count):
        start, stop = (len(images) * each // count for each in (number, number + 1))
        yield images[start:stop].astype(np.float32)
