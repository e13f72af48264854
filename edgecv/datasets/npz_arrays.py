"""Reader of the arrays of a .npz that verifies sizes and types before loading them."""

import math
import zipfile
from pathlib import Path
from typing import Any

from numpy.lib import format as npy
from numpy.typing import NDArray

from edgecv.core.errors import InputError
from edgecv.core.files import open_regular
from edgecv.core.text import listed, printable
from edgecv.datasets.image_tree.folder_tree import is_bomb

LAYOUT = (
    "x_train and x_test, uint8 (N, height, width, channels), with y_train and y_test, integers "
    "(N,); or x_test and y_test alone; class_names, strings, where they are known"
)
MAX_BYTES = 8 << 30
ARRAY_NAMES = ("x_train", "y_train", "x_test", "y_test", "class_names")


def read_arrays(path: Path, where: str) -> tuple[dict[str, NDArray[Any]], tuple[str, ...]]:
    """Return the arrays of a data set, and a note on others in the file. Raises InputError."""
    try:
        file = open_regular(path, where, accepted="a .npz file")
    except FileNotFoundError:
        raise InputError(where, "there is no such file", accepted="a .npz file") from None
    except OSError as error:
        raise InputError(where, f"it cannot be read: {error.strerror}") from None
    try:
        with file, zipfile.ZipFile(file) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            _check_names(sorted(members), where)
            wanted = {name: members[name] for name in ARRAY_NAMES if name in members}
            for name, info in wanted.items():
                _check_header(archive, info, name, where)
            unpacked = sum(info.file_size for info in wanted.values())
            if unpacked > MAX_BYTES:
                raise InputError(where, "it is too large", accepted=f"{MAX_BYTES >> 30} GiB")
            if is_bomb(unpacked, path):
                raise InputError(
                    where,
                    f"it would unpack to {unpacked / 1e9:,.1f} GB, far more than images do",
                    remedy="save it with numpy.savez if it is what it should be",
                )
            arrays = {name: _read(archive, info) for name, info in wanted.items()}
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - both raise anything on damage
        raise InputError(
            where, f"it is not a .npz, or a damaged one ({error})", remedy="save it again"
        ) from None
    others = sorted(set(members) - set(ARRAY_NAMES))
    return arrays, (f"not read: {listed(others, 5)}",) if others else ()


def _check_names(names: list[str], where: str) -> None:
    missing = [name for name in ("x_test", "y_test") if name not in names]
    for one, other in (("x_train", "y_train"), ("y_train", "x_train")):
        if one in names and other not in names:
            missing.append(other)
    if missing:
        raise InputError(
            where,
            f"there is no {' and no '.join(missing)}; there is {listed(names, 8) or 'nothing'}",
            accepted=LAYOUT,
        )


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
