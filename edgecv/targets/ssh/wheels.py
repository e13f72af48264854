"""Wheels of the user for a host that has no packages, and the command that gets them."""

import hashlib
import io
import re
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgecv.core.errors import InputError

HOST = re.compile(r"Python (3\.\d{1,2}) on ([a-z0-9_]{1,20}) with glibc-2\.(\d{1,3})")
"""The line in which a host says what packages have to fit."""
PLATFORMS = {28: "manylinux_2_28", 27: "manylinux_2_27", 17: "manylinux2014"}
"""Platforms that packages are made for, by the minor version of the glibc that they need."""
MOST_BYTES = 2**30


@dataclass(frozen=True)
class Wheels:
    """All wheels of a folder in one archive, and the name of what they become on a host."""

    archive: bytes
    name: str


@cache
def wheels_in(folder: str) -> Wheels:
    """Return the wheels in a folder. Raises InputError where there are none."""
    paths = sorted(Path(folder).glob("*.whl"))
    if not paths:
        raise InputError(
            "--wheels",
            f"there are no .whl files in {folder}",
            accepted="the folder of a pip download for the host",
        )
    if sum(path.stat().st_size for path in paths) > MOST_BYTES:
        raise InputError("--wheels", f"{folder} has more than {MOST_BYTES:,} bytes")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in paths:
            archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes())
    content = packed.getvalue()
    return Wheels(content, hashlib.sha256(content).hexdigest()[:16])


def download(host: str, packages: str) -> str:
    """Return the command that gets the wheels for a host, by the line in which it says what it is.

    >>> download("Python 3.9 on armv7l with glibc-2.24", "numpy").partition(" --platform ")[2]
    'manylinux2014_armv7l -d wheels numpy'
    """
    found = HOST.search(host)
    if found is None:
        return ""
    python, machine, glibc = found[1], found[2], int(found[3])
    platforms = [
        f"--platform {name}_{machine}" for need, name in PLATFORMS.items() if need <= glibc
    ]
    start = f"pip download --only-binary=:all: --python-version {python}"
    return " ".join([start, *platforms, f"-d wheels {packages}"])
