"""The place that images are decoded to: a file of a cache entry that is not finished, or memory."""

import os
from pathlib import Path

import numpy as np

from edgecv.core.errors import InputError
from edgecv.core.images import ImageArray, ImageFile, Images, ImageStore

IMAGES = "images.npy"
PARTS = "parts.jsonl"
"""The parts that are decoded, one a line: a killed run goes on after them."""
LARGEST_SHARE = 0.7
"""Share of the free memory that images without a file may take."""


class Workspace:
    """Room for the decoded images of one data set, in a folder; without one, in memory."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._array: Images | None = None

    def images(self, shape: tuple[int, ...]) -> Images:
        """Return an array of zeros to decode to, or that of a run that was killed.

        The room on the disk is taken at once: writing to a map of a full disk kills the process.
        Raises OSError where there is none, and InputError where there is not enough memory.
        """
        if self.folder is None:
            _check_memory(shape)
            self._array = np.zeros(shape, np.uint8)
            return self._array
        path = self.folder / IMAGES
        if not _holds(path, shape):
            (self.folder / PARTS).unlink(missing_ok=True)
            np.lib.format.open_memmap(path, "w+", np.uint8, shape)
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, max(1, path.stat().st_size))
        self._array = np.asarray(np.load(path, mmap_mode="r+", allow_pickle=False))
        return self._array

    def finish(self, line: str) -> None:
        """Keep one line on images that are decoded, so that a killed run goes on after them."""
        if self.folder is not None:
            # One write to the end of a file is whole, whichever thread it is of.
            descriptor = os.open(
                self.folder / PARTS, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            )
            try:
                os.write(descriptor, f"{line}\n".encode())
            finally:
                os.close(descriptor)

    def finished(self) -> list[str]:
        """Return the lines that a killed run has kept."""
        if self.folder is None or not (path := self.folder / PARTS).exists():
            return []
        return [line for line in path.read_text().splitlines(keepends=True) if line[-1] == "\n"]

    def store(self) -> ImageStore:
        """Return the images that were decoded, to read them."""
        assert self._array is not None
        return ImageArray(self._array) if self.folder is None else ImageFile(self.folder / IMAGES)


def _holds(path: Path, shape: tuple[int, ...]) -> bool:
    try:
        return tuple(np.load(path, mmap_mode="r", allow_pickle=False).shape) == shape
    except (OSError, EOFError, ValueError):
        return False


def _check_memory(shape: tuple[int, ...]) -> None:
    import psutil

    needed, free = int(np.prod(shape)), psutil.virtual_memory().available
    if needed > LARGEST_SHARE * free:
        raise InputError(
            "memory",
            f"the decoded images take {needed / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are free",
            accepted="images that a cache on disk has room for, or that fit into memory",
            remedy="give a folder with more room: EDGECV_CACHE_DIR",
        )
