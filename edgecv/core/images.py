"""Images of a data set, which may be larger than memory: read as they are taken."""

import errno
import math
import mmap
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
"""Images as a camera or a file gives them: uint8 (N, H, W, C), 0..255."""
Rows = NDArray[np.int64]
"""Numbers of images: int64 (N,)."""
CHUNK_BYTES = 1 << 25
"""Size of the parts in which all images of a split are gone through."""
MAPPED_BYTES = 1 << 27
"""Memory that a map may hold on to: its pages count as memory of the process until they are let
go, although they can be had again from the file."""
LARGEST_MAPPED_FILE = 1 << 28
"""Bytes of a file up to which its images are mapped: reading each of them takes longer."""
PAGES_A_READ = 1 << 16
"""Bytes that the system maps at the least for one image."""


class ImageSequence(Protocol):
    """Images of one shape: an array, or ``ImageRows``."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: Any, /) -> Images:
        """Return the images of a slice or of an array of rows, as an array."""


class ImageStore(Protocol):
    """Something that images are read from, by their rows."""

    shape: tuple[int, ...]
    """(N, H, W, C)."""

    @property
    def file(self) -> Path | None:
        """The .npy file with the images, where there is one."""

    names: Sequence[str]
    """The name of the file of each image; empty where they come from no files of their own."""

    def take(self, rows: Rows) -> Images:
        """Return a copy of some images: uint8 (N, H, W, C)."""


class ImageArray:
    """A store of images in memory."""

    def __init__(self, array: Images) -> None:
        self.array = array
        self.names: Sequence[str] = ()
        self._is_a_view = not array.flags.c_contiguous
        self.shape = array.shape
        self.file: Path | None = None

    def take(self, rows: Rows) -> Images:
        """Return a copy of some images."""
        # Of another array than this, ``take`` would copy the whole of it first.
        found: Images = self.array[rows] if self._is_a_view else self.array.take(rows, axis=0)
        return np.ascontiguousarray(found)


class ImageFile:
    """A store of images in an .npy file: mapped into memory, or read where it is large.

    How much of a file a map holds is for the system to say: one image may bring megabytes with it.
    """

    def __init__(self, path: Path) -> None:
        # Not numpy.load, which opens archives too.
        mapped: Any = np.lib.format.open_memmap(path, mode="r")
        if mapped.dtype != np.uint8 or mapped.ndim != 4:
            raise ValueError(f"an array of {mapped.dtype} {mapped.shape}")
        self.file: Path = path
        self.names: Sequence[str] = ()
        self.offset: int = mapped.offset
        """The place of the first image in the file, in bytes."""
        self.shape = mapped.shape
        self._array: Images | None = None
        self._map: mmap.mmap | None = None
        self._mapped_bytes = 0
        if mapped.nbytes <= LARGEST_MAPPED_FILE:
            self._map = mapped._mmap
            self._array = np.asarray(mapped)  # A memmap's own slices cost microseconds.
        elif not mapped.flags.c_contiguous:  # It is read image by image.
            raise ValueError("an array in Fortran's order; save numpy.ascontiguousarray(images)")
        else:
            self._opened = path.open("rb", buffering=0)

    def take(self, rows: Rows) -> Images:
        """Return a copy of some images."""
        if self._array is None:
            return self._read(rows)
        found = self._array.take(rows, axis=0)
        self._mapped_bytes += max(found.nbytes, PAGES_A_READ * len(rows))
        if self._mapped_bytes > MAPPED_BYTES and self._map is not None:
            self._map.madvise(mmap.MADV_DONTNEED)
            self._mapped_bytes = 0
        return found

    def _read(self, rows: Rows) -> Images:
        """Read images, neighbours at once. Raises OSError where the file has become shorter."""
        wanted = np.where(rows < 0, rows + self.shape[0], rows)
        found = np.empty((len(wanted), *self.shape[1:]), np.uint8)
        if not len(wanted):
            return found
        if not 0 <= wanted.min() <= wanted.max() < self.shape[0]:
            raise IndexError(f"rows {wanted.min()} to {wanted.max()} of {self.shape[0]} images")
        size, descriptor = math.prod(self.shape[1:]), self._opened.fileno()
        target = found.reshape(-1).data
        starts = [0, *(np.flatnonzero(np.diff(wanted) != 1) + 1).tolist()]
        for start, end in zip(starts, [*starts[1:], len(wanted)], strict=True):
            place, last = start * size, end * size
            source = self.offset + int(wanted[start]) * size
            while place < last:
                done = os.preadv(descriptor, [target[place:last]], source)
                if not done:
                    raise OSError(errno.EIO, "is shorter than it was", str(self.file))
                place, source = place + done, source + done
        return found


class ImageRows:
    """Images at some rows of a store. Each access reads them anew, into an array of its own."""

    dtype = np.dtype(np.uint8)

    def __init__(self, store: ImageStore, rows: Rows) -> None:
        self.store = store
        self.rows = rows
        self.shape = (len(rows), *store.shape[1:])

    @classmethod
    def all_of(cls, store: ImageStore) -> Self:
        """Return all images of a store."""
        return cls(store, np.arange(store.shape[0]))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any, /) -> Images:
        if isinstance(key, int | np.integer):
            image: Images = self.store.take(self.rows[key : key + 1 or None])[0]
            return image
        return self.store.take(self.rows[key])

    def __iter__(self) -> Iterator[Images]:
        for part in chunks(self):
            yield from part

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or np.uint8, copy=False)

    @property
    def nbytes(self) -> int:
        """Size of all images, in bytes."""
        return int(np.prod(self.shape))

    def at(self, rows: NDArray[Any] | slice) -> "ImageRows":
        """Return some of the images, without reading them: rows, a slice, or True for each."""
        return ImageRows(self.store, self.rows[rows])


def file_name(images: ImageSequence, place: int) -> str:
    """Return the name of the file of an image; empty where it has none of its own."""
    if not isinstance(images, ImageRows) or not images.store.names:
        return ""
    return images.store.names[int(images.rows[place])]


def image_rows(images: ImageSequence) -> ImageRows:
    """Return the images of an array as rows of it; rows as they are."""
    if isinstance(images, ImageRows):
        return images
    return ImageRows.all_of(ImageArray(np.asarray(images)))


def chunks(images: ImageSequence) -> Iterator[Images]:
    """Yield all images in order, so many at a time that they fit into memory."""
    bytes_each = int(np.prod(images.shape[1:])) or 1
    step = max(1, CHUNK_BYTES // bytes_each)
    for start in range(0, len(images), step):
        yield images[start : start + step]
