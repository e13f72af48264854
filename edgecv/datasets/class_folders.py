"""A data set of images in one folder for each class, without splits."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from edgecv.core.data import Dataset, Shape
from edgecv.core.errors import InputError
from edgecv.core.plugins import DatasetSource, Progress
from edgecv.core.text import printable
from edgecv.datasets.cache import Decoded
from edgecv.datasets.image_tree.decoding import SUFFIXES, check_shape
from edgecv.datasets.image_tree.folder_tree import FolderTree, Tree, has_splits, is_ignored, locate
from edgecv.datasets.image_tree.layout import notes_on_others
from edgecv.datasets.images import Decoding, decode_files, decoded_once
from edgecv.datasets.placement import Resize
from edgecv.datasets.splits import IMAGES_A_TEST_IMAGE, calibrating_of


class ClassFolders(DatasetSource):
    """A folder with a folder of images for each class: the splits are drawn by the seed.

    One image in five of each class is for the test; the others train, calibrate and validate.
    """

    name: ClassVar[str] = "class_folders"
    path: str
    """The folder."""
    skip_bad_images: bool = False
    """Leave out images that cannot be read, instead of stopping."""
    resize: Resize | None = None
    """Fit of photographs of another aspect: stretch (the default), crop, or pad."""

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Return True for a folder of folders, each with images in it, and no image beside them."""
        return path.is_dir() and not has_splits(path) and holds_classes(path)

    def most_calibration_images(self) -> int | None:
        """Return the number of calibration images by the files; None where there is no folder."""
        path = locate(self.path)
        if not path.is_dir():
            return None
        names = _pictures(FolderTree(path, f"--data {self.path}", whole=True))
        _, sizes = np.unique([name.partition("/")[0] for name in names], return_counts=True)
        left = sizes - np.maximum(1, sizes // IMAGES_A_TEST_IMAGE)
        return max(1, int(calibrating_of(left).sum()))

    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        """Decode the images, or read them from the cache: see DatasetSource."""
        where = f"--data {self.path}"
        path = locate(self.path)
        check_shape(shape, where)
        if not path.is_dir():
            raise InputError(where, "there is no such folder", accepted="a folder of class folders")
        tree = FolderTree(path, where, whole=True)
        how = Decoding(shape, where, self.skip_bad_images, self.resize or "stretch", progress)
        decoded = decoded_once(self.name, tree, how, _decode)
        whole = decoded.with_test_images(seed)
        return whole.split(path.resolve().name, where, self.validation, seed)


def holds_classes(path: Path) -> bool:
    """Return True if a folder holds two or more folders with images right in them, and no image."""
    folders = 0
    for entry in path.iterdir():
        if is_ignored(entry.name):
            continue
        if entry.is_dir():
            if not any(each.suffix.lower() in SUFFIXES for each in entry.iterdir()):
                return False
            folders += 1
        elif entry.suffix.lower() in SUFFIXES:
            return False
    return folders > 1


def _pictures(tree: Tree) -> list[str]:
    files = tree.listing().files
    return [name for name in files if "/" in name and name.lower().endswith(SUFFIXES)]


def _decode(tree: Tree, how: Decoding) -> Decoded:
    files, names = tree.listing().files, _pictures(tree)
    images, good, notes = decode_files(tree, names, [files[name] for name in names], how)
    classes, labels = np.unique([name.partition("/")[0] for name in names], return_inverse=True)
    found, kept = images[good], labels[good].astype(np.int64)
    return Decoded(
        tuple(printable(str(name)) for name in classes),
        found,
        kept,
        found[:0],
        kept[:0],
        (*notes_on_others(files), *notes),
    )
