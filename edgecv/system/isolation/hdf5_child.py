"""The child's side of the HDF5 check: opens one file and reads everything in it."""

from typing import Any

from edgecv.core.errors import InputError
from edgecv.system.isolation.hdf5_check import REMEDY
from edgecv.system.isolation.server import ActionServer, Response


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
