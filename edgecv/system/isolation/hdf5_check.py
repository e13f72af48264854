"""HDF5 is read through in a child before anything of this process opens it.

Its library trusts the file: damaged ones make it crash, or loop for ever. A file that a child could
read from end to end, within its limits, is read the same way here.
"""

import os
import signal
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from edgecv.core.errors import InputError
from edgecv.system.isolation.process import PACKAGES

PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from edgecv.system.isolation.hdf5_child import main; main()"
)
SECONDS = 10
"""Of computing, for a small file; a large one gets more."""
BYTES_A_SECOND = 50_000_000
WAITING = 6
"""How much longer than it may compute a child may take: the machine may be busy."""
MOST_UNPACKED_BYTES = 2**28
MOST_GROWTH = 20
"""Weights hardly compress: a larger archive that grows by more is a bomb."""
WEIGHTS = "model.weights.h5"
REMEDY = "the file is damaged or hostile: save the model again"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
ZIP_MAGIC = b"PK\x03\x04"


def check_hdf5(path: Path) -> None:
    """Raise InputError where HDF5 cannot read a model file, ``.h5`` or within ``.keras``.

    What is neither is for its importer to judge: a folder, an ONNX file, noise.
    """
    if path.is_dir():
        return
    try:
        with path.open("rb") as file:
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
    """Return the weights within an archive; None where the importer says what is wrong with it."""
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
    seconds = SECONDS + content.stat().st_size // BYTES_A_SECOND
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", PROGRAM, PACKAGES, str(content), str(seconds)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        start_new_session=True,
    )
    try:
        code = child.wait(WAITING * seconds)
    except subprocess.TimeoutExpired:
        code = -signal.SIGXCPU
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise InputError(
            str(path), f"takes HDF5 more than {seconds} s of computing to read", remedy=REMEDY
        )
    if code < 0:
        name = signal.Signals(-code).name
        raise InputError(str(path), f"HDF5 died of {name} reading it", remedy=REMEDY)
    if code > 0:
        raise InputError(str(path), "is a damaged Keras file: HDF5 cannot read it", remedy=REMEDY)
