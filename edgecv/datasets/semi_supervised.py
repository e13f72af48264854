"""Images without labels beside a labelled data set: a student learns from what its teacher says."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecv.core.arrays import DAMAGED_ARRAY
from edgecv.core.data import Dataset
from edgecv.core.errors import InputError
from edgecv.core.files import check_regular
from edgecv.core.images import ImageFile, ImageRows, image_rows
from edgecv.core.plugins import Progress
from edgecv.core.text import counted
from edgecv.datasets.exact_copies import Digests, image_digests, row_keys
from edgecv.datasets.image_tree.files import Decoding
from edgecv.datasets.image_tree.folder_tree import locate
from edgecv.datasets.placement import Resize
from edgecv.datasets.unlabelled import decode_folder

FLAG = "--unlabelled"
ACCEPTED = "a folder of images, or a .npy file of uint8 (N, height, width, channels)"


@dataclass(frozen=True)
class FurtherImages:
    """Images without labels: none of them is a test or validation image."""

    images: ImageRows
    sha256: str
    """The hash of their pixels, in order."""
    left_out: int
    """Images that were left out, as they are test or validation images."""
    notes: tuple[str, ...] = ()
    """Sentences on what was resized or skipped."""


def read_further(
    path: str, data: Dataset, progress: Progress, *, resize: Resize, skip_bad_images: bool
) -> FurtherImages:
    """Read a folder, or a .npy file, of images for the shape of ``data``; they stay on the disk.

    Raises InputError where there is none, where they have another shape, or where all of them are
    test or validation images.
    """
    where, place = f"{FLAG} {path}", locate(path)
    if data.meaning is not None:
        raise InputError(where, "is for images, and the data holds other numbers")
    check_regular(place, where, accepted=ACCEPTED, folders=True)
    if place.is_dir():
        how = Decoding(data.image_shape, where, skip_bad_images, resize, progress)
        decoded = decode_folder(place, how)
        images, notes = image_rows(decoded.test_images), decoded.notes
        digests = image_digests(images) if decoded.digests is None else decoded.digests[1]
    else:
        images, notes = _of_file(place, where, data), ()
        digests = image_digests(images)
    kept = _not_judged(digests, data)
    left_out = len(digests) - len(kept)
    if not len(kept):
        raise InputError(
            where,
            f"holds {counted(left_out, 'image')}, and all are test or validation images",
            remedy="give others",
        )
    sha256 = hashlib.sha256(np.ascontiguousarray(digests[kept]).data).hexdigest()
    return FurtherImages(images.at(kept), sha256, left_out, notes)


def _of_file(path: Path, where: str, data: Dataset) -> ImageRows:
    try:
        store = ImageFile(path)
    except (*DAMAGED_ARRAY, OSError) as error:
        raise InputError(where, f"it cannot be read: {error}", accepted=ACCEPTED) from None
    if store.shape[1:] != data.image_shape:
        found, wanted = ("x".join(map(str, each)) for each in (store.shape[1:], data.image_shape))
        raise InputError(
            where,
            f"holds images of {found}",
            accepted=f"{wanted}, as the training images",
            remedy="a folder of image files is fitted to them",
        )
    if not store.shape[0]:
        raise InputError(where, "holds no image", accepted=ACCEPTED)
    return ImageRows.all_of(store)


def _not_judged(digests: Digests, data: Dataset) -> NDArray[np.int64]:
    """Return the rows of the images whose pixels are those of no test or validation image."""
    judged = {
        key
        for split in (data.test, data.validation)
        for key in row_keys(image_digests(split.images))
    }
    kept = [row for row, key in enumerate(row_keys(digests)) if key not in judged]
    return np.array(kept, np.int64)
