"""A quick look at the files of a folder, to know what kind of data it holds."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from edgecv.datasets.image_tree.decoding import SUFFIXES
from edgecv.datasets.image_tree.folder_tree import SPLITS, is_ignored

DEEPEST = 4
MOST_OF_AN_ENDING = 200
MOST_FOLDERS = 100


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
        counts: Counter[str] = Counter()
        for entry in entries:
            name = f"{folder}/{entry.name}" if folder else entry.name
            ending = entry.name.rpartition(".")[2].lower()
            if is_ignored(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                if name.count("/") < DEEPEST:
                    waiting.append(name)
            elif counts[ending] < MOST_OF_AN_ENDING:
                counts[ending] += 1
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
