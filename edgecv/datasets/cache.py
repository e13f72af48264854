"""The cache of decoded images on disk.

An entry is a folder of .npy files and a meta.json; its images are mapped into memory, never read as
a whole. It is published atomically, checked when it is read and rebuilt when it is damaged: losing
the cache costs only time.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import weakref
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.arrays import DAMAGED_ARRAY
from edgecv.core.errors import InputError
from edgecv.core.images import ImageFile, ImageRows, chunks, image_rows
from edgecv.datasets.cache_entries import LOCK, forget, locked, make_room
from edgecv.datasets.cache_settings import cache_folder, is_cache_off
from edgecv.datasets.decoded import Decoded
from edgecv.datasets.workspace import IMAGES, PARTS, Workspace

FORMAT = 3
"""Version of the decoders and of the entries: raised whenever the same bytes give other pixels or
targets, or are refused."""
_ARRAYS = (
    "train_rows",
    "train_labels",
    "train_digests",
    "test_rows",
    "test_labels",
    "test_digests",
)
FULL = (errno.ENOSPC, errno.EDQUOT)


def cached(decode: Callable[[Workspace], Decoded], *key: str | int | bool) -> Decoded:
    """Return the result of ``decode``, from disk if it is there for the same ``key``.

    The key must contain everything that the pixels depend on. Where the disk is full, data sets
    used longest ago make room; a cache that cannot be written causes a note, not an error.
    """
    if is_cache_off():
        return decode(Workspace(decodes_again=True))
    digest = hashlib.sha256(json.dumps([FORMAT, _pillow_version(), *key]).encode()).hexdigest()
    root = cache_folder() / "decoded"
    entry = root / digest[:32]
    unfinished = root / f".partial-{entry.name}"
    notes: list[str] = []
    while (found := _read(entry)) is None:
        try:
            unfinished.mkdir(parents=True, exist_ok=True)
            with locked(unfinished) as is_there:
                # Another process may have made the entry while this one waited.
                if is_there and (found := _read(entry)) is None:
                    _write(entry, unfinished, decode(Workspace(unfinished)))
                    notes += forget(root)
        except InputError:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        except OSError as error:
            if error.errno in FULL and (note := make_room(root)):
                notes.append(note)
                continue
            shutil.rmtree(unfinished, ignore_errors=True)
            return _not_kept(decode, root, error)
    return replace(found, notes=(*found.notes, *notes))


def _pillow_version() -> str:
    from importlib.metadata import version

    return version("pillow")  # another decoder may give other pixels


def _not_kept(decode: Callable[[Workspace], Decoded], root: Path, error: OSError) -> Decoded:
    reason = error.strerror or str(error)
    note = (
        f"the decoded images could not be kept in {root} ({reason}): every run decodes them again"
    )
    decoded = decode(Workspace())
    return replace(decoded, notes=(*decoded.notes, note))


def _write(entry: Path, unfinished: Path, decoded: Decoded) -> None:
    decoded = decoded.with_digests()
    assert decoded.digests is not None
    train, test = image_rows(decoded.train_images), image_rows(decoded.test_images)
    if {train.store.file, test.store.file} != {unfinished / IMAGES}:
        train, test = _copied(unfinished, train, test)
    arrays: dict[str, NDArray[Any]] = {
        "train_rows": train.rows,
        "train_labels": decoded.train_labels,
        "train_digests": decoded.digests[0],
        "test_rows": test.rows,
        "test_labels": decoded.test_labels,
        "test_digests": decoded.digests[1],
    }
    for name, array in arrays.items():
        np.save(unfinished / f"{name}.npy", array, allow_pickle=False)
    meta = {
        "class_names": decoded.class_names,
        "notes": decoded.notes,
        "chosen_images": decoded.chosen_images,
        "target_names": dict(decoded.target_names),
        "names": list(test.store.names),
        "checksums": {name: _checksum(array) for name, array in arrays.items()},
        "images": _images_checksum(unfinished),
        "images_facts": _facts(unfinished),
    }
    (unfinished / PARTS).unlink(missing_ok=True)
    (unfinished / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    shutil.rmtree(entry, ignore_errors=True)  # only a damaged one can be there
    os.replace(unfinished, entry)


def _copied(unfinished: Path, *parts: ImageRows) -> list[ImageRows]:
    """Copy images to the file of an entry, one part after the other."""
    work = Workspace(unfinished)
    shape = next((part.shape[1:] for part in parts if len(part)), parts[0].shape[1:])
    work.reserve((sum(map(len, parts)), *shape))
    place, found = 0, []
    for part in parts:
        rows = np.arange(place, place + len(part))
        for some in chunks(part):
            work.put(place, some)
            place += len(some)
        found.append(ImageRows(work.store(), rows))
    return found


def _read(entry: Path) -> Decoded | None:
    """Return the entry; None where it is missing or damaged.

    It is not removed from the cache as long as its images are there.
    """
    try:
        descriptor = os.open(entry / LOCK, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        store, found = _entry(entry)
    except (*DAMAGED_ARRAY, OSError, KeyError, TypeError, AttributeError):
        os.close(descriptor)
        return None
    weakref.finalize(store, os.close, descriptor)
    with contextlib.suppress(OSError):  # a cache that cannot be written can still be read
        os.utime(entry / "meta.json")
    return found


def _entry(entry: Path) -> tuple[ImageFile, Decoded]:
    """Return an entry and its images. Raises ValueError, or any other, where it is damaged."""
    meta = json.loads((entry / "meta.json").read_text(encoding="utf-8"))
    arrays = {name: np.load(entry / f"{name}.npy", allow_pickle=False) for name in _ARRAYS}
    if {name: _checksum(array) for name, array in arrays.items()} != meta["checksums"]:
        raise ValueError("other arrays")
    facts = _facts(entry)
    if facts != meta["images_facts"]:  # Images are read only where their file was written to.
        if _images_checksum(entry) != meta["images"]:
            raise ValueError("other images")
        with contextlib.suppress(OSError):
            _replace(entry / "meta.json", json.dumps({**meta, "images_facts": facts}))
    store = ImageFile(entry / IMAGES)
    store.names = [str(name) for name in meta.get("names", ())]  # None in older entries.
    if len(store.names) not in (0, store.shape[0]):
        raise ValueError("other names")
    return store, Decoded(
        tuple(meta["class_names"]),
        ImageRows(store, arrays["train_rows"]),
        arrays["train_labels"],
        ImageRows(store, arrays["test_rows"]),
        arrays["test_labels"],
        tuple(meta["notes"]),
        (arrays["train_digests"], arrays["test_digests"]),
        int(meta["chosen_images"]),
        {kind: tuple(names) for kind, names in meta["target_names"].items()},
    )


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def _facts(entry: Path) -> list[int]:
    """Return what of the file of the images changes with any change of its content."""
    status = os.stat(entry / IMAGES)
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _checksum(array: NDArray[Any]) -> list[str | int]:
    """Return a checksum of an array: against accidents, in a fifth of the time of SHA-256."""
    return [str(array.dtype), *array.shape, zlib.crc32(np.ascontiguousarray(array).data)]


def _images_checksum(entry: Path) -> list[int]:
    images = ImageRows.all_of(ImageFile(entry / IMAGES))
    return [*images.shape, _crc(chunks(images))]


def _crc(parts: Iterable[NDArray[Any]]) -> int:
    found = 0
    for part in parts:
        found = zlib.crc32(part.data, found)
    return found
