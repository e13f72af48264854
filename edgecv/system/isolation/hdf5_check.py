"""A check of HDF5 files: a child process reads each one before its parent opens it.

The HDF5 library trusts its files: damaged ones make it crash or loop for ever. A file that a child
has read from end to end, within its limits, is safe to read here.
"""

import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.files import open_regular
from edgecv.system.isolation.client import ask_once
from edgecv.system.isolation.limits import ProcessLimits
from edgecv.system.isolation.process import ChildProgram
from edgecv.system.isolation.request import Request
from edgecv.system.isolation.server import ActionServer, Response

REMEDY = "the file is damaged or hostile: save the model again"
PROGRAM = ChildProgram("edgecv.system.isolation.hdf5_check", stages=("reading it",), remedy=REMEDY)
SECONDS = 10
"""Processor time for a small file; a large one gets more."""
BYTES_A_SECOND = 50_000_000
WAITING = 6
"""Waiting time as a multiple of the processor time: the machine may be busy."""
MOST_UNPACKED_BYTES = 2**28
MOST_GROWTH = 20
"""Largest growth of a large archive: weights hardly compress, a zip bomb does."""
WEIGHTS = "model.weights.h5"
MEMORY_BYTES = 2**30
MEMORY_A_FILE_BYTE = 4
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
ZIP_MAGIC = b"PK\x03\x04"


def check_hdf5(path: Path) -> None:
    """Raise InputError where HDF5 cannot read a model file, ``.h5`` or within ``.keras``.

    Any other file, such as a folder or an ONNX file, is left to its importer.
    """
    if path.is_dir():
        return
    try:
        with open_regular(path) as file:
            magic = file.read(len(HDF5_MAGIC))
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}") from None
    if magic == HDF5_MAGIC:
        _read_through(path, path)
    if not magic.startswith(ZIP_MAGIC):
        return
    content = _weights_in(path)
    if content is not None:
        with tempfile.TemporaryDirectory(prefix="edgecv-hdf5-") as folder:
            weights = Path(folder) / WEIGHTS
            weights.write_bytes(content)
            _read_through(weights, path)


def _weights_in(path: Path) -> bytes | None:
    """Return the weights in an archive; None where the importer reports what is wrong with it."""
    most = max(MOST_UNPACKED_BYTES, MOST_GROWTH * path.stat().st_size)
    try:
        with zipfile.ZipFile(path) as archive, archive.open(WEIGHTS) as member:
            content = member.read(most + 1)
    except Exception:  # noqa: BLE001  zipfile raises anything on damage
        return None
    if len(content) > most:
        raise InputError(str(path), f"{WEIGHTS} in it unpacks to far more", remedy=REMEDY)
    return content


def _read_through(content: Path, path: Path) -> None:
    size = content.stat().st_size
    seconds = SECONDS + size // BYTES_A_SECOND
    ask_once(
        PROGRAM,
        "HDF5",
        Request(
            "read",
            {"path": os.path.abspath(content)},
            lambda frame: None,
            names=[str(path)],
            files=[content],
            silence_s=WAITING * seconds,
        ),
        ProcessLimits(MEMORY_BYTES + MEMORY_A_FILE_BYTE * size, file_bytes=0, cpu_s=seconds),
        environment={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )


def main() -> None:
    """Serve requests from standard input until it ends."""
    server = ActionServer("HDF5")
    import h5py  # noqa: F401  before the limits are set

    server.serve({"read": read})


def read(path: str) -> Response:
    """Read all attributes and arrays of a file. Raises InputError where HDF5 cannot."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            _read_all(file)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  any error means that it cannot be read
        found = "is a damaged Keras file: HDF5 cannot read it"
        raise InputError("", found, remedy=REMEDY) from None
    return {}, []


def _read_all(group: Any) -> None:
    """Read the members of a group; links out of the file are not followed."""
    import h5py

    waiting, seen = [group], {group.id}
    while waiting:
        current = waiting.pop()
        for name in current.attrs:
            current.attrs[name]
        if isinstance(current, h5py.Dataset):
            if not current.external:
                current[()]
            continue
        for name in current:
            if isinstance(current.get(name, getlink=True), h5py.HardLink):
                member = current[name]
                if member.id not in seen:
                    seen.add(member.id)
                    waiting.append(member)
