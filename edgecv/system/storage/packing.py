"""Sealed folders as bytes, to be sent from one machine to another."""

import io
import tarfile
from pathlib import Path

from edgecv.core.errors import InputError
from edgecv.system.storage.manifest import MANIFEST, check_seal


def pack(folder: Path) -> bytes:
    """Return a sealed folder as an archive. Raises InputError where its files are not its own."""
    check_seal(folder)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            archive.add(path, str(path.relative_to(folder)), recursive=False)
    return content.getvalue()


def unpack(content: bytes, folder: Path) -> None:
    """Write the files of an archive to an empty folder that will be sealed again.

    Raises InputError where they are not the files that were sealed.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, OSError) as error:
        raise InputError(folder.name, f"did not arrive whole: {error}") from None
    check_seal(folder)
    (folder / MANIFEST).unlink()
