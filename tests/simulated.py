"""Two models on the same images, simulated: how many of the images changed, and how."""

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
