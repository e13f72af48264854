"""A quick look at the files of a folder, to know what kind of data it holds."""

import os
from collections.abc import Iterator
from pathlib import Path

from edgecv.datasets.image_tree.folder_tree import is_ignored

DEEPEST = 4
MOST_A_FOLDER = 200
MOST_FOLDERS = 500


def files_below(path: Path) -> Iterator[str]:
    """Yield the names of some files of a folder, as of a tree: at most 200 of each of 500 folders.

    Their names are in order, so that an image and its annotation are among them.
    """
    waiting = [""]
    for _ in range(MOST_FOLDERS):
        if not waiting:
            return
        folder = waiting.pop(0)
        try:
            names = sorted(os.listdir(path / folder))
        except OSError:
            continue
        count = 0
        for name in names:
            whole = f"{folder}/{name}" if folder else name
            if is_ignored(name):
                continue
            if os.path.isdir(path / whole) and not os.path.islink(path / whole):
                if whole.count("/") < DEEPEST:
                    waiting.append(whole)
            elif count < MOST_A_FOLDER:
                count += 1
                yield whole
