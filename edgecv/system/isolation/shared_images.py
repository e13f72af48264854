"""Images for a child process: written to disk once, so that the child can map them."""

import errno
import os
from pathlib import Path

import numpy as np

from edgecv.core.data import Images
from edgecv.system.storage import refusal


class ImageFiles:
    """Arrays as files in one folder. An array may not be changed after its first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[tuple[int, tuple[int, ...]], tuple[Images, Path]] = {}

    def path_of(self, images: Images) -> Path:
        """Return the .npy file of an array, written at the first call."""
        # The array is kept with its file, so that its id cannot be reused by another array.
        key = images.__array_interface__["data"][0], images.shape
        if key not in self._written:
            path = self._folder / f"images-{len(self._written)}.npy"
            try:
                np.save(path, images, allow_pickle=False)
                if path.stat().st_size < images.nbytes:  # numpy may lose the end without a word.
                    raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
            except OSError as error:  # errno is None where NumPy could write a part of it.
                raise refusal(path, error) from None
            self._written[key] = images, path
        return self._written[key][1]

    def clear(self) -> None:
        """Forget all arrays; the owner of the folder removes the files."""
        self._written.clear()
