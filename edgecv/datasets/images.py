"""A data set of images in one folder for each class."""

import os
from pathlib import Path
from typing import ClassVar

import numpy as np

from edgecv.core.data import Dataset, Shape
from edgecv.core.errors import InputError
from edgecv.core.files import check_regular
from edgecv.core.plugins import Progress
from edgecv.datasets.decoded import Decoded
from edgecv.datasets.image_tree.decode_files import decode_files
from edgecv.datasets.image_tree.files import Decoding, ImageFileSource, decoded_once
from edgecv.datasets.image_tree.folder_tree import LAYOUT, FolderTree, Tree, has_splits, locate
from edgecv.datasets.image_tree.layout import read_layout
from edgecv.datasets.image_tree.zip_tree import ZipTree, is_zip
from edgecv.datasets.splits import calibrating_of
from edgecv.datasets.workspace import Workspace


class ImageTree(ImageFileSource):
    """A folder or .zip with train/<class>/ and test/<class>/ of PNG, JPEG, WebP or BMP images.

    Images are converted to the size and channels of the model. ``test/`` alone is enough to
    measure with. ``val/``, ``valid/`` or ``validation/`` is the validation split; where there is no
    ``test/``, it is the test split. Nothing is extracted; decoded images are cached.
    """

    name: ClassVar[str] = "images"
    has_classes_alone: ClassVar[bool] = True

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Return True for a .zip, or a folder with train/ or test/ in it."""
        return has_splits(path) if path.is_dir() else is_zip(path)

    def most_calibration_images(self) -> int | None:
        """Return the number of calibration images by the files; None where there is no such tree.

        0 where there is only test/.
        """
        tree = _tree(locate(self.path), self.where)
        if tree is None:
            return None
        layout = read_layout(tree.listing(), self.where)
        if not layout.train:
            return 0
        sizes = np.bincount([label for _, label in layout.train])
        return max(1, int(calibrating_of(sizes).sum()))

    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        """Decode the images, or read them from the cache: see DatasetSource."""
        path, how = locate(self.path), self.decoding(shape, progress)
        tree = _tree(path, self.where)
        if tree is None:
            raise InputError(self.where, "there is no such file or folder", accepted=LAYOUT)
        decoded = decoded_once(self.name, tree, how, _decode_tree)
        return decoded.split(path.resolve().name, self.where, self.validation, seed)


def _tree(path: Path, where: str) -> Tree | None:
    check_regular(path, where, accepted=LAYOUT, folders=True)
    if os.path.isdir(path):
        return FolderTree(path, where)
    return ZipTree(path, where) if os.path.isfile(path) else None


def _decode_tree(tree: Tree, how: Decoding, work: Workspace) -> Decoded:
    listing = tree.listing()
    layout = read_layout(listing, how.where)
    pictures = (*layout.train, *layout.validation, *layout.test)
    names = [name for name, _ in pictures]
    sizes = [listing.files[name] for name in names]
    found = decode_files(tree, names, sizes, how, work)
    labels = np.array([label for _, label in pictures], np.int64)
    place = np.arange(len(pictures))
    is_test = place >= len(layout.train) + len(layout.validation)
    is_chosen = ~is_test & (place >= len(layout.train))
    return found.decoded(
        layout.class_names,
        labels,
        is_test,
        notes=layout.notes,
        chosen_images=int((found.good & is_chosen).sum()),
    )
