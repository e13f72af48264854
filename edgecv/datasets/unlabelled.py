"""A data set of images without labels."""

from pathlib import Path
from typing import ClassVar

import numpy as np

from edgecv.core.data import UNKNOWN_LABEL, Dataset, Shape
from edgecv.core.errors import InputError
from edgecv.core.plugins import Progress
from edgecv.core.text import listed, were
from edgecv.datasets.decoded import Decoded
from edgecv.datasets.image_tree.decode_files import decode_files
from edgecv.datasets.image_tree.decoding import SUFFIXES
from edgecv.datasets.image_tree.files import Decoding, ImageFileSource, decoded_once
from edgecv.datasets.image_tree.folder_tree import FolderTree, Tree, has_splits, locate
from edgecv.datasets.image_tree.layout import notes_on_others
from edgecv.datasets.splits import CALIBRATION_IMAGES, without_labels
from edgecv.datasets.workspace import Workspace

ENDINGS = ", ".join(SUFFIXES)
NOT_CLASSES = "not taken for classes"
"""Part of the note on folders that look like classes and are none."""


class UnlabelledImages(ImageFileSource):
    """A folder of images without labels, at any depth: enough to quantize and compare a model.

    At most a third of them is for calibration, the others for comparison. There is no training and
    no accuracy without labels.
    """

    name: ClassVar[str] = "unlabelled"
    has_labels: ClassVar[bool] = False

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Return True for a folder of images without train/ and test/ in it."""
        return path.is_dir() and not has_splits(path) and _holds_a_picture(path)

    def most_calibration_images(self) -> int | None:
        """Return a third of the number of images; None where there is no such folder."""
        path = locate(self.path)
        if not path.is_dir():
            return None
        files = FolderTree(path, self.where, whole=True).listing().files
        images = sum(name.lower().endswith(SUFFIXES) for name in files)
        return max(1, min(CALIBRATION_IMAGES, images // 3))

    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        """Decode the images, or read them from the cache: see DatasetSource."""
        path, how = locate(self.path), self.decoding(shape, progress)
        if not path.is_dir():
            raise InputError(self.where, "there is no such folder", accepted="a folder of images")
        decoded = decode_folder(path, how)
        return without_labels(
            path.resolve().name,
            decoded.test_images,
            None if decoded.digests is None else decoded.digests[1],
            seed=seed,
            notes=decoded.notes,
            where=self.where,
        )


def decode_folder(path: Path, how: Decoding) -> Decoded:
    """Return the images of a folder as test images, or read them from the cache."""
    tree = FolderTree(path, how.where, whole=True)
    return decoded_once(UnlabelledImages.name, tree, how, _decode)


def _holds_a_picture(path: Path) -> bool:
    return any(each.suffix.lower() in SUFFIXES for each in path.rglob("*"))


def _decode(tree: Tree, how: Decoding, work: Workspace) -> Decoded:
    files = tree.listing().files
    names = [name for name in files if name.lower().endswith(SUFFIXES)]
    if not names:
        raise InputError(how.where, "holds no image", accepted=f"images that end in {ENDINGS}")
    found = decode_files(tree, names, [files[name] for name in names], how, work)
    notes = notes_on_others(files)
    if folders := sorted({name.partition("/")[0] for name in names if "/" in name}):
        notes.append(
            f"{listed(folders, 5)} {were(len(folders))} {NOT_CLASSES}: for accuracy, put "
            "class folders under test/"
        )
    labels = np.full(len(names), UNKNOWN_LABEL, np.int64)
    return found.decoded((), labels, np.ones(len(names), bool), notes=tuple(notes))
