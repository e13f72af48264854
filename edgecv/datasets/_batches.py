"""Reads CIFAR-10's own files: the pickled batches without running them, and the binary ones."""

import gzip
import io
import pickle
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgecv.datasets._words import printable
from edgecv.records import Images, Labels

IMAGE_BYTES = 3072
MAX_MEMBER_BYTES = 40_000_000
MAX_ARCHIVE_BYTES = 8 * MAX_MEMBER_BYTES
TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST = "test_batch"
META = "batches.meta"
_CLASSES = 10


class Damaged(Exception):
    """The files are not CIFAR-10's; the message says which and why."""


def read_archive(path: Path) -> dict[str, bytes]:
    """Read the batches out of a .tar.gz, in memory. Raises Damaged."""
    wanted = {*TRAIN, TEST, META}
    found: dict[str, bytes] = {}
    try:
        with (
            gzip.open(path) as unzipped,
            tarfile.open(fileobj=_Bounded(unzipped), mode="r|", bufsize=1 << 20) as archive,
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
    except Exception as error:
        # gzip, zlib and tarfile raise nearly anything on damaged input
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
        if file.stat().st_size > MAX_MEMBER_BYTES:
            raise Damaged(f"{name} has {file.stat().st_size:,} bytes")
        try:
            found[name] = file.read_bytes()
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
        words = data.decode("utf-8", "replace").split()
    else:
        entries = _field(name, unpickle(name, data), "label_names", list)
        words = [_text(entry) for entry in entries if isinstance(entry, str | bytes)]
    if len(set(words)) != _CLASSES:
        raise Damaged(f"{name} does not name {_CLASSES} classes")
    return tuple(printable(word) for word in words)


def _binary_batch(name: str, data: bytes) -> tuple[Images, Labels]:
    if not data or len(data) % (IMAGE_BYTES + 1):
        raise Damaged(f"{name} is not made of records of {IMAGE_BYTES + 1} bytes")
    records = np.frombuffer(data, np.uint8).reshape(-1, IMAGE_BYTES + 1)
    return _as_images(records[:, 1:]), _as_labels(name, records[:, 0].astype(np.int64))


def _python_batch(name: str, data: bytes) -> tuple[Images, Labels]:
    batch = unpickle(name, data)
    pixels = _field(name, batch, "data", _Array).values
    labels = _field(name, batch, "labels", list)
    if pixels is None or not len(pixels) or pixels.ndim != 2 or pixels.shape[1] != IMAGE_BYTES:
        raise Damaged(f"{name} does not hold images of {IMAGE_BYTES} bytes")
    if len(labels) != len(pixels) or any(type(label) is not int for label in labels):
        raise Damaged(f"{name} does not hold one whole number as label for each image")
    return _as_images(pixels), _as_labels(name, np.array(labels, np.int64))


def _as_images(pixels: NDArray[np.uint8]) -> Images:
    """Turn planes into pixels: (N, 3072) -> (N, 32, 32, 3)."""
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


def unpickle(name: str, data: bytes) -> Any:
    """Read a pickle of plain values and byte arrays. It can run no code. Raises Damaged."""
    try:
        return _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except Damaged as error:
        raise Damaged(f"{name} {error}") from None
    except Exception as error:
        # pickle raises nearly anything on damaged input
        raise Damaged(f"{name} is damaged ({type(error).__name__}: {error})") from None


class _Unpickler(pickle.Unpickler):
    """Knows three names, and gives its own stand-ins for them, so that not even numpy is driven."""

    _known = frozenset(
        {
            *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._known:
            raise Damaged(
                f"asks for {printable(module)}.{printable(name)}, which CIFAR-10 does not: "
                "it may be an attack"
            )
        return _StandIn(name)


class _StandIn:
    """Takes the place of a function or class of numpy.

    An object and not a class, because a pickle can set attributes on whatever it is given.
    """

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *arguments: Any) -> Any:
        if self._name == "_reconstruct":
            return _Array()
        if self._name == "dtype" and arguments and _text(arguments[0]) == "u1":
            return _ByteType()
        raise Damaged("holds something else than arrays of bytes")

    def __setstate__(self, state: Any) -> None:
        raise Damaged("changes what it may only name")


class _ByteType:
    """Stands for numpy's dtype of bytes; a byte has no order, so its state says nothing."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        pass


class _Array:
    """Stands for an array until its state comes: (version, shape, dtype, is Fortran, bytes)."""

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: NDArray[np.uint8] | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, is_fortran, content = state
        if not isinstance(kind, _ByteType) or type(content) is not bytes:
            raise Damaged("holds something else than arrays of bytes")
        order: Any = "F" if is_fortran else "C"
        self.values = np.frombuffer(content, np.uint8).reshape(shape, order=order)


class _Bounded(io.RawIOBase):
    """A stream that ends in an error where it has given more than CIFAR-10 has."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left = MAX_ARCHIVE_BYTES

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise Damaged(f"it unpacks to over {MAX_ARCHIVE_BYTES:,} bytes")
        return data


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def has_batches(path: Path) -> bool:
    """Tell whether a folder holds CIFAR-10's batches."""
    return any((path / name).is_file() for name in _landmarks())


def _landmarks() -> Iterator[str]:
    for name in (TEST, TRAIN[0]):
        yield name
        yield f"{name}.bin"
