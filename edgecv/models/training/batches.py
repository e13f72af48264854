"""The batches of a training: their order is a function of (seed, epoch) alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from edgecv.core.images import Images, ImageSequence, image_rows

Batch = tuple[Images, NDArray[np.int32]]
"""Images of a step, and their rows."""


class Batches:
    """The images of each step of an epoch; those of the next step are read meanwhile."""

    def __init__(self, images: ImageSequence, batch: int, steps: int, seed: int) -> None:
        self.images = image_rows(images)
        self.batch = batch
        self.steps = steps
        self._seed = seed

    def of_epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the images of each step, and their rows."""
        order = self._order(epoch)
        with ThreadPoolExecutor(1) as reader:
            following = reader.submit(self.images.__getitem__, order[0])
            for number, chosen in enumerate(order):
                taken = following.result()
                if number + 1 < len(order):
                    following = reader.submit(self.images.__getitem__, order[number + 1])
                yield taken, chosen

    def _order(self, epoch: int) -> NDArray[np.int32]:
        """Return which images the steps of an epoch take: (steps, batch)."""
        order = np.random.default_rng((self._seed, epoch)).permutation(len(self.images))
        return order[: self.steps * self.batch].astype(np.int32).reshape(self.steps, self.batch)
