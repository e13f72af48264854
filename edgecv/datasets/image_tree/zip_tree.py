"""An image tree in a zip, read member by member without extracting it."""

import re
import stat
import zipfile
from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from edgecv.core.errors import InputError
from edgecv.core.files import check_regular, file_sha256
from edgecv.core.text import bytes_text, printable
from edgecv.datasets.image_tree.decoding import BadImage
from edgecv.datasets.image_tree.folder_tree import (
    MAX_FILE_BYTES,
    SPLITS,
    Listing,
    bounded,
    find_top,
    is_bomb,
    is_ignored,
)

_COMPRESSIONS = (
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
    zipfile.ZIP_BZIP2,
    zipfile.ZIP_LZMA,
)
_ABSOLUTE = re.compile(r"/|[A-Za-z]:")


def is_zip(path: Path) -> bool:
    """Return True for a file that ends in .zip."""
    return path.suffix.lower() == ".zip" and path.is_file()


def state_of(path: Path) -> tuple[int, ...]:
    """Return what tells a file from another one that takes its path."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


class ZipTree:
    """An image tree in a zip.

    ``whole``: the tree is the whole zip, not only train/ and test/, or all of its only folder.
    """

    def __init__(self, path: Path, where: str, *, whole: bool = False) -> None:
        self.path = path
        self.where = where
        self.whole = whole

    def fingerprint(self) -> str:
        """Return a hash of the whole file."""
        try:
            return file_sha256(self.path, self.where)
        except OSError as error:
            raise _not_read(self.where, error) from None

    def listing(self) -> Listing:
        """Return the content without reading an image."""
        members, folders = self._members
        top = self._top
        beside = {
            folder.removeprefix(top).partition("/")[0]
            for folder in folders
            if not self.whole and folder.startswith(top)
        }
        return Listing(
            {
                name.removeprefix(top): members[name].file_size
                for name in sorted(members)
                if self.whole or _is_below(name, top)
            },
            frozenset(
                name.removeprefix(top) for name in folders if self.whole or _is_below(name, top)
            ),
            tuple(sorted(beside - {"", *SPLITS, top.rstrip("/")})),
        )

    def read(self, name: str) -> bytes:
        """Return the bytes of one file."""
        try:
            with self._zip.open(self._members[0][self._top + name]) as member:
                return bounded(member.read(MAX_FILE_BYTES + 1))
        except BadImage:
            raise
        except Exception as error:  # noqa: BLE001 - zlib, lzma, struct: all come through
            raise BadImage(f"damaged in the zip: {error}") from None

    @property
    def _zip(self) -> zipfile.ZipFile:
        return self._opened.zip

    @property
    def _members(self) -> tuple[Mapping[str, zipfile.ZipInfo], Set[str]]:
        """All files and all folders, by their names in the zip."""
        return self._opened.files, self._opened.folders

    @cached_property
    def _opened(self) -> "OpenedZip":
        check_regular(self.path, self.where)
        try:
            return _opened_zip(self.path.absolute(), state_of(self.path))
        except UnfitZip as error:
            raise error.at(self.where) from None
        except OSError as error:
            raise _not_read(self.where, error) from None

    @cached_property
    def _top(self) -> str:
        members, folders = self._members
        there = {name.partition("/")[0] for name in (*members, *folders)}
        if self.whole:
            is_one_folder = len(there) == 1 and there <= folders and not there & set(SPLITS)
            return f"{there.pop()}/" if is_one_folder else ""
        return find_top(folders, self.where, there)


@dataclass(frozen=True)
class OpenedZip:
    """A zip that is open, with all its files and folders by their names in it."""

    zip: zipfile.ZipFile
    files: Mapping[str, zipfile.ZipInfo]
    folders: Set[str]


class UnfitZip(Exception):
    """A zip that is damaged, or whose members are not those of a data set."""

    def __init__(self, found: str, remedy: str, accepted: str = "") -> None:
        super().__init__(found)
        self._found, self._accepted, self._remedy = found, accepted, remedy

    def at(self, where: str) -> InputError:
        """Return the error for those who named the zip ``where``."""
        return InputError(where, self._found, accepted=self._accepted, remedy=self._remedy)


@lru_cache(maxsize=1)  # Kinds of data sets are tried in turn, and each look at one opens it.
def _opened_zip(path: Path, state: tuple[int, ...]) -> OpenedZip:
    """Open a zip and check its members. Raises UnfitZip. ``state``: see ``state_of``."""
    try:
        opened = zipfile.ZipFile(path)
    except Exception as error:  # noqa: BLE001 - zipfile raises anything on damage
        raise UnfitZip(
            f"it is not a zip, or a damaged one ({error})", remedy="copy or make it again"
        ) from None
    files: dict[str, zipfile.ZipInfo] = {}
    folders: set[str] = set()
    for info in opened.infolist():
        parts = _checked_parts(info)
        if any(is_ignored(part) for part in parts):
            continue
        for depth in range(1, len(parts)):
            folders.add("/".join(parts[:depth]))
        name = "/".join(parts)
        if info.is_dir():
            folders.add(name)
        elif name in files:
            raise _refusal(info, "occurs twice", "names that occur once")
        else:
            files[name] = info
    unpacked = sum(info.file_size for info in files.values())
    if is_bomb(unpacked, path):
        raise UnfitZip(
            f"it would unpack to {bytes_text(unpacked)}, far more than pictures of its size",
            remedy="give a folder if it is what it should be",
        )
    return OpenedZip(opened, files, folders)


def _checked_parts(info: zipfile.ZipInfo) -> list[str]:
    name = info.filename.replace("\\", "/")  # some Windows programs write these
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts and not name.startswith("."):
        raise _refusal(info, "is the name of nothing", "files and folders with a name")
    if _ABSOLUTE.match(name) or ".." in parts:
        raise _refusal(info, "points outside of the zip", "relative names without ..")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise _refusal(info, "is a link", "files and folders")
    if info.flag_bits & 1:
        raise _refusal(info, "is encrypted", "zips without a password")
    if info.compress_type not in _COMPRESSIONS:
        raise _refusal(info, f"is compressed with method {info.compress_type}", "store or deflate")
    if info.file_size > MAX_FILE_BYTES:
        raise _refusal(info, f"has {info.file_size:,} bytes", "at most 100 MB a file")
    return parts


def _refusal(info: zipfile.ZipInfo, found: str, accepted: str) -> UnfitZip:
    return UnfitZip(f'"{printable(info.filename)}" {found}', "make the zip again", accepted)


def _not_read(where: str, error: OSError) -> InputError:
    return InputError(where, f"it cannot be read: {error.strerror}")


def _is_below(name: str, top: str) -> bool:
    return name.removeprefix(top).partition("/")[0] in SPLITS and name.startswith(top)
