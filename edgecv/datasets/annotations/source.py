"""The common part of all sources of annotated images."""

import os
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

from edgecv.core.data import Dataset, Shape
from edgecv.core.errors import InputError
from edgecv.core.plugins import DatasetSource, Progress
from edgecv.datasets.annotations.annotated import Annotations
from edgecv.datasets.annotations.decode import decode_annotated
from edgecv.datasets.image_tree.decoding import check_shape
from edgecv.datasets.image_tree.folder_tree import FolderTree, Tree, locate
from edgecv.datasets.images import Decoding, decoded_once
from edgecv.datasets.placement import Resize


class AnnotatedSource(DatasetSource):
    """Images in a folder with annotations beside them."""

    reads_annotations: ClassVar[bool] = True
    path: str
    """The folder, or the file of annotations in it."""
    skip_bad_images: bool = False
    """Leave out images that cannot be used, with their targets, instead of stopping."""
    resize: Resize | None = None
    """Fit of photographs of another aspect: stretch (the default), crop, or pad."""

    @abstractmethod
    def read(self, tree: Tree, file: str, where: str, progress: Progress) -> Annotations:
        """Read the annotations of a folder; of one file of it, where ``file`` names it."""

    def root(self, path: Path) -> Path:
        """Return the folder of the images of a file of annotations."""
        return path.parent

    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        """Decode the images, or read them from the cache: see DatasetSource."""
        where = f"--data {self.path}"
        path = locate(self.path)
        check_shape(shape, where)
        if not os.path.exists(path):
            raise InputError(where, "there is no such file or folder", accepted="annotated images")
        root = path if path.is_dir() else self.root(path)
        file = "" if path.is_dir() else path.absolute().relative_to(root.absolute()).as_posix()
        tree = FolderTree(root, where, whole=True)
        how = Decoding(shape, where, self.skip_bad_images, self.resize or "stretch", progress)
        decoded = decoded_once(
            f"{self.name}/{file}",
            tree,
            how,
            lambda tree, how: decode_annotated(self.read(tree, file, where, progress), tree, how),
        )
        if not len(decoded.test_images):
            decoded = decoded.with_test_images(seed)
        return decoded.split(path.resolve().name, where, self.validation, seed)
