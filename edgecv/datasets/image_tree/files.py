"""Image files of a folder or a zip: the options of their sources, and how they are decoded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images, Shape, Targets
from edgecv.core.errors import InputError
from edgecv.core.images import ImageRows, Rows
from edgecv.core.plugins import DatasetSource, Progress
from edgecv.datasets.cache import cached
from edgecv.datasets.decoded import Decoded
from edgecv.datasets.exact_copies import Digests
from edgecv.datasets.image_tree.decoding import BadImage, check_shape, decode_with_size
from edgecv.datasets.image_tree.folder_tree import Tree
from edgecv.datasets.image_tree.thread_pool import in_batches
from edgecv.datasets.placement import Resize
from edgecv.datasets.workspace import Workspace


class ImageFileSource(DatasetSource):
    """A source of image files, which are converted to the size and channels of the model."""

    path: str
    """The folder, the zip, or the file of annotations."""
    skip_bad_images: bool = False
    """Leave out images that cannot be used, with their targets, instead of stopping."""
    resize: Resize | None = None
    """Fit of photographs of another aspect: stretch (the default), crop, or pad."""

    @property
    def where(self) -> str:
        """The place that errors name."""
        return f"--data {self.path}"

    def decoding(self, shape: Shape, progress: Progress) -> "Decoding":
        """Return how the images are decoded. Raises InputError for a shape of no image."""
        check_shape(shape, self.where)
        return Decoding(shape, self.where, self.skip_bad_images, self.resize or "stretch", progress)


@dataclass(frozen=True)
class Decoding:
    """The way in which the images of a data set are decoded."""

    shape: Shape
    where: str
    """The place that errors name."""
    skip_bad_images: bool
    resize: Resize
    progress: Progress


def decoded_once(
    source: str,
    tree: Tree,
    how: Decoding,
    decode: Callable[[Tree, Decoding, Workspace], Decoded],
) -> Decoded:
    """Return what ``decode`` makes of a tree, or of an earlier run of the same from the cache.

    ``source``: the name of the kind of data set.
    """
    key = source, tree.fingerprint(), *how.shape, how.skip_bad_images, how.resize
    return cached(lambda work: decode(tree, how, work), *key)


class EncodedImages:
    """A store of images in their own files, which are decoded each time that they are taken."""

    file: Path | None = None

    def __init__(self, tree: Tree, names: list[str], how: Decoding) -> None:
        self.shape: tuple[int, ...] = (len(names), *how.shape)
        self.names: Sequence[str] = names
        self._tree, self._how = tree, how

    def take(self, rows: Rows) -> Images:
        """Decode some images. Raises InputError for one that has changed since it was read."""
        found = np.empty((len(rows), *self.shape[1:]), np.uint8)

        def decode(places: range) -> None:
            how = self._how
            for place in places:
                name = self.names[rows[place]]
                try:
                    found[place] = decode_with_size(self._tree.read(name), how.shape, how.resize)[0]
                except BadImage as error:
                    raise InputError(
                        how.where,
                        f"{name} cannot be read any more: {error}",
                        remedy="leave the images alone while they are used",
                    ) from None

        in_batches(len(rows), decode, lambda done, total: None, found[:1].nbytes)
        return found


@dataclass(frozen=True)
class DecodedFiles:
    """The images of some files, in their order."""

    images: ImageRows
    digests: Digests
    good: NDArray[np.bool_]
    """True for each image that was decoded."""
    notes: tuple[str, ...]

    def decoded(
        self,
        class_names: tuple[str, ...],
        labels: Targets,
        is_test: NDArray[np.bool_],
        *,
        notes: tuple[str, ...] = (),
        **others: Any,
    ) -> Decoded:
        """Return the good ones with their targets, those before the test images as training images.

        ``notes`` come before those on files; ``others``: see ``Decoded``.
        """
        train, test = self.good & ~is_test, self.good & is_test
        return Decoded(
            class_names,
            self.images.at(train),
            labels[train],
            self.images.at(test),
            labels[test],
            (*notes, *self.notes),
            (self.digests[train], self.digests[test]),
            **others,
        )
