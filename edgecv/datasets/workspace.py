"""The place that images are decoded to: a file of a cache entry that is not finished, or memory."""

import math
import os
from pathlib import Path

import numpy as np

from edgecv.core.arrays import DAMAGED_ARRAY
from edgecv.core.errors import InputError
from edgecv.core.images import ImageArray, ImageFile, Images, ImageStore
from edgecv.core.text import bytes_text
from edgecv.datasets.cache_settings import cache_limit

IMAGES = "images.npy"
PARTS = "parts.jsonl"
"""The parts that are decoded, one a line: a killed run goes on after them."""
LARGEST_SHARE = 0.7
"""Share of the free memory that images without a file may take."""


class Workspace:
    """Room for the decoded images of one data set: in a folder, or without one in memory.

    ``decodes_again``: image files are not kept at all, but decoded wherever they are read.
    """

    def __init__(self, folder: Path | None = None, *, decodes_again: bool = False) -> None:
        self.folder = folder
        self.decodes_again = decodes_again
        self._store: ImageStore | None = None

    def reserve(self, shape: tuple[int, ...]) -> None:
        """Make room for so many images; those of a run that was killed stay.

        Raises OSError where the disk has none, and InputError where there is not enough memory, or
        where the limit of the cache is lower.
        """
        if self.folder is None:
            _check_memory(shape)
            self._store = ImageArray(np.zeros(shape, np.uint8))
            return
        path = self.folder / IMAGES
        if not _holds(path, shape):
            _check_limit(shape)
            (self.folder / PARTS).unlink(missing_ok=True)
            np.lib.format.open_memmap(path, "w+", np.uint8, shape)
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, max(1, path.stat().st_size))
        self._store = ImageFile(path)

    def put(self, first: int, images: Images) -> None:
        """Write images to consecutive rows."""
        if isinstance(self._store, ImageArray):
            self._store.array[first : first + len(images)] = images
        elif isinstance(self._store, ImageFile):
            # Not through a map: its pages would count as memory of the process.
            with self._store.file.open("r+b") as file:
                file.seek(self._store.offset + first * math.prod(images.shape[1:]))
                file.write(np.ascontiguousarray(images).data)

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
        text = path.read_text("utf-8", "replace")
        return [line for line in text.splitlines(keepends=True) if line[-1] == "\n"]

    def store(self) -> ImageStore:
        """Return the images, to read them."""
        assert self._store is not None
        return self._store


def _holds(path: Path, shape: tuple[int, ...]) -> bool:
    try:
        return tuple(np.load(path, mmap_mode="r", allow_pickle=False).shape) == shape
    except (*DAMAGED_ARRAY, OSError):
        return False


def _check_memory(shape: tuple[int, ...]) -> None:
    import psutil

    needed, free = int(np.prod(shape)), psutil.virtual_memory().available
    if needed > LARGEST_SHARE * free:
        raise InputError(
            "memory",
            f"the decoded images take {bytes_text(needed)}, and {bytes_text(free)} are free",
            accepted="images that a cache on disk has room for, or that fit into memory",
            remedy="give a folder with more room, --cache DIR, or --no-cache",
        )


def _check_limit(shape: tuple[int, ...]) -> None:
    needed, limit = int(np.prod(shape)), cache_limit()
    if needed > limit:
        raise InputError(
            "--cache-limit",
            f"the cache may take {bytes_text(limit)}, and the decoded images take"
            f" {bytes_text(needed)}",
            remedy=f"--cache-limit {needed // 10**6 + 1}MB, or --no-cache",
        )
