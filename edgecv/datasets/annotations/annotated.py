"""Images with their targets as annotation files give them, before an image is read."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from edgecv.datasets.image_tree.decoding import SUFFIXES

Size = tuple[int, int]
"""Width and height of an image."""
MakeMask = Callable[[Size], NDArray[Any]]
"""Makes the mask of an image of a width and height: uint8 (h, w). May raise BadImage."""
_SPLIT = re.compile(r"(train|val|valid|validation|test)(?:ing)?(?:19|20)?\d{0,2}")


@dataclass(frozen=True)
class AnnotatedImage:
    """An image file and its targets, in pixels of the file."""

    file: str
    """Its name in the tree, or as annotations have it where there is no such file."""
    split: str
    """train, validation or test; empty where nothing says it."""
    targets: Mapping[str, Any] = field(default_factory=dict)
    """``class``: int; ``classes``, ``numbers``: tuple; ``boxes``: float32 (M, 5); ``keypoints``:
    float32 (K, 3); ``mask``: ``MakeMask``."""
    size: Size | None = None
    """Size of the image that the annotations were made on, where they say it."""
    is_relative: bool = False
    """True if boxes and keypoints are fractions of the image's sides."""
    bad: str = ""
    """The reason why the image cannot be used."""


@dataclass(frozen=True)
class Annotations:
    """All images of a data set with targets of the same kinds."""

    images: list[AnnotatedImage]
    class_names: tuple[str, ...] = ()
    target_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    has_lists: bool = False
    """True if lists choose some of the images: then others beside them are not missing here."""

    def with_note(self, note: str) -> "Annotations":
        """Return them with one more note, where there is one."""
        return replace(self, notes=(*self.notes, note)) if note else self


def split_of(name: str) -> str:
    """Return the split that a folder of a file's path names, the last one that does; or nothing.

    >>> split_of("images/train2017/1.jpg"), split_of("valid/labels/2.txt"), split_of("test_3.jpg")
    ('train', 'validation', '')
    """
    return _last_split(name.split("/")[:-1])


def split_of_annotations(name: str) -> str:
    """Return the split that the name of a file of annotations says, or that of its folders.

    >>> split_of_annotations("annotations/instances_val2017.json"), split_of_annotations("a.csv")
    ('validation', '')
    """
    return _last_split(re.split(r"[._ -]", name.rpartition("/")[2])) or split_of(name)


def _last_split(parts: list[str]) -> str:
    for part in reversed(parts):
        if found := _SPLIT.fullmatch(part.lower()):
            return "validation" if found[1].startswith("val") else found[1]
    return ""


class ImageNames:
    """The image files of a tree, found by the names that annotations have for them."""

    def __init__(self, files: Iterable[str]) -> None:
        self.files = sorted(name for name in files if name.lower().endswith(SUFFIXES))
        self._places: dict[str, list[str]] = {}
        for name in self.files:
            last = name.rpartition("/")[2].lower()
            for key in (last, last.rpartition(".")[0]):
                self._places.setdefault(key, []).append(name)

    def find(self, text: str, near: str = "", split: str = "") -> str | None:
        """Return the file that a name, a path of any system or a name without ending means.

        Of several, the one with the most folders of the path; then one in the folder ``near``, then
        one in the folder of a split. None where there is none or no single one.
        """
        parts = [part for part in re.split(r"[/\\]", text.strip().lower()) if part not in ("", ".")]
        found = self._places.get(parts[-1], []) if parts and ".." not in parts else []
        if len(found) > 1:
            ranks = [
                (_common(name, parts), name.startswith(f"{near}/"), split_of(name) == split)
                for name in found
            ]
            found = [name for name, rank in zip(found, ranks, strict=True) if rank == max(ranks)]
        return found[0] if len(found) == 1 else None


def _common(name: str, parts: list[str]) -> int:
    """Return the number of the last parts of a path that a file's name has too."""
    own = name.lower().split("/")[-2::-1]
    pairs = list(zip(own, parts[-2::-1], strict=False))
    return next((place for place, (one, two) in enumerate(pairs) if one != two), len(pairs))
