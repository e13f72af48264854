"""A quick look at the files of a folder or a zip, to know what kind of data it holds."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from edgecv.core.errors import InputError
from edgecv.core.files import open_regular
from edgecv.datasets.image_tree.decoding import SUFFIXES, BadImage
from edgecv.datasets.image_tree.folder_tree import SPLITS, is_ignored
from edgecv.datasets.image_tree.zip_tree import ZipTree, is_zip, state_of

DEEPEST = 4
MOST_OF_AN_ENDING = 200
MOST_FOLDERS = 100
END_BYTES = 65_536
"""Bytes of a file's beginning, and of its end, that are looked at."""


class FolderContents(Protocol):
    """Names of some of the files of a folder or a zip, and the ends of each file."""

    names: tuple[str, ...]

    def ends(self, name: str) -> bytes:
        """Return the first and the last 64 KB of a file, all of a short one; nothing of one that
        cannot be read."""

    def beside(self, folder: str) -> Iterable[str]:
        """Return the names of all that is in a folder, without the folder."""


class FolderGlimpse:
    """The files of a folder: see FolderContents."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.names = tuple(files_below(path))

    def ends(self, name: str) -> bytes:
        """Return the first and the last 64 KB of a file."""
        return ends_of(self._path / name)

    def beside(self, folder: str) -> Iterable[str]:
        """Return the names in a folder."""
        return os.listdir(self._path / folder)


class ZipGlimpse:
    """The files of a zip: see FolderContents."""

    def __init__(self, path: Path) -> None:
        self._tree = ZipTree(path, str(path), whole=True)
        self._files = self._tree.listing().files
        self.names = tuple(_few_of_each(self._files))

    def ends(self, name: str) -> bytes:
        """Return the first and the last 64 KB of a file."""
        try:
            content = self._tree.read(name)
        except BadImage:
            return b""
        return content[:END_BYTES] + content[END_BYTES:][-END_BYTES:]

    def beside(self, folder: str) -> Iterable[str]:
        """Return the names in a folder."""
        parts = (name.rpartition("/") for name in self._files)
        return (last for above, _, last in parts if above == folder)


def folder_contents_of(path: Path) -> FolderContents | None:
    """Return a look at a folder or a .zip; None for another file, or a zip that is damaged."""
    if path.is_dir():
        return FolderGlimpse(path)
    if not is_zip(path):
        return None
    return _contents_of_zip(path, state_of(path))


@lru_cache(maxsize=1)  # Each source is asked about the same zip.
def _contents_of_zip(path: Path, state: tuple[int, ...]) -> FolderContents | None:
    try:
        return ZipGlimpse(path)
    except InputError:
        return None


def ends_of(path: Path) -> bytes:
    """Return the first and the last 64 KB of a file; nothing where it cannot be read."""
    try:
        with open_regular(path) as file:
            head = file.read(END_BYTES)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(len(head), size - END_BYTES))
            return head + file.read(END_BYTES)
    except (OSError, InputError):
        return b""


def files_below(path: Path) -> Iterator[str]:
    """Yield the names of some files of a folder, as of a tree: 200 of each ending in each folder.

    Names are in order, so that an image and its annotation are among them.
    """
    waiting = [""]
    for _ in range(MOST_FOLDERS):
        if not waiting:
            return
        folder = waiting.pop(0)
        try:
            entries = sorted(os.scandir(path / folder), key=lambda entry: entry.name)
        except OSError:
            continue
        files = []
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if is_ignored(entry.name):
                continue
            if not entry.is_dir(follow_symlinks=False):
                files.append(name)
            elif name.count("/") < DEEPEST:
                waiting.append(name)
        yield from _few_of_each(files)


def _few_of_each(files: Iterable[str]) -> Iterator[str]:
    """Yield up to 200 names of each ending in each folder."""
    counts: Counter[tuple[str, str]] = Counter()
    for name in files:
        kind = name.rpartition("/")[0], name.rpartition(".")[2].lower()
        counts[kind] += 1
        if counts[kind] <= MOST_OF_AN_ENDING:
            yield name


def has_class_folders(files: Iterable[str]) -> bool:
    """Return True if train/ or test/ holds folders of images: they are classes, whatever is beside.

    >>> has_class_folders(["train/cat/1.png", "train/dog/2.png", "labels.csv"])
    True
    >>> has_class_folders(["train/images/1.png", "train/labels/1.txt"])
    False
    """
    found: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for name in files:
        if name.lower().endswith(SUFFIXES):
            *above, folder, _ = ("", "", *name.split("/"))
            if above[-1] in SPLITS:
                found[tuple(above)].add(folder)
    return any(len(folders) > 1 for folders in found.values())


def holds_classes(files: Iterable[str]) -> bool:
    """Return True for two or more folders with images right in them, and no image beside them.

    >>> holds_classes(["cat/1.png", "dog/2.png", "labels.txt"])
    True
    >>> holds_classes(["images/1.png", "annotations/1.xml"])
    False
    """
    folders: dict[str, bool] = {}
    for name in files:
        folder, *below = name.split("/")
        is_picture = name.lower().endswith(SUFFIXES)
        if below:
            folders[folder] = folders.get(folder, False) or (is_picture and len(below) == 1)
        elif is_picture:
            return False
    return len(folders) > 1 and all(folders.values())
