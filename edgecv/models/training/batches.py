"""The batches of a training: their images are a function of (seed, step) alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from math import ceil

import numpy as np
from numpy.typing import NDArray

from edgecv.core.images import Images, ImageSequence, image_rows

Rows = NDArray[np.int32]


class Batches:
    """The images of each step, and their rows; those of the next step are read meanwhile.

    With images without labels, as many of them follow the labelled ones in each batch, or all
    where there are fewer: their passes go on from epoch to epoch.

    With the class of each image, as many of one class as of another are in an epoch (but one), each
    class in passes of its own that go on too.
    """

    def __init__(
        self,
        images: ImageSequence,
        batch: int,
        steps: int,
        seed: int,
        unlabelled: ImageSequence | None = None,
        classes: NDArray[np.int64] | None = None,
    ) -> None:
        self.images = image_rows(images)
        self.batch = batch
        self.steps = steps
        self._seed = seed
        self._of_class = [] if classes is None else _rows_of_classes(classes)
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
        chance, taken = np.random.default_rng((self._seed, epoch)), self.steps * self.batch
        if self._of_class:
            order = chance.permutation(self._balanced_rows(epoch, taken))
        else:
            order = chance.permutation(len(self.images))
        return order[:taken].astype(np.int32).reshape(self.steps, self.batch)

    def _balanced_rows(self, epoch: int, taken: int) -> NDArray[np.int64]:
        """Return ``taken`` rows or a few more, as many of one class as of another."""
        count = ceil(taken / len(self._of_class))
        rows = [
            rows[_in_passes(epoch * count, count, len(rows), self._seed, use)]
            for use, rows in enumerate(self._of_class, start=2)
        ]
        return np.concatenate(rows)

    def _further_rows(self, step: int) -> NDArray[np.int64]:
        """Return which images without labels a step takes."""
        count = 0 if self._unlabelled is None else len(self._unlabelled)
        taken = self.unlabelled_batch
        return _in_passes(step * taken, taken, count, self._seed, 1)


def _rows_of_classes(classes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [np.flatnonzero(classes == each) for each in np.unique(classes)]


def _in_passes(first: int, taken: int, count: int, seed: int, use: int) -> NDArray[np.int64]:
    """Return the rows at the places ``first`` and after it, of one pass after the other.

    ``count``: rows of a pass; ``use``: the number of this use of chance.
    """
    places = first + np.arange(taken)
    passes = [_shuffled(seed, int(each), count, use) for each in np.unique(places // count)]
    found: NDArray[np.int64] = np.concatenate(passes)[places - places[0] // count * count]
    return found


@lru_cache(2)
def _shuffled(seed: int, number: int, count: int, use: int) -> NDArray[np.int64]:
    """Return the order of a pass: another than that of an epoch."""
    return np.random.default_rng((seed, number, count, use)).permutation(count)
