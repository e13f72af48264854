"""The place of a deployment on disk: a folder or a .zip that appears whole or not at all."""

import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgecv.core.errors import InputError
from edgecv.system.storage import MANIFEST, check_outside_runs, on_disk, refusal, seal
from edgecv.system.storage.atomic_files import existing

ZIP = ".zip"
REPORT, OF_RUNS = "report.json", "recipe.toml"
"""The report of a deployment and of a run, and a file that runs alone have."""


@dataclass(frozen=True)
class Place:
    """The path of a deployment; an earlier deployment there may be replaced with ``force``."""

    path: Path
    force: bool = False

    @property
    def name(self) -> str:
        """The name of the folder, or of the .zip without its suffix."""
        is_zip = self.path.suffix.lower() == ZIP
        return self.path.stem if is_zip else self.path.absolute().name

    def check(self) -> None:
        """Raise InputError in a run, and where something is there that may not be replaced."""
        check_outside_runs(self.path, "--out")
        if not self.path.exists() and not self.path.is_symlink():
            parent = existing(self.path.absolute().parent)
            if not parent.is_dir() or not os.access(parent, os.W_OK):
                raise InputError(str(self.path), f"{parent} takes no files", remedy="--out PATH")
            return
        if not self.force:
            raise InputError(
                str(self.path),
                "is there already",
                accepted="a new path",
                remedy="--out PATH, or --force to replace it",
            )
        if not _is_deployment(self.path):
            raise InputError(
                str(self.path),
                "is no deployment of edgecv, which --force could replace",
                remedy="remove it yourself, or give another --out",
            )

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Give an empty folder that is moved to the place at the end, and removed on an error."""
        with on_disk(self.path):
            parent = self.path.absolute().parent
            temporary = parent / f".{self.path.name}.{os.getpid()}.tmp"
            shutil.rmtree(temporary, ignore_errors=True)
            try:
                temporary.mkdir(parents=True)
            except OSError as error:
                raise refusal(self.path, error) from error
            try:
                yield temporary
                seal(temporary)
                self._move(temporary)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)

    def _move(self, temporary: Path) -> None:
        if self.path.suffix.lower() == ZIP:
            packed = temporary.with_suffix(ZIP)
            try:
                _pack(temporary, packed, self.path.stem)
                os.replace(packed, self.path)
            finally:
                packed.unlink(missing_ok=True)
            return
        old = temporary.with_suffix(".old")
        if self.path.exists():
            os.replace(self.path, old)
        os.replace(temporary, self.path)
        shutil.rmtree(old, ignore_errors=True)


def _is_deployment(path: Path) -> bool:
    """Return True for a folder or .zip that holds a deployment: a run has a recipe too."""
    names = set() if path.is_symlink() else _names_in(path)
    return names >= {MANIFEST, REPORT} and OF_RUNS not in names


def _names_in(path: Path) -> set[str]:
    """Return the names in a folder, or in the one folder of a .zip; none of anything else."""
    if path.is_dir():
        return {each.name for each in path.iterdir()}
    if path.suffix.lower() != ZIP or not zipfile.is_zipfile(path):
        return set()
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name.split("/") for name in archive.namelist()]
    except zipfile.BadZipFile:
        return set()
    is_one = len({each[0] for each in members}) == 1
    return {each[1] for each in members if len(each) > 1} if is_one else set()


def _pack(folder: Path, path: Path, name: str) -> None:
    """Write a folder as a zip with the same bytes each time: no dates, sorted names."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in sorted(folder.rglob("*")):
            if each.is_file():
                info = zipfile.ZipInfo(f"{name}/{each.relative_to(folder).as_posix()}")
                info.external_attr = 0o644 << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, each.read_bytes())
