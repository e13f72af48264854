"""Hashes of splits, kept beside the images in the cache: hashing reads all of them."""

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.core.data import Targets
from edgecv.core.images import ImageSequence, chunks, image_rows

HASHES = "hashes.json"


def split_sha256(images: ImageSequence, labels: Targets) -> str:
    """Return the SHA-256 of images and their targets, in their order."""
    found = image_rows(images)
    if found.store.file is None:
        return _sha256(images, labels)
    path = found.store.file.with_name(HASHES)
    key = hashlib.sha256(np.ascontiguousarray(found.rows).data)
    _add_labels(key, labels)
    known = _read(path)
    if key.hexdigest() not in known:
        known[key.hexdigest()] = _sha256(images, labels)
        with contextlib.suppress(OSError):  # Losing one costs time.
            temporary = path.with_name(f".{HASHES}.{os.getpid()}")
            temporary.write_text(json.dumps(known))
            os.replace(temporary, path)
    return known[key.hexdigest()]


def _sha256(images: ImageSequence, labels: Targets) -> str:
    digest = hashlib.sha256()
    for part in chunks(images):
        digest.update(np.ascontiguousarray(part).data)
    _add_labels(digest, labels)
    return digest.hexdigest()


def _add_labels(digest: Any, labels: Targets) -> None:
    if labels.dtype.names is None:
        digest.update(labels.astype("<i8").tobytes())
    for name in labels.dtype.names or ():
        values = labels[name].astype(labels[name].dtype.newbyteorder("<"))
        digest.update(f"{name}{values.dtype.str}{values.shape}".encode())
        digest.update(values.tobytes())


def _read(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in found.items()} if type(found) is dict else {}
