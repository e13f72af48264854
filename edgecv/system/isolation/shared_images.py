"""Images for a child process, which maps them: a file, and the rows of it that are meant."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.images import ImageFile, ImageRows, ImageSequence, chunks, image_rows
from edgecv.system.storage import refusal

Place = Mapping[str, str]
"""``images``: an .npy file of images; ``rows``: an .npy file of the rows that are meant."""


class ImageFiles:
    """Images as files in one folder, unless they are in a file already.

    The content of an array may not be changed after its first use.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[tuple[Any, ...], tuple[Place, object]] = {}

    def place_of(self, images: ImageSequence) -> Place:
        """Return where a child finds images, for ``mapped``. Files are written at the first call.

        Raises StepError where the disk does not take them.
        """
        found = image_rows(images)
        is_array = not isinstance(images, ImageRows)
        # The store is kept with its files, so that its id cannot be reused by another one.
        pixels = map(_digest, chunks(found)) if is_array else [id(found.store), _digest(found.rows)]
        key = (is_array, found.shape, *pixels)
        if key not in self._written:
            stem, file = self._folder / f"images-{len(self._written)}", found.store.file
            rows = stem.with_suffix(".rows.npy")
            try:
                if file is None:
                    file = stem.with_suffix(".npy")
                    _save(file, found)
                    np.save(rows, np.arange(len(found)))
                else:
                    np.save(rows, found.rows)
            except OSError as error:  # errno is None where NumPy could write a part of it.
                raise refusal(stem, error) from None
            place = {"images": os.path.abspath(file), "rows": str(rows)}
            self._written[key] = place, None if is_array else found.store
        return self._written[key][0]

    def clear(self) -> None:
        """Forget all images; the owner of the folder removes the files."""
        self._written.clear()


def mapped(place: Place) -> ImageRows:
    """Return images that another process has put into files."""
    return ImageRows(ImageFile(Path(place["images"])), np.load(place["rows"], allow_pickle=False))


def _save(path: Path, images: ImageRows) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": images.shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in chunks(images):
            file.write(part.data)


def _digest(values: NDArray[Any]) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(values).data, digest_size=16).digest()
