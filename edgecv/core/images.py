"""Images of a data set, which may be larger than memory: read as they are taken."""

import mmap
from collections.abc import Iterator
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

    def take(self, rows: Rows) -> Images:
        """Return a copy of some images: uint8 (N, H, W, C)."""


class ImageArray:
    """A store of images in memory."""

    def __init__(self, array: Images) -> None:
        self.array = array
        self._is_a_view = not array.flags.c_contiguous
        self.shape = array.shape
        self.file: Path | None = None

    def take(self, rows: Rows) -> Images:
        """Return a copy of some images."""
        # Of another array than this, ``take`` would copy the whole of it first.
        found: Images = self.array[rows] if self._is_a_view else self.array.take(rows, axis=0)
        return np.ascontiguousarray(found)


class ImageFile:
    """A store of images in an .npy file, which is mapped into memory."""

    def __init__(self, path: Path) -> None:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        if mapped.dtype != np.uint8 or mapped.ndim != 4:
            raise ValueError(f"an array of {mapped.dtype} {mapped.shape}")
        self.file: Path = path
        self.offset: int = mapped.offset
        """The place of the first image in the file, in bytes."""
        self.shape = mapped.shape
        self._map: mmap.mmap | None = mapped._mmap
        self._array: Images = np.asarray(mapped)  # A memmap's own slices cost microseconds.
        self._mapped_bytes = 0

    def take(self, rows: Rows) -> Images:
        """Return a copy of some images."""
        found = self._array.take(rows, axis=0)
        self._mapped_bytes += max(found.nbytes, PAGES_A_READ * len(rows))
        if self._mapped_bytes > MAPPED_BYTES and self._map is not None:
            self._map.madvise(mmap.MADV_DONTNEED)
            self._mapped_bytes = 0
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
