"""The common part of all sources of annotated images."""

import os
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

from edgecv.core.data import Dataset, Shape
from edgecv.core.errors import InputError
from edgecv.core.plugins import Progress
from edgecv.datasets.annotations.annotated import Annotations
from edgecv.datasets.annotations.decode import decode_annotated
from edgecv.datasets.annotations.folder_contents import FolderContents, folder_contents_of
from edgecv.datasets.image_tree.files import ImageFileSource, decoded_once
from edgecv.datasets.image_tree.folder_tree import FolderTree, Tree, locate
from edgecv.datasets.image_tree.zip_tree import ZipTree, is_zip


class AnnotatedSource(ImageFileSource):
    """Images in a folder or a .zip with annotations beside them."""

    reads_annotations: ClassVar[bool] = True

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Return True for a folder or a .zip with such annotations."""
        files = folder_contents_of(path)
        return files is not None and cls.is_in(files)

    @classmethod
    @abstractmethod
    def is_in(cls, files: FolderContents) -> bool:
        """Return True if there are such annotations, and images that belong to them."""

    @abstractmethod
    def read(self, tree: Tree, file: str, where: str, progress: Progress) -> Annotations:
        """Read the annotations of a folder; of one file of it, where ``file`` names it."""

    def root(self, path: Path) -> Path:
        """Return the folder of the images of a file of annotations."""
        return path.parent

    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        """Decode the images, or read them from the cache: see DatasetSource."""
        path, how = locate(self.path), self.decoding(shape, progress)
        if not os.path.exists(path):
            raise InputError(
                self.where, "there is no such file or folder", accepted="annotated images"
            )
        tree, file = self._tree(path)
        decoded = decoded_once(
            f"{self.name}/{file}",
            tree,
            how,
            lambda tree, how, work: decode_annotated(
                self.read(tree, file, self.where, progress), tree, how, work
            ),
        )
        if not len(decoded.test_images):
            decoded = decoded.with_test_images(seed)
        return decoded.split(path.resolve().name, self.where, self.validation, seed)

    def _tree(self, path: Path) -> tuple[Tree, str]:
        """Return the images with their annotations, and the name of the file that was given."""
        if is_zip(path):
            return ZipTree(path, self.where, whole=True), ""
        if path.is_dir():
            return FolderTree(path, self.where, whole=True), ""
        root = self.root(path)
        file = path.absolute().relative_to(root.absolute()).as_posix()
        return FolderTree(root, self.where, whole=True, file=file), file
