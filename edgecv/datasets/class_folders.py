"""A data set of images in one folder for each class, without splits."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from edgecv.core.data import Dataset, Shape
from edgecv.core.errors import InputError
from edgecv.core.plugins import Progress
from edgecv.core.text import printable
from edgecv.datasets.annotations.folder_contents import files_below, holds_classes
from edgecv.datasets.decoded import Decoded
from edgecv.datasets.image_tree.decode_files import decode_files
from edgecv.datasets.image_tree.decoding import SUFFIXES
from edgecv.datasets.image_tree.files import Decoding, ImageFileSource, decoded_once
from edgecv.datasets.image_tree.folder_tree import FolderTree, Tree, has_splits, locate
from edgecv.datasets.image_tree.layout import check_filled, notes_on_others
from edgecv.datasets.splits import IMAGES_A_TEST_IMAGE, calibrating_of
from edgecv.datasets.workspace import Workspace


class ClassFolders(ImageFileSource):
    """A folder with a folder of images for each class: the splits are drawn by the seed.

    One image in five of each class is for the test; the others train, calibrate and validate.
    """

    name: ClassVar[str] = "class_folders"
    has_classes_alone: ClassVar[bool] = True

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Return True for a folder of folders, each with images in it, and no image beside them."""
        return path.is_dir() and not has_splits(path) and holds_classes(files_below(path))

    def most_calibration_images(self) -> int | None:
        """Return the number of calibration images by the files; None where there is no folder."""
        path = locate(self.path)
        if not path.is_dir():
            return None
        names = _pictures(FolderTree(path, self.where, whole=True))
        _, sizes = np.unique([name.partition("/")[0] for name in names], return_counts=True)
        left = sizes - np.maximum(1, sizes // IMAGES_A_TEST_IMAGE)
        return max(1, int(calibrating_of(left).sum()))

    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        """Decode the images, or read them from the cache: see DatasetSource."""
        path, how = locate(self.path), self.decoding(shape, progress)
        if not path.is_dir():
            raise InputError(
                self.where, "there is no such folder", accepted="a folder of class folders"
            )
        tree = FolderTree(path, self.where, whole=True)
        if not _pictures(tree):
            raise InputError(
                self.where,
                "no folder in it holds an image",
                accepted="a folder for each class, with its images",
            )
        check_filled(_empty(tree), self.where)
        decoded = decoded_once(self.name, tree, how, _decode)
        whole = decoded.with_test_images(seed)
        return whole.split(path.resolve().name, self.where, self.validation, seed)


def _pictures(tree: Tree) -> list[str]:
    files = tree.listing().files
    return [name for name in files if "/" in name and name.lower().endswith(SUFFIXES)]


def _empty(tree: Tree) -> set[str]:
    """Return the folders of classes in which no image is."""
    classes = {name.partition("/")[0] for name in tree.listing().folders} - {""}
    return classes - {name.partition("/")[0] for name in _pictures(tree)}


def _decode(tree: Tree, how: Decoding, work: Workspace) -> Decoded:
    files, names = tree.listing().files, _pictures(tree)
    found = decode_files(tree, names, [files[name] for name in names], how, work)
    classes, labels = np.unique([name.partition("/")[0] for name in names], return_inverse=True)
    return found.decoded(
        tuple(printable(str(name)) for name in classes),
        labels.astype(np.int64),
        np.zeros(len(names), bool),
        notes=tuple(notes_on_others(files)),
    )
