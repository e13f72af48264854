"""Reader of the original CIFAR-10 files: an archive or a folder of pickled or binary batches."""

import gzip
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images, Labels
from edgecv.core.errors import InputError
from edgecv.core.files import open_regular, read_regular
from edgecv.core.text import printable
from edgecv.datasets.cifar_files.safe_pickle import ByteArray, Damaged, as_text, unpickle

IMAGE_BYTES = 3072
MAX_MEMBER_BYTES = 40_000_000
MAX_ARCHIVE_BYTES = 8 * MAX_MEMBER_BYTES
TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST = "test_batch"
META = "batches.meta"
_CLASSES = 10


def read_archive(path: Path) -> dict[str, bytes]:
    """Read the batches of a .tar.gz into memory. Raises Damaged."""
    wanted = {*TRAIN, TEST, META}
    found: dict[str, bytes] = {}
    try:
        with (
            open_regular(path) as file,
            _Bounded(fileobj=file) as unzipped,
            tarfile.open(fileobj=unzipped, mode="r|", bufsize=1 << 20) as archive,
        ):
            for member in archive:
                if member.size > MAX_MEMBER_BYTES:
                    raise Damaged(f"{printable(member.name)} has {member.size:,} bytes")
                name = member.name.rpartition("/")[2]
                if name in wanted and member.isfile():
                    content = archive.extractfile(member)
                    assert content is not None
                    found[name] = content.read()
    except Damaged:
        raise
    except Exception as error:  # noqa: BLE001 - they raise anything on damage
        raise Damaged(f"not a .tar.gz, or a damaged one ({error})") from None
    return found


def read_folder(path: Path) -> dict[str, bytes]:
    """Read the batches in a folder, python or binary. Raises Damaged."""
    names = [*TRAIN, TEST, META, *(f"{name}.bin" for name in (*TRAIN, TEST)), f"{META}.txt"]
    found = {}
    for name in names:
        file = path / name
        if not file.is_file():
            continue
        try:
            found[name] = read_regular(file, MAX_MEMBER_BYTES)
        except InputError as error:
            raise Damaged(f"{name} {error.found}") from None
        except OSError as error:
            raise Damaged(f"{name} cannot be read: {error.strerror}") from None
    return found


def parse(
    files: Mapping[str, bytes],
) -> tuple[tuple[str, ...], Images, Labels, Images, Labels]:
    """Return class names, train images and labels, test images and labels. Raises Damaged.

    Images: uint8 (N, 32, 32, 3); labels: int64 (N,), 0..9.
    """
    ending = ".bin" if f"{TEST}.bin" in files else ""
    meta = f"{META}.txt" if ending else META
    read = _binary_batch if ending else _python_batch
    names = [f"{name}{ending}" for name in (*TRAIN, TEST)]
    for name in (meta, *names):
        if name not in files:
            raise Damaged(f"there is no {name}")
    class_names = _class_names(meta, files[meta])
    batches = [read(name, files[name]) for name in names]
    return (
        class_names,
        np.concatenate([images for images, _ in batches[:-1]]),
        np.concatenate([labels for _, labels in batches[:-1]]),
        *batches[-1],
    )


def _class_names(name: str, data: bytes) -> tuple[str, ...]:
    if name.endswith(".txt"):
        names = data.decode("utf-8", "replace").split()
    else:
        entries = _field(name, unpickle(name, data), "label_names", list)
        names = [as_text(entry) for entry in entries if isinstance(entry, str | bytes)]
    if len(set(names)) != _CLASSES:
        raise Damaged(f"{name} does not name {_CLASSES} classes")
    return tuple(printable(word) for word in names)


def _binary_batch(name: str, data: bytes) -> tuple[Images, Labels]:
    if not data or len(data) % (IMAGE_BYTES + 1):
        raise Damaged(f"{name} is not made of records of {IMAGE_BYTES + 1} bytes")
    records = np.frombuffer(data, np.uint8).reshape(-1, IMAGE_BYTES + 1)
    return _as_images(records[:, 1:]), _as_labels(name, records[:, 0].astype(np.int64))


def _python_batch(name: str, data: bytes) -> tuple[Images, Labels]:
    batch = unpickle(name, data)
    pixels = _field(name, batch, "data", ByteArray).values
    labels = _field(name, batch, "labels", list)
    if pixels is None or not len(pixels) or pixels.ndim != 2 or pixels.shape[1] != IMAGE_BYTES:
        raise Damaged(f"{name} does not hold images of {IMAGE_BYTES} bytes")
    if len(labels) != len(pixels) or any(type(label) is not int for label in labels):
        raise Damaged(f"{name} does not hold one whole number as label for each image")
    return _as_images(pixels), _as_labels(name, np.array(labels, np.int64))


def _as_images(pixels: NDArray[np.uint8]) -> Images:
    """Return colour planes as images: (N, 3072) -> (N, 32, 32, 3)."""
    return np.ascontiguousarray(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _as_labels(name: str, labels: Labels) -> Labels:
    if labels.min() < 0 or labels.max() >= _CLASSES:
        raise Damaged(f"{name} holds a label that is not in 0..{_CLASSES - 1}")
    return labels


def _field(name: str, batch: Any, key: str, kind: type[Any]) -> Any:
    value = batch.get(key.encode(), batch.get(key)) if isinstance(batch, dict) else None
    if type(value) is not kind:
        raise Damaged(f'{name} holds no "{key}"')
    return value


class _Bounded(gzip.GzipFile):
    """A decompressed stream that raises Damaged beyond the size of CIFAR-10."""

    _left = MAX_ARCHIVE_BYTES

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self._left -= len(data)
        if self._left < 0:
            raise Damaged(f"it unpacks to over {MAX_ARCHIVE_BYTES:,} bytes")
        return data


def has_batches(path: Path) -> bool:
    """Return True if a folder holds CIFAR-10's batches."""
    return any((path / name).is_file() for name in _landmarks())


def _landmarks() -> Iterator[str]:
    for name in (TEST, TRAIN[0]):
        yield name
        yield f"{name}.bin"
