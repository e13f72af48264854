"""The files of an image tree, in a folder or in a zip, under names relative to its top."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from edgecv.core.errors import InputError
from edgecv.core.files import check_regular, open_regular
from edgecv.core.text import listed, printable
from edgecv.datasets.image_tree.decoding import SUFFIXES, BadImage

LAYOUT = "a folder or .zip with train/<class>/ and test/<class>/, or test/<class>/ alone"
VALIDATION = ("val", "valid", "validation")
"""Names that people give the folder of the validation images."""
SPLITS = ("train", "test", *VALIDATION)
MAX_FILE_BYTES = 100_000_000
MAX_SMALL_BYTES = 1 << 30
"""Unpacked size that is allowed for an archive of any size."""
MAX_GROWTH = 100
"""Largest ratio of unpacked to packed size beyond that: images hardly compress, zip bombs do."""
NO_DATA = ({"pyvenv.cfg"}, {"report.json", "manifest.json"})
"""Files of a virtual environment, and of a run of edgecv: no images of a data set are in there."""
_IGNORED = {"__macosx", "thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class Listing:
    """The content of a tree: sorted names like ``train/cat/1.png`` with their sizes in bytes, and
    other names beside train/ and test/."""

    files: Mapping[str, int]
    folders: frozenset[str]
    beside: tuple[str, ...]


class Tree(Protocol):
    """A folder or an archive."""

    def fingerprint(self) -> str:
        """Return a hash that changes when the content does."""

    def listing(self) -> Listing:
        """Return the content. Raises InputError where an entry is unsafe."""

    def read(self, name: str) -> bytes:
        """Read one file. Raises BadImage where it cannot be read."""


def read_needed(tree: Tree, name: str, where: str) -> bytes:
    """Read a file that says what the others are. Raises InputError where it cannot be read."""
    try:
        return tree.read(name)
    except BadImage as error:
        raise InputError(where, f"{name} cannot be read: {error}") from None


def locate(text: str) -> Path:
    """Return the path that a user means, with ~ for their home."""
    return Path(os.path.expanduser(text))  # unlike Path.expanduser, it never raises


def is_ignored(part: str) -> bool:
    """Return True for hidden files and folders, and those that operating systems leave behind."""
    return part.startswith(".") or part.lower() in _IGNORED


def is_bomb(unpacked_bytes: int, path: Path) -> bool:
    """Return True if an archive unpacks to far more than image data of its size would."""
    return unpacked_bytes > max(MAX_SMALL_BYTES, MAX_GROWTH * path.stat().st_size)


def find_top(folders: Iterable[str], where: str, top_level: Iterable[str]) -> str:
    """Return the folder that contains train/ and test/: "" or "name/"."""
    tops = {folder.rpartition("/")[0] for folder in folders if _is_split(folder)}
    if "" in tops:
        return ""
    if len(tops) == 1:
        return tops.pop() + "/"
    if tops:
        raise InputError(
            where, f"more than one data set is in it: {listed(sorted(tops), 3)}", accepted=LAYOUT
        )
    there = listed(sorted(top_level), 5) or "nothing"
    raise InputError(where, f"neither train/ nor test/ is in it; there is {there}", accepted=LAYOUT)


def has_splits(path: Path) -> bool:
    """Return True if a folder holds a data set, without searching deeper levels."""
    return any(_is_split(folder) and not _is_class(path / folder) for folder in _two_levels(path))


def _is_class(folder: Path) -> bool:
    """Return True for a folder called valid with images right in it, maybe beside invalid."""
    if folder.name not in VALIDATION:
        return False
    entries = list(_entries(folder, f"--data {folder}"))
    has_images = any(entry.name.lower().endswith(SUFFIXES) for entry in entries)
    return has_images and not any(entry.is_dir() for entry in entries)


def _is_split(folder: str) -> bool:
    parts = folder.split("/")
    return len(parts) <= 2 and parts[-1] in SPLITS


class FolderTree:
    """An image tree in a folder. Links that leave it are refused.

    ``whole``: the tree is the whole folder, not only train/ and test/, but for runs of edgecv and
    virtual environments. ``file``: its images and this file alone, whatever else is beside them.
    """

    def __init__(self, path: Path, where: str, *, whole: bool = False, file: str = "") -> None:
        self.root = path.resolve()
        self.where = where
        self.whole = whole
        self.file = file

    def fingerprint(self) -> str:
        """Return a hash of names, sizes and times: reading all files takes as long as decoding."""
        digest = hashlib.sha256(os.fsencode(self.root))
        for name, status in sorted(self._walked[0].items()):
            # ctime too, because unpacked files often share one mtime, and bitmaps one size
            facts = f"\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ctime_ns}\n"
            digest.update(os.fsencode(name) + facts.encode())
        folders = () if self.file else sorted(self._walked[1])
        for name in (*folders, "", *self.listing().beside):
            digest.update(os.fsencode(name) + b"/\n")
        return digest.hexdigest()

    def listing(self) -> Listing:
        """Return the content without reading an image."""
        files, folders = self._walked
        beside = sorted(
            entry.name
            for entry in (self.root / self._top).iterdir()
            if not self.whole
            and entry.is_dir()
            and entry.name not in SPLITS
            and not is_ignored(entry.name)
        )
        sizes = {name: files[name].st_size for name in sorted(files)}
        return Listing(sizes, frozenset(folders), tuple(beside))

    def read(self, name: str) -> bytes:
        """Return the bytes of one file."""
        try:
            with open_regular(self.root / self._top / name) as file:
                return bounded(file.read(MAX_FILE_BYTES + 1))
        except InputError as error:
            raise BadImage(error.found) from None
        except OSError as error:
            raise BadImage(error.strerror or type(error).__name__) from None

    @cached_property
    def _top(self) -> str:
        if self.whole:
            return ""
        return find_top(
            _two_levels(self.root), self.where, (entry.name for entry in self.root.iterdir())
        )

    @cached_property
    def _walked(self) -> tuple[dict[str, os.stat_result], set[str]]:
        files: dict[str, os.stat_result] = {}
        folders: set[str] = set()
        top = self.root / self._top
        starts = ("",) if self.whole else SPLITS
        waiting = [name for name in starts if os.path.lexists(top / name)]
        for name in waiting:
            self._check_link(top / name, name)
        while waiting:
            folder = waiting.pop()
            entries = list(_entries(top / folder, self.where))
            if self.whole and folder and _is_no_data(entries):
                continue
            folders.add(folder)
            for entry in entries:
                name = f"{folder}/{entry.name}" if folder else entry.name
                if not self._is_read(entry, name):
                    continue
                if entry.is_symlink():
                    self._check_link(Path(entry.path), name)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(name)
                elif entry.is_file(follow_symlinks=False) or os.path.isfile(entry.path):
                    files[name] = entry.stat()
                else:
                    check_regular(Path(entry.path), self.where)
                    raise InputError(
                        self.where, f"{printable(name)} is neither a file nor a folder"
                    )
        return files, folders

    def _is_read(self, entry: os.DirEntry[str], name: str) -> bool:
        is_asked = not self.file or name == self.file or name.lower().endswith(SUFFIXES)
        return is_asked or entry.is_dir()

    def _check_link(self, path: Path, name: str) -> None:
        if not path.is_symlink():
            return
        target = Path(os.path.realpath(path))  # unlike resolve(), it survives a loop of links
        if not target.is_relative_to(self.root) or target.is_dir():
            kind = "a folder" if target.is_dir() else "a file outside of it"
            raise InputError(
                self.where,
                f"{printable(name)} is a link to {kind}",
                accepted="files and folders, and links to files of the same data set",
                remedy="put the files themselves there",
            )


def _entries(folder: Path, where: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if not is_ignored(entry.name))
    except OSError as error:
        raise InputError(where, f"{folder} cannot be listed: {error.strerror}") from None


def _is_no_data(entries: list[os.DirEntry[str]]) -> bool:
    names = {entry.name for entry in entries}
    return any(each <= names for each in NO_DATA)


def _two_levels(path: Path) -> list[str]:
    """List two levels of folders: quick even for a large tree."""
    found = []
    for entry in _entries(path, f"--data {path}"):
        if entry.is_dir():
            found.append(entry.name)
            for split in SPLITS:
                # Not Path.is_dir, which raises where the folder may not be entered (lost+found).
                if os.path.isdir(path / entry.name / split):
                    found.append(f"{entry.name}/{split}")
    return found


def bounded(data: bytes) -> bytes:
    """Return ``data``, of which up to MAX_FILE_BYTES + 1 were read. Raises BadImage."""
    if len(data) > MAX_FILE_BYTES:
        raise BadImage("the file is larger than 100 MB")
    return data
