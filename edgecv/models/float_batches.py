"""Images in batches, as a network takes them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images

USUAL = 32


def float_batches(images: Images, size: int = USUAL) -> Iterator[NDArray[np.float32]]:
    """Yield images, uint8 (N, H, W, C), in batches of reals: float32 (up to ``size``, H, W, C).

    >>> [batch.shape for batch in float_batches(np.zeros((5, 1, 1, 3), np.uint8), 4)]
    [(4, 1, 1, 3), (1, 1, 1, 3)]
    """
    for start in range(0, len(images), size):
        yield images[start : start + size].astype(np.float32)
