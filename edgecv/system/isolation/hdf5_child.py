"""The child's side: opens one HDF5 file, looks at everything in it, and ends."""

import os
import resource
import sys
from pathlib import Path
from typing import Any

MEMORY_BYTES = 2**30
MEMORY_A_FILE_BYTE = 4
CANNOT_BE_READ = 3


def main() -> None:
    """Read the file that the arguments name: folder of packages, path, seconds."""
    _, _, path, seconds = sys.argv
    import h5py

    _limit(Path(path), int(seconds))
    try:
        with h5py.File(path, "r") as file:
            _look_at(file)
    except Exception:  # noqa: BLE001  whatever HDF5 says, it cannot be read
        os._exit(CANNOT_BE_READ)
    os._exit(0)


def _look_at(group: Any) -> None:
    """Read all attributes and arrays; what leads out of the file is not followed."""
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


def _limit(path: Path, seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    more = MEMORY_BYTES + MEMORY_A_FILE_BYTE * path.stat().st_size
    most = pages * resource.getpagesize() + more
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
