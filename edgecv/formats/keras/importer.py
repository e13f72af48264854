"""Keras files, ``.keras`` and ``.h5``: their configuration is checked before Keras sees it.

A Keras file can run code while it is loaded, even with ``safe_mode``. So the format is detected by
the first bytes, and every class that the configuration names must be on an allowlist. A Keras 3
model is rebuilt in tf-keras or exported as it is, by the modules of ``keras3``.
"""

import tempfile
from pathlib import Path
from typing import ClassVar

from edgecv.core.errors import InputError
from edgecv.core.files import open_regular
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import Importer
from edgecv.formats.keras.keras2 import (
    has_wrappers,
    hdf5_version,
    load_archive,
    load_hdf5,
    read_hdf5_configuration,
)
from edgecv.formats.keras.keras3.archive import DAMAGE, keras_version, read_keras2_archive
from edgecv.formats.keras.keras3.load import load_hdf5_with_parity
from edgecv.formats.keras.keras3.load import load_with_parity as load_keras3
from edgecv.formats.keras.keras3.parity import RebuildParity, policy_notes
from edgecv.formats.trust import NO_TRUST, Trust

ZIP, HDF5 = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"


class KerasFile(Importer):
    """Model files of Keras: .keras and .h5 of Keras 2, Keras 3 and tf-keras."""

    name: ClassVar[str] = "keras"
    suffixes: ClassVar[tuple[str, ...]] = (".keras", ".h5", ".hdf5")

    @classmethod
    def reads(cls, path: Path) -> bool:
        """Return True for a zip or HDF5 file, by its first bytes."""
        return path.is_file() and _magic(path).startswith((ZIP, HDF5))

    def load(self, path: Path, trust: Trust = NO_TRUST) -> KerasModel:
        """Check the file's configuration, then build the model."""
        return load(path, trust)

    def load_with_notes(
        self, path: Path, trust: Trust = NO_TRUST
    ) -> tuple[KerasModel, tuple[str, ...]]:
        """Return the model, and notes on its difference from the original."""
        model, parity, policies = _loaded(path, trust)
        notes = () if parity is None else parity.sentences()
        return model, (*notes, *policy_notes(policies))

    def keeps_its_format(self, path: Path) -> bool:
        """Return True if the file can be kept as it is; a Keras 3 model is rebuilt instead."""
        is_zip = _magic(path).startswith(ZIP)
        if path.suffix != (".keras" if is_zip else ".h5"):
            return False
        version = _version(path) if is_zip else hdf5_version(path)
        return not version.startswith("3.") and not has_wrappers(path)


def load(path: Path, trust: Trust = NO_TRUST) -> KerasModel:
    """Return the tf-keras model in a file. Raises InputError if it is not one, or not safe."""
    return load_with_parity(path, trust)[0]


def load_with_parity(
    path: Path, trust: Trust = NO_TRUST
) -> tuple[KerasModel, RebuildParity | None]:
    """Return the model and, for a Keras 3 file, its parity with the original.

    Raises InputError if it is not a Keras model, or not safe.
    """
    model, parity, _ = _loaded(path, trust)
    return model, parity


def _loaded(path: Path, trust: Trust) -> tuple[KerasModel, RebuildParity | None, tuple[str, ...]]:
    """Return a model, its parity, and the precisions that became float32 in a Keras 2 file."""
    magic = _magic(path)
    if magic.startswith(HDF5):
        # Some names have another meaning in Keras 3: hard_sigmoid, for one.
        if hdf5_version(path).startswith("3."):
            return *load_hdf5_with_parity(path, read_hdf5_configuration(path), trust), ()
        model, policies = load_hdf5(path, trust)
        return model, None, policies
    if not magic.startswith(ZIP):
        raise InputError(str(path), "is not a Keras file", accepted=".keras and .h5")
    version = _version(path)
    if version.startswith("3."):
        return *load_keras3(path, trust), ()
    if not version.startswith("2."):
        raise InputError(
            str(path),
            f"was saved by Keras {version}",
            accepted="models of Keras 2, Keras 3 and tf-keras",
        )
    with tempfile.TemporaryDirectory(prefix="edgecv-keras2-") as name:
        folder = Path(name)
        archive = read_keras2_archive(path, folder)
        return load_archive(path, archive, folder, trust), None, archive.policies


def _magic(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read(8)
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}") from None


def _version(path: Path) -> str:
    try:
        version = keras_version(path)
    except DAMAGE as error:
        raise InputError(str(path), f"is a damaged Keras file: {error}") from None
    if version is None:
        raise InputError(str(path), "is a damaged Keras file: it begins as a zip and is none")
    return version
