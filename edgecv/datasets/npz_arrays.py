"""Reader of the arrays of a .npz that verifies sizes and types before loading them."""

import math
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from numpy.lib import format as npy
from numpy.typing import NDArray

from edgecv.core.errors import InputError
from edgecv.core.files import open_regular
from edgecv.core.text import bytes_text, listed, printable
from edgecv.datasets.array_targets import place_of
from edgecv.datasets.image_tree.folder_tree import is_bomb

LAYOUT = (
    "x_train and x_test, uint8 (N, height, width, channels), with y_train and y_test, integers "
    "(N,) or other targets such as y_train_boxes; or x_test and y_test alone; or x and y; "
    "class_names, strings, where they are known"
)
MAX_BYTES = 8 << 30
NAMES = "class_names"
"""The array of the classes' names; those of y_test_colour are in class_names_colour."""
ARRAY_NAMES = ("x_train", "y_train", "x_test", "y_test", NAMES)
"""Names of arrays beside those of ``place_of``: ``x`` and ``y``, y_test_boxes and so on."""


def read_arrays(path: Path, where: str) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """Return the arrays of a data set, and a note on others in the file. Raises InputError."""

    def wanted(names: Sequence[str]) -> list[str]:
        if missing := lacking(names):
            found = listed(sorted(names), 8) or "nothing"
            raise InputError(where, f"{missing}; there is {found}", accepted=LAYOUT)
        return [name for name in names if is_array(name)]

    arrays, others = _arrays(path, where, wanted)
    return arrays, (f"not read: {listed(others, 5)}",) if others else ()


def read_inputs(path: Path, where: str) -> dict[str, NDArray[Any]]:
    """Return all arrays of a file, of which each is an input of a model. Raises InputError."""
    return _arrays(path, where, list)[0]


def holds_inputs(path: Path) -> bool:
    """Return True for a .npz without any array of a data set: each is an input of a model."""
    if path.suffix.lower() != ".npz":  # A .zip of images is an archive too.
        return False
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            names = [info.filename.removesuffix(".npy") for info in archive.infolist()]
    except (OSError, InputError, zipfile.BadZipFile):
        return False
    return bool(names) and not any(map(is_array, names))


def _arrays(
    path: Path, where: str, wanted_of: Callable[[Sequence[str]], list[str]]
) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Return the wanted arrays of a file by name, and the names of the others."""
    try:
        file = open_regular(path, where, accepted="a .npz file")
    except FileNotFoundError:
        raise InputError(where, "there is no such file", accepted="a .npz file") from None
    except OSError as error:
        raise InputError(where, f"it cannot be read: {error.strerror}") from None
    try:
        with file, zipfile.ZipFile(file) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            wanted = {name: members[name] for name in wanted_of([*members])}
            for name, info in wanted.items():
                _check_header(archive, info, name, where)
            unpacked = sum(info.file_size for info in wanted.values())
            if unpacked > MAX_BYTES:
                raise InputError(where, "it is too large", accepted=f"{MAX_BYTES >> 30} GiB")
            if is_bomb(unpacked, path):
                raise InputError(
                    where,
                    f"it would unpack to {bytes_text(unpacked)}, far more than images do",
                    remedy="save it with numpy.savez if it is what it should be",
                )
            arrays = {name: _read(archive, info) for name, info in wanted.items()}
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - both raise anything on damage
        raise InputError(
            where, f"it is not a .npz, or a damaged one ({error})", remedy="save it again"
        ) from None
    return arrays, sorted(set(members) - set(wanted))


def is_array(name: str) -> bool:
    """Return True for the name of an array of images, targets or class names."""
    is_names = name.startswith(f"{NAMES}_")
    return name in ("x", *ARRAY_NAMES) or is_names or place_of(name) is not None


def lacking(names: Iterable[str]) -> str:
    """Describe the arrays of a data set that are not there; empty where none is missing."""
    named = set(names)
    targets = {place[0] for name in named if (place := place_of(name)) is not None}
    if "x" in named:
        wanted = [("x", "")]
    else:
        is_train = "x_train" in named or "train" in targets
        wanted = [("x_test", "test"), *[("x_train", "train")] * is_train]
    missing = []
    for images, split in wanted:
        missing += [images] * (images not in named)
        missing += [f"y_{split}".rstrip("_")] * (split not in targets)
    return f"there is no {' and no '.join(missing)}" if missing else ""


def _check_header(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, where: str) -> None:
    with archive.open(info) as file:
        version = npy.read_magic(file)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(file)
        header_bytes = file.tell()
    if dtype.hasobject or dtype.names:
        raise InputError(
            where,
            f"{name} holds Python objects",
            accepted="plain numbers or strings",
            remedy=f"save it as numpy.array({name}, dtype={'str' if 'class' in name else 'int'})",
        )
    declared = math.prod(shape) * dtype.itemsize
    if declared != info.file_size - header_bytes:
        raise InputError(
            where,
            f"{name} says that it is {printable(str(dtype))} of shape {shape}, "
            f"but holds {info.file_size - header_bytes:,} bytes",
            remedy="save it again",
        )


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(info) as file:
        array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
        return array
