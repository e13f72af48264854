"""The cache of decoded images on disk.

An entry is a folder of .npy files and a meta.json. It is published atomically, checked when it is
read and rebuilt when it is damaged: losing the cache costs only time.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Dataset, Images, Targets
from edgecv.core.preprocessing import Preprocessing
from edgecv.core.targets import kinds_of, rarest_class
from edgecv.datasets.splits import (
    IMAGES_A_TEST_IMAGE,
    Digests,
    image_digests,
    partition,
    set_aside,
)

ENTRIES = 8
FORMAT = 1
"""Version of the decoders: raised whenever the same bytes give other pixels."""
_ARRAYS = (
    "train_images",
    "train_labels",
    "test_images",
    "test_labels",
    "train_digests",
    "test_digests",
)
_STALE_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Decoded:
    """The images and targets of a source before the split: uint8 (N, H, W, C), (N, ...)."""

    class_names: tuple[str, ...]
    train_images: Images
    train_labels: Targets
    test_images: Images
    test_labels: Targets
    notes: tuple[str, ...] = ()
    digests: tuple[Digests, Digests] | None = None
    chosen_images: int = 0
    """Images at the end of the training images that are the validation split."""
    target_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """As of a Dataset."""
    meaning: Preprocessing | None = None
    """As of a Dataset."""

    def split(self, name: str, where: str, validation: float, seed: int) -> Dataset:
        """Split it into a data set called ``name``."""
        found = partition(
            name,
            self.class_names,
            self.train_images,
            self.train_labels,
            self.test_images,
            self.test_labels,
            validation=validation,
            seed=seed,
            notes=self.notes,
            digests=self.digests,
            where=where,
            chosen_images=self.chosen_images,
            target_names=self.target_names,
        )
        return replace(found, meaning=self.meaning)

    def with_test_images(self, seed: int) -> "Decoded":
        """Return it with a test split, drawn from its training images by a seed."""
        digests = self.digests or (image_digests(self.train_images), self.test_images)
        is_test = set_aside(rarest_class(self.train_labels), digests[0], seed)
        is_of_class = kinds_of(self.train_labels) == ("class",)
        note = (
            f"there is no test split: one image in {IMAGES_A_TEST_IMAGE}"
            f"{' of each class' * is_of_class} was set aside for it, by the seed {seed}"
        )
        return replace(
            self,
            train_images=self.train_images[~is_test],
            train_labels=self.train_labels[~is_test],
            test_images=self.train_images[is_test],
            test_labels=self.train_labels[is_test],
            digests=(digests[0][~is_test], digests[0][is_test]),
            notes=(note, *self.notes),
        )


def cache_folder() -> Path:
    """Return the folder of downloads and decoded images; EDGECV_CACHE_DIR overrides it."""
    from platformdirs import user_cache_dir

    chosen = os.environ.get("EDGECV_CACHE_DIR")
    return Path(chosen).expanduser() if chosen else Path(user_cache_dir("edgecv"))


def cached(decode: Callable[[], Decoded], *key: str | int | bool) -> Decoded:
    """Return the result of ``decode``, from disk if it is there for the same ``key``.

    The key must contain everything that the pixels depend on. A cache that cannot be written
    causes a note, not an error.
    """
    from filelock import FileLock

    digest = hashlib.sha256(json.dumps([FORMAT, _pillow_version(), *key]).encode()).hexdigest()
    root = cache_folder() / "decoded"
    entry = root / digest[:32]
    if found := _read(entry):
        return found
    try:
        root.mkdir(parents=True, exist_ok=True)
        held = FileLock(_lock_path(entry)).acquire()
    except OSError as error:
        return _not_kept(decode(), root, error)
    with held:
        if found := _read(entry):  # another process has made it while this one waited
            return found
        decoded = decode()
        decoded = replace(
            decoded,
            digests=(image_digests(decoded.train_images), image_digests(decoded.test_images)),
        )
        try:
            _write(entry, decoded)
            _forget(root)
        except OSError as error:
            return _not_kept(decoded, root, error)
    return decoded


def _pillow_version() -> str:
    from importlib.metadata import version

    return version("pillow")  # another decoder may give other pixels


def _lock_path(entry: Path) -> Path:
    return entry.with_name(entry.name + ".lock")


def _not_kept(decoded: Decoded, root: Path, error: OSError) -> Decoded:
    reason = error.strerror or type(error).__name__
    note = (
        f"the decoded images could not be kept in {root} ({reason}): every run decodes them again"
    )
    return replace(decoded, notes=(*decoded.notes, note))


def _write(entry: Path, decoded: Decoded) -> None:
    assert decoded.digests is not None
    arrays: dict[str, NDArray[Any]] = {
        "train_images": decoded.train_images,
        "train_labels": decoded.train_labels,
        "test_images": decoded.test_images,
        "test_labels": decoded.test_labels,
        "train_digests": decoded.digests[0],
        "test_digests": decoded.digests[1],
    }
    unfinished = Path(tempfile.mkdtemp(prefix=".partial-", dir=entry.parent))
    try:
        for name, array in arrays.items():
            np.save(unfinished / f"{name}.npy", array, allow_pickle=False)
        meta = {
            "class_names": decoded.class_names,
            "notes": decoded.notes,
            "chosen_images": decoded.chosen_images,
            "target_names": dict(decoded.target_names),
            "checksums": {name: _checksum(array) for name, array in arrays.items()},
        }
        (unfinished / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
        shutil.rmtree(entry, ignore_errors=True)  # only a damaged one can be there
        os.replace(unfinished, entry)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _read(entry: Path) -> Decoded | None:
    """Return the entry; None where it is missing or damaged."""
    try:
        meta = json.loads((entry / "meta.json").read_text(encoding="utf-8"))
        arrays = {}
        for name in _ARRAYS:
            # mapped, not read: the splits copy what they need, so memory is paid for once
            array = np.asarray(np.load(entry / f"{name}.npy", mmap_mode="r", allow_pickle=False))
            if _checksum(array) != meta["checksums"][name]:
                return None
            arrays[name] = array
        class_names, notes = tuple(meta["class_names"]), tuple(meta["notes"])
        chosen = int(meta.get("chosen_images", 0))
        named = meta.get("target_names", {}).items()
        target_names = {kind: tuple(names) for kind, names in named}
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError):
        return None
    with contextlib.suppress(OSError):  # a cache that cannot be written can still be read
        os.utime(entry / "meta.json")
    return Decoded(
        class_names,
        arrays["train_images"],
        arrays["train_labels"],
        arrays["test_images"],
        arrays["test_labels"],
        notes,
        (arrays["train_digests"], arrays["test_digests"]),
        chosen,
        target_names,
    )


def _checksum(array: NDArray[Any]) -> list[str | int]:
    """Return a checksum of an array: against accidents, in a fifth of the time of SHA-256."""
    return [str(array.dtype), *array.shape, zlib.crc32(np.ascontiguousarray(array).data)]


def _forget(root: Path) -> None:
    """Delete all but the most recently used entries, and the drafts of killed runs."""
    entries = sorted(root.glob("*/meta.json"), key=lambda meta: meta.stat().st_mtime, reverse=True)
    for meta in entries[ENTRIES:]:
        shutil.rmtree(meta.parent, ignore_errors=True)
        _lock_path(meta.parent).unlink(missing_ok=True)
    for unfinished in root.glob(".partial-*"):
        if time.time() - unfinished.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(unfinished, ignore_errors=True)
