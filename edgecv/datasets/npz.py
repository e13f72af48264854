"""Arrays in one NumPy file."""

import hashlib
from pathlib import Path
from typing import ClassVar, Self

from edgecv.core.files import open_regular
from edgecv.core.plugins import DatasetSource, Progress
from edgecv.core.records import Dataset, Shape
from edgecv.datasets.array_checks import decoded_of
from edgecv.datasets.cache import cached
from edgecv.datasets.image_tree.decoding import fit_all
from edgecv.datasets.image_tree.folder_tree import locate
from edgecv.datasets.npz_arrays import read_arrays
from edgecv.datasets.splits import CALIBRATION_IMAGES


class Npz(DatasetSource):
    """A .npz of x_train, y_train, x_test, y_test: uint8 images and integer labels.

    ``x_test`` and ``y_test`` alone are enough to measure with. ``class_names`` may be added.
    """

    name: ClassVar[str] = "npz"
    path: str
    """The .npz file."""

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Tell whether it is a .npz."""
        return path.suffix.lower() == ".npz" and path.is_file()

    @classmethod
    def at(cls, path: Path, *, skip_bad_images: bool = False) -> Self:
        """Make the source of a .npz. It has no image files to be bad."""
        return cls(path=str(path))

    def most_calibration_images(self) -> int:
        """Return the most that is set apart of any data: how many there are takes reading."""
        return CALIBRATION_IMAGES

    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        """Read and check the arrays: see DatasetSource."""
        where = f"--data {self.path}"
        path = locate(self.path)
        decoded = decoded_of(*read_arrays(path, where), where)
        if decoded.test_images.shape[1:] != shape:
            with open_regular(path, where) as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            decoded = cached(
                lambda: fit_all(decoded, shape, where, progress), self.name, sha256, *shape
            )
        return decoded.split(path.name, where, self.validation, seed)
