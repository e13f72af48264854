"""Images of the same pixels: their hashes, and which of them are kept."""

import hashlib
from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Targets
from edgecv.core.images import ImageSequence, chunks
from edgecv.core.targets import kinds_of
from edgecv.core.text import counted, were

Digests = NDArray[np.uint8]
"""A hash of each image's pixels: uint8 (N, 16)."""
Rows = NDArray[np.int64]


def image_digests(images: ImageSequence) -> Digests:
    """Hash the pixels of each image: uint8 (N, H, W, C) -> uint8 (N, 16)."""
    rows = (np.ascontiguousarray(row) for part in chunks(images) for row in part)
    hashes = b"".join(hashlib.blake2b(row.data, digest_size=16).digest() for row in rows)
    return np.frombuffer(hashes, np.uint8).reshape(len(images), 16)


def distinct_rows(
    digests: tuple[Digests, Digests], train_labels: Targets, test_labels: Targets
) -> tuple[Rows, list[str]]:
    """Return the training rows to keep, int64 (K,), and notes on the others."""
    contradictions = test_copies = in_test = copies = 0
    test: dict[bytes, Hashable] = {}
    for digest, label in zip(row_keys(digests[1]), _label_keys(test_labels), strict=True):
        test_copies += digest in test
        contradictions += test.setdefault(digest, label) != label
    train: dict[bytes, Hashable] = {}
    rows: list[int] = []
    for row, (digest, label) in enumerate(
        zip(row_keys(digests[0]), _label_keys(train_labels), strict=True)
    ):
        known = test.get(digest, train.get(digest))
        if known is None:
            train[digest] = label
            rows.append(row)
            continue
        contradictions += known != label
        in_test += digest in test
        copies += digest not in test
    notes = []
    if in_test:
        notes.append(
            f"{counted(in_test, 'training image')} that also "
            f"{'occurs' if in_test == 1 else 'occur'} in the test split "
            f"{were(in_test)} left out"
        )
    if copies:
        notes.append(left_out_note(copies, "training image"))
    if test_copies:
        notes.append(
            f"{counted(test_copies, 'test image')} {were(test_copies)} an exact copy of another; "
            "the test split was left as it is"
        )
    if contradictions:
        meant = "class" if kinds_of(test_labels) == ("class",) else "targets"
        notes.append(
            f"{counted(contradictions, 'exact copy')} contradicted the {meant} of the first"
        )
    return np.array(rows, np.int64), notes


def left_out_note(copies: int, kind: str) -> str:
    """Return the note on images that another one makes superfluous."""
    return (
        f"{counted(copies, kind)} that {were(copies)} an exact copy of another "
        f"{were(copies)} left out"
    )


def _label_keys(labels: Targets) -> list[Hashable]:
    """Return a key an image, equal where the targets are: classes themselves, else a hash."""
    if labels.dtype.names is None:
        classes: list[Hashable] = labels.tolist()
        return classes
    return [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in labels]


def row_keys(digests: Digests) -> list[bytes]:
    """Return each digest as bytes."""
    keys: list[bytes] = np.ascontiguousarray(digests).view("V16").ravel().tolist()
    return keys
