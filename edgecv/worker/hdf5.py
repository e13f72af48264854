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
import zlib
from pathlib import Path

from edgecv.errors import InputError
from edgecv.worker.process import PACKAGES

PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from edgecv.worker.hdf5_child import main; main()"
)
SECONDS = 10
"""Of computing, for a small file; a large one gets more."""
BYTES_A_SECOND = 50_000_000
WAITING = 6
"""How much longer than it may compute a child may take: the machine may be busy."""
WEIGHTS = "model.weights.h5"
REMEDY = "the file is damaged or hostile: save the model again"


def check_hdf5(path: Path) -> None:
    """Raise InputError where HDF5 cannot read a model file, ``.h5`` or within ``.keras``."""
    with path.open("rb") as file:
        is_zip = file.read(4) == b"PK\x03\x04"
    if not is_zip:
        _read_through(path, path)
        return
    with tempfile.TemporaryDirectory(prefix="edgecv-hdf5-") as folder:
        weights = Path(folder) / WEIGHTS
        try:
            with zipfile.ZipFile(path) as archive, archive.open(WEIGHTS) as member:
                weights.write_bytes(member.read())
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            KeyError,
            ValueError,
            NotImplementedError,
        ):
            return  # The importer says what is wrong with the archive.
        _read_through(weights, path)


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
