"""Images with targets in a CSV file."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from edgecv.core.errors import InputError
from edgecv.core.plugins import Progress
from edgecv.core.text import listed
from edgecv.datasets.annotations.annotated import Annotations, ImageNames
from edgecv.datasets.annotations.columns import FILES, annotations_of
from edgecv.datasets.annotations.folder_contents import (
    FolderContents,
    has_class_folders,
    holds_classes,
)
from edgecv.datasets.annotations.mask_files import NAME_FILES
from edgecv.datasets.annotations.source import AnnotatedSource
from edgecv.datasets.annotations.tables import read_table
from edgecv.datasets.image_tree.decoding import SUFFIXES
from edgecv.datasets.image_tree.folder_tree import Tree, read_needed

ENDINGS = (".csv", ".tsv")
MOST_LINES = 10
"""Lines of a table in which names of images are searched for."""


class CsvTable(AnnotatedSource):
    """A .csv of image files and their targets: classes, numbers, keypoints or boxes.

    Numeric columns are numbers, one column of text the class, several of 0 and 1 the classes that
    an image has, NAME_x with NAME_y a keypoint, and xmin, ymin, xmax, ymax a box a row. A column
    ``split``, or files train.csv, val.csv and test.csv, give the splits.
    """

    name: ClassVar[str] = "csv"

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Return True for a .csv too."""
        is_table = path.suffix.lower() in ENDINGS and path.is_file()
        return is_table or super().accepts(path)

    @classmethod
    def is_in(cls, files: FolderContents) -> bool:
        """Return True for a .csv, and images that are in no class folders."""
        if has_class_folders(files.names) or holds_classes(files.names):
            return False
        pictures = (name for name in files.names if name.lower().endswith(SUFFIXES))
        folders = {name.rpartition("/")[0] for name in pictures}
        return any(_names_images(files, name, folders) for name in _tables(files.names))

    def read(self, tree: Tree, file: str, where: str, progress: Progress) -> Annotations:
        """Read the rows of one file, or of all files at the top of the folder."""
        files = tree.listing().files
        names = [file] if file else _tables(files)
        if not names:
            raise InputError(
                where,
                "no .csv or .tsv is at the top of the folder",
                accepted="a table of image files and their targets",
                remedy="--data FILE reads another one",
            )
        found = [read_table(read_needed(tree, name, where), name, where) for name in names]
        columns = max((each.columns for each in found), key=len)
        used = [each for each in found if each.columns == columns]
        others = [each.name for each in found if each.columns != columns]
        annotations = annotations_of(used, ImageNames(files), where)
        note = f"not read, because of other columns: {listed(others)}" if others else ""
        return annotations.with_note(note)


def _names_images(files: FolderContents, table: str, folders: set[str]) -> bool:
    """Return True if a row of a table names an image file in one of some folders."""
    lines = files.ends(table).decode("utf-8", "replace").splitlines()[:MOST_LINES]
    if len(lines) < 2:
        return False
    header, *cells = (
        {part.strip(' "\ufeff').lower() for part in re.split(r"[,;\t/\\]", each)} for each in lines
    )
    has_name = bool(header & FILES)  # Only then "3" is 3.jpg, and no number.
    found = set().union(*cells)
    pictures = (
        name.lower()
        for folder in folders
        for name in files.beside(folder)
        if name.lower().endswith(SUFFIXES)
    )
    if has_name:
        found |= {f"{cell}{ending}" for cell in found for ending in SUFFIXES}
    return not found.isdisjoint(pictures)


def _tables(files: Iterable[str]) -> list[str]:
    return [
        name
        for name in files
        if "/" not in name and name.lower().endswith(ENDINGS) and name.lower() not in NAME_FILES
    ]
