"""CIFAR-10 as its authors publish it."""

import os
from pathlib import Path
from typing import ClassVar

from edgecv.core.data import Dataset, Shape
from edgecv.core.errors import InputError
from edgecv.core.files import file_sha256
from edgecv.core.plugins import DatasetSource, Progress
from edgecv.datasets.cache import cached
from edgecv.datasets.cache_settings import cache_folder
from edgecv.datasets.cifar_files.batches import has_batches, parse, read_archive, read_folder
from edgecv.datasets.cifar_files.safe_pickle import Damaged
from edgecv.datasets.decoded import Decoded
from edgecv.datasets.download import Remote, fetch
from edgecv.datasets.image_tree.decoding import check_shape
from edgecv.datasets.image_tree.fit_arrays import fit_all
from edgecv.datasets.image_tree.folder_tree import locate
from edgecv.datasets.splits import CALIBRATION_IMAGES
from edgecv.datasets.workspace import Workspace

PUBLISHED = Remote(
    # the page itself gives the MD5: c58f30108f718f92721af3b95e74349a
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    bytes=170_498_071,
)
ARCHIVE = "cifar-10-python.tar.gz"
OTHER_WAYS = f"--data PATH of your own {ARCHIVE}; --data digits, which needs no network"
READABLE = f"{ARCHIVE}, or a folder cifar-10-batches-py or cifar-10-batches-bin"


class Cifar10(DatasetSource):
    """CIFAR-10: 60,000 photographs of 32x32 pixels in 10 classes, downloaded once (170 MB).

    Krizhevsky 2009. With ``path`` it is read from a local archive or folder instead. Pickles are
    read without running what is in them, and nothing is extracted.
    """

    name: ClassVar[str] = "cifar10"
    has_classes_alone: ClassVar[bool] = True
    path: str | None = None
    """The archive or the folder of batches; the user's cache when not given."""

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Return True for a .tar.gz or a folder of batches."""
        if path.is_dir():
            return has_batches(path)
        return path.name.lower().endswith((".tar.gz", ".tgz")) and path.is_file()

    def most_calibration_images(self) -> int:
        """Return the limit for any data set: there are enough images."""
        return CALIBRATION_IMAGES

    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        """Read the batches, once downloaded: see DatasetSource."""
        where = f"--data {self.path or self.name}"
        check_shape(shape, where)
        path = locate(self.path) if self.path is not None else cache_folder() / ARCHIVE
        if self.path is None and not path.exists():
            fetch(PUBLISHED, path, progress, where, OTHER_WAYS)
        try:
            decoded = self._decode(path, shape, where, progress)
        except Damaged as error:
            raise InputError(
                where,
                str(error) if self.path else f"{path}: {error}",
                accepted=READABLE,
                remedy=f"delete {path} and run again" if self.path is None else "get it again",
            ) from None
        return decoded.split(self.name, where, self.validation, seed)

    def _decode(self, path: Path, shape: Shape, where: str, progress: Progress) -> Decoded:
        if os.path.isdir(path):
            return _fitted(read_folder(path), shape, where, progress, Workspace())
        try:
            sha256 = file_sha256(path, where, accepted=READABLE)
        except OSError as error:
            raise InputError(
                where, f"it cannot be read: {error.strerror}", accepted=READABLE
            ) from None
        if self.path is None and sha256 != PUBLISHED.sha256:
            raise Damaged(f"its SHA-256 is {sha256[:12]}..., not {PUBLISHED.sha256[:12]}...")
        return cached(
            lambda work: _fitted(read_archive(path), shape, where, progress, work),
            self.name,
            sha256,
            *shape,
        )


def _fitted(
    files: dict[str, bytes], shape: Shape, where: str, progress: Progress, work: Workspace
) -> Decoded:
    class_names, train_images, train_labels, test_images, test_labels = parse(files)
    return fit_all(
        Decoded(class_names, train_images, train_labels, test_images, test_labels),
        shape,
        where,
        progress,
        work,
    )
