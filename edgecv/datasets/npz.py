"""Arrays in one NumPy file."""

from pathlib import Path
from typing import ClassVar

from edgecv.core.data import Dataset, Shape
from edgecv.core.files import file_sha256
from edgecv.core.plugins import DatasetSource, Progress
from edgecv.core.preprocessing import Preprocessing
from edgecv.datasets.array_checks import decoded_of
from edgecv.datasets.cache import cached
from edgecv.datasets.image_tree.fit_arrays import fit_all
from edgecv.datasets.image_tree.folder_tree import locate
from edgecv.datasets.npz_arrays import read_arrays
from edgecv.datasets.splits import CALIBRATION_IMAGES


class Npz(DatasetSource):
    """A .npz of x_train, y_train, x_test, y_test: uint8 images with labels or other targets.

    ``x_test`` and ``y_test`` alone are enough to measure with; of ``x`` and ``y`` test images are
    drawn. ``class_names`` may be added. The shape tells the kind of targets, or their name:
    ``y_test_mask``.
    """

    name: ClassVar[str] = "npz"
    path: str
    """The .npz file."""

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Return True for a .npz file."""
        return path.suffix.lower() == ".npz" and path.is_file()

    def most_calibration_images(self) -> int:
        """Return the limit for any data set: the number of images is not known before reading."""
        return CALIBRATION_IMAGES

    def meaning(self) -> Preprocessing | None:
        """Return the numbers that bytes stand for: see DatasetSource."""
        where = f"--data {self.path}"
        return decoded_of(*read_arrays(locate(self.path), where), where).meaning

    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        """Read and check the arrays: see DatasetSource."""
        where = f"--data {self.path}"
        path = locate(self.path)
        decoded = decoded_of(*read_arrays(path, where), where)
        if decoded.test_images.shape[1:] != shape:
            sha256 = file_sha256(path, where)
            decoded = cached(
                lambda work: fit_all(decoded, shape, where, progress, work),
                self.name,
                sha256,
                *shape,
            )
        if not len(decoded.test_images):
            decoded = decoded.with_test_images(seed)
        return decoded.split(path.name, where, self.validation, seed)
