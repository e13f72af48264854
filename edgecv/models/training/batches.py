"""The batches of a training: their images are a function of (seed, step) alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgecv.core.images import Images, ImageSequence, image_rows

Rows = NDArray[np.int32]


class Batches:
    """The images of each step, and their rows; those of the next step are read meanwhile.

    With images without labels, as many of them follow the labelled ones in each batch, or all
    where there are fewer: their passes go on from epoch to epoch.
    """

    def __init__(
        self,
        images: ImageSequence,
        batch: int,
        steps: int,
        seed: int,
        unlabelled: ImageSequence | None = None,
    ) -> None:
        self.images = image_rows(images)
        self.batch = batch
        self.steps = steps
        self._seed = seed
        self._unlabelled = None if unlabelled is None else image_rows(unlabelled)
        self.unlabelled_batch = 0 if unlabelled is None else min(batch, len(unlabelled))

    def of_epoch(self, epoch: int) -> Iterator[tuple[Images, Rows]]:
        """Yield the images of each step, and the rows of the labelled ones, which come first."""
        order = self._order(epoch)

        def read(number: int) -> Images:
            taken = self.images[order[number]]
            if self._unlabelled is None:
                return taken
            further = self._further_rows(epoch * self.steps + number)
            return np.concatenate([taken, self._unlabelled[further]])

        with ThreadPoolExecutor(1) as reader:
            following = reader.submit(read, 0)
            for number, chosen in enumerate(order):
                taken = following.result()
                if number + 1 < len(order):
                    following = reader.submit(read, number + 1)
                yield taken, chosen

    def _order(self, epoch: int) -> Rows:
        """Return which images the steps of an epoch take: (steps, batch)."""
        order = np.random.default_rng((self._seed, epoch)).permutation(len(self.images))
        return order[: self.steps * self.batch].astype(np.int32).reshape(self.steps, self.batch)

    def _further_rows(self, step: int) -> NDArray[np.int64]:
        """Return which images without labels a step takes, of one pass after the other."""
        count = 0 if self._unlabelled is None else len(self._unlabelled)
        places = step * self.unlabelled_batch + np.arange(self.unlabelled_batch)
        passes = [_shuffled(self._seed, each, count) for each in np.unique(places // count)]
        found: NDArray[np.int64] = np.concatenate(passes)[places - places[0] // count * count]
        return found


@lru_cache(2)
def _shuffled(seed: int, number: int, count: int) -> NDArray[np.int64]:
    """Return the order of a pass over images without labels: another than that of an epoch."""
    return np.random.default_rng((seed, int(number), count, 1)).permutation(count)
