"""Pascal VOC data sets."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edgecv.core.plugins import Progress
from edgecv.core.text import printable
from edgecv.datasets.annotations.annotated import AnnotatedImage, Annotations, ImageNames, split_of
from edgecv.datasets.annotations.folder_contents import FolderContents, has_class_folders
from edgecv.datasets.annotations.source import AnnotatedSource
from edgecv.datasets.annotations.voc import VocFile, parse_voc
from edgecv.datasets.image_tree.decoding import BadImage
from edgecv.datasets.image_tree.folder_tree import Tree, read_needed

MOST_TRIED = 20
LISTS = ("train", "val", "test", "trainval")
"""Lists of images below ImageSets/Main."""


class PascalVoc(AnnotatedSource):
    """Pascal VOC folders: an .xml of boxes an image, in Annotations/ or beside the images.

    Splits are the lists in ImageSets/Main, or folders called train, val and test. Edges count from
    1, as VOC's do, unless one of them is 0.
    """

    name: ClassVar[str] = "voc"

    @classmethod
    def is_in(cls, files: FolderContents) -> bool:
        """Return True where there are .xml files of annotations."""
        names = list(filter(is_xml, files.names))[:MOST_TRIED]
        found = any(_is_annotation(files.ends(name)) for name in names)
        return found and not has_class_folders(files.names)

    def read(self, tree: Tree, file: str, where: str, progress: Progress) -> Annotations:
        """Read all .xml files."""
        files = tree.listing().files
        names = ImageNames(files)
        lists = _lists(tree, files, where)
        found: list[tuple[str, str, VocFile | None, str]] = []
        for name in filter(is_xml, files):
            folder, stem = name.rpartition("/")[0], PurePosixPath(name).stem
            split = lists.get(stem.lower(), "") if lists else split_of(name)
            if lists and not split:
                continue
            parsed, bad = None, ""
            try:
                parsed = parse_voc(tree.read(name))
            except BadImage as error:
                bad = f"{name}: {error}"
            image = names.find(stem, folder, split)
            if image is None and parsed is not None:
                image = names.find(parsed.file, folder, split)
            if image is None:
                bad = bad or f"{name} is of no image"
            found.append((image or name, split or split_of(image or ""), parsed, bad))
        good = [parsed for _, _, parsed, _ in found if parsed is not None]
        first = 0 if any((each.edges[:, :2] < 1).any() for each in good) else 1
        classes = sorted({name for each in good for name in each.classes})
        numbers = {name: number for number, name in enumerate(classes)}
        images = [
            AnnotatedImage(
                name,
                split,
                {} if parsed is None else {"boxes": _boxes(parsed, numbers, first)},
                None if parsed is None else parsed.size,
                bad=bad,
            )
            for name, split, parsed, bad in found
        ]
        there = {
            name.rpartition("/")[2].rpartition(".")[0].lower() for name in files if is_xml(name)
        }
        images += [
            AnnotatedImage(stem, split, bad="a list names it, and it has no .xml")
            for stem, split in lists.items()
            if stem not in there
        ]
        return Annotations(images, tuple(map(printable, classes)), has_lists=bool(lists))


def is_xml(name: str) -> bool:
    """Return True for the name of an XML file."""
    return name.lower().endswith(".xml")


def _boxes(parsed: VocFile, numbers: Mapping[str, int], first: int) -> NDArray[np.float32]:
    kinds = np.array([numbers[name] for name in parsed.classes], np.float32).reshape(-1, 1)
    return np.concatenate(
        [kinds, parsed.edges - np.array([first, first, 0, 0], np.float32)], axis=1
    )


def _is_annotation(content: bytes) -> bool:
    try:
        parse_voc(content)
    except BadImage:
        return False
    return True


def _lists(tree: Tree, files: Mapping[str, int], where: str) -> dict[str, str]:
    """Return the split of each image that a list in ImageSets/Main names, by its name."""
    found: dict[str, str] = {}
    for key in LISTS:
        names = [
            each for each in files if f"/{each.lower()}".endswith(f"/imagesets/main/{key}.txt")
        ]
        for name in names[:1]:
            lines = read_needed(tree, name, where).decode("utf-8-sig", "replace").splitlines()
            split = {"val": "validation", "trainval": "train"}.get(key, key)
            for line in lines:
                if line.strip():
                    found.setdefault(line.split()[0].lower(), split)
    return found
