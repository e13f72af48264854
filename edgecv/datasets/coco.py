"""COCO data sets."""

import re
from collections import defaultdict
from pathlib import Path
from typing import ClassVar

from edgecv.core.errors import InputError
from edgecv.core.plugins import Progress
from edgecv.core.text import listed
from edgecv.datasets.annotations.annotated import Annotations, ImageNames
from edgecv.datasets.annotations.coco import KEYS, annotations_of_coco, parse_coco
from edgecv.datasets.annotations.folder_contents import (
    FolderContents,
    ends_of,
    files_below,
    has_class_folders,
)
from edgecv.datasets.annotations.source import AnnotatedSource
from edgecv.datasets.image_tree.decoding import SUFFIXES
from edgecv.datasets.image_tree.folder_tree import Tree, read_needed

_SPLIT_WORD = re.compile(r"[_ .-]?(train|val|valid|validation|test)(ing)?\d{0,4}(?![a-z])")


class Coco(AnnotatedSource):
    """A COCO .json, or a folder with some: boxes, masks of polygons or run lengths, keypoints.

    Files or folders called train, val and test are the splits. Objects are ``boxes``; where all
    have a segmentation, also ``mask``; where images have the keypoints of one object,
    ``keypoints``. Of ``instances_*`` and others, ``instances_*`` are read: give a file for others.
    """

    name: ClassVar[str] = "coco"

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Return True for a .json with COCO's keys too."""
        is_json = path.suffix.lower() == ".json" and path.is_file()
        return _has_keys(ends_of(path)) if is_json else super().accepts(path)

    @classmethod
    def is_in(cls, files: FolderContents) -> bool:
        """Return True where there is a .json with COCO's keys."""
        names = (name for name in files.names if name.lower().endswith(".json"))
        found = any(_has_keys(files.ends(name)) for name in names)
        return found and not has_class_folders(files.names)

    def root(self, path: Path) -> Path:
        """Return the folder above annotations/, where the images are not beside the file."""
        beside = any(name.lower().endswith(SUFFIXES) for name in files_below(path.parent))
        return path.parent if beside else path.absolute().parent.parent

    def read(self, tree: Tree, file: str, where: str, progress: Progress) -> Annotations:
        """Read one file, or all files of a folder that are of one group."""
        files = tree.listing().files
        groups: dict[str, list[str]] = defaultdict(list)
        contents = {}
        for name in [file] if file else [each for each in files if each.lower().endswith(".json")]:
            content = read_needed(tree, name, where)
            if file or all(key in content for key in KEYS):
                contents[name] = content
                groups[_SPLIT_WORD.sub("", name.rpartition("/")[2].lower())].append(name)
        wanted = next(
            (each for each in groups if each.startswith("instances")), next(iter(groups), "")
        )
        if not groups:
            raise InputError(
                where,
                "no .json has images, annotations and categories",
                accepted="files of COCO",
                remedy="--data FILE says what is wrong with one",
            )
        if len(groups) > 1 and not wanted.startswith("instances"):
            raise InputError(
                where,
                f"there are several groups of COCO files: {listed(sorted(groups), 5)}",
                accepted="one, or one that begins with instances",
                remedy="give a file: --data annotations/other_train.json",
            )
        found = [parse_coco(contents[name], name, where) for name in groups[wanted]]
        unread = [name for group, names in groups.items() if group != wanted for name in names]
        annotations = annotations_of_coco(found, ImageNames(files), where)
        return annotations.with_note(f"not read: {listed(unread)}" if unread else "")


def _has_keys(ends: bytes) -> bool:
    """Return True if a file has COCO's keys at its beginning or end."""
    return sum(key in ends for key in KEYS) >= 2
