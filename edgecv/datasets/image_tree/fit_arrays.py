"""Images that are arrays, at the size and the channels of a model."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np

from edgecv.core.data import Shape
from edgecv.core.errors import InputError
from edgecv.core.images import ImageRows
from edgecv.core.plugins import Progress
from edgecv.core.text import listed
from edgecv.datasets.decoded import Decoded
from edgecv.datasets.image_tree.decoding import check_shape, fit, notes_of
from edgecv.datasets.image_tree.thread_pool import in_batches
from edgecv.datasets.placement import resized
from edgecv.datasets.workspace import Workspace


def fit_all(
    decoded: Decoded, shape: Shape, where: str, progress: Progress, work: Workspace
) -> Decoded:
    """Convert images that are arrays to ``shape``, and note the changes."""
    from PIL import Image

    found = decoded.test_images.shape[1:]
    if found == shape:
        return decoded
    if decoded.meaning is not None:
        raise InputError(
            where,
            f"its numbers have the shape {found}, and the model takes {shape}",
            accepted="numbers of the model's shape: only pixels are resized",
        )
    check_shape(shape, where)
    if found[2] not in (1, 3, 4):
        raise InputError(
            where,
            f"the images have the shape {found}",
            accepted="(height, width, channels) with 1, 3 or 4 channels",
            remedy="move the channels to the last axis" if found[0] in (1, 3, 4) else "",
        )
    count, total = len(decoded.train_labels), len(decoded.train_labels) + len(decoded.test_labels)
    work.reserve((total, *shape))

    def fit_rows(rows: range) -> Counter[str]:
        changes: Counter[str] = Counter()
        fitted = np.empty((len(rows), *shape), np.uint8)
        for place, row in enumerate(rows):
            pixels = decoded.train_images[row] if row < count else decoded.test_images[row - count]
            image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
            fitted[place], changed = fit(image, shape)
            changes.update(changed)
        work.put(rows.start, fitted)
        return changes

    changes = in_batches(total, fit_rows, progress, math.prod(found))
    notes = notes_of(sum(changes, Counter[str]()), shape)
    images = ImageRows.all_of(work.store())
    size = found[1], found[0]
    train_labels, _ = resized(decoded.train_labels, size, shape)
    test_labels, kept = resized(decoded.test_labels, size, shape)
    if kept and notes:
        notes = (*notes, f"not changed with the size of the images: {listed(kept)}")
    return replace(
        decoded,
        train_images=images.at(np.arange(count)),
        train_labels=train_labels,
        test_images=images.at(np.arange(count, total)),
        test_labels=test_labels,
        notes=(*decoded.notes, *notes),
        digests=None,
    )
