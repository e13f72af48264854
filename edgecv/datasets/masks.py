"""Masks beside images."""

import re
from collections.abc import Iterable
from typing import ClassVar

from edgecv.core.errors import InputError
from edgecv.core.plugins import Progress
from edgecv.core.text import listed
from edgecv.datasets.annotations.annotated import AnnotatedImage, Annotations, Size, split_of
from edgecv.datasets.annotations.folder_contents import FolderContents
from edgecv.datasets.annotations.mask_files import SUFFIXES, MaskClasses, classes_of_masks
from edgecv.datasets.annotations.source import AnnotatedSource
from edgecv.datasets.image_tree.decoding import SUFFIXES as IMAGE_SUFFIXES
from edgecv.datasets.image_tree.folder_tree import Tree

IMAGES = {"images", "image", "imgs", "img", "jpegimages", "input", "inputs"}
MASKS = set("masks mask labels label annotations annots segmentationclass segmentation "
            "segmentations gt groundtruth ground_truth trimaps".split())  # fmt: skip
_ENDING = re.compile(r"[_-]?(mask|masks|label|labels|labelids|seg|segmentation|gt|l)$")


class MaskFolders(AnnotatedSource):
    """Images with masks: images/ and masks/ of PNG files that hold the class of each pixel.

    A pixel is the number of its class, 255 where it is of none, or the colour of its class. A file
    ``classes.txt`` names the classes, one a line; ``class_dict.csv`` gives names with colours.
    A mask has the name of its image, perhaps with ``_mask`` behind it. train, val and test may be
    folders above or below images/ and masks/.
    """

    name: ClassVar[str] = "masks"

    @classmethod
    def is_in(cls, files: FolderContents) -> bool:
        """Return True where there are images/ and masks/."""
        images, masks = _pictures(files.names)
        others = {
            name.rpartition("/")[0] for name in files.names if name.lower().endswith(IMAGE_SUFFIXES)
        }
        others -= {name.rpartition("/")[0] for name in (*images.values(), *masks.values())}
        # without matching names and other folders, it is masks with names that are to be mended
        return bool(images and masks and (images.keys() & masks.keys() or not others))

    def read(self, tree: Tree, file: str, where: str, progress: Progress) -> Annotations:
        """Find the mask of each image, and the classes of all masks."""
        images, masks = _pictures(tree.listing().files)
        if not images.keys() & masks.keys():
            raise InputError(
                where,
                "no mask has the name of an image:"
                f" {listed([*images.values()], 2) or 'no image'};"
                f" {listed([*masks.values()], 2) or 'no mask'}",
                accepted="images/a.jpg with masks/a.png or masks/a_mask.png",
            )
        if wrong := [name for name in masks.values() if not name.lower().endswith(SUFFIXES)]:
            raise InputError(
                where,
                f"{listed(wrong, 3)}: their pixels are not what was saved",
                accepted=f"masks that end in {' or '.join(SUFFIXES)}",
                remedy="save the masks again, from where they were drawn",
            )
        classes = classes_of_masks(tree, list(masks.values()), progress, where)
        found = [
            _annotated(name, masks.get(key), classes, tree) for key, name in images.items()
        ] + [
            AnnotatedImage(name, split_of(name), bad="it is the mask of no image")
            for key, name in masks.items()
            if key not in images
        ]
        notes = (classes.note,) if classes.note else ()
        return Annotations(found, classes.names, notes=notes)


def _annotated(image: str, mask: str | None, classes: MaskClasses, tree: Tree) -> AnnotatedImage:
    if mask is None:
        return AnnotatedImage(image, split_of(image), bad="it has no mask")

    def make(size: Size) -> object:
        return classes.read(tree.read(mask), size)

    return AnnotatedImage(image, split_of(image), {"mask": make})


def _pictures(files: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return images and masks by a key that is the same for an image and its mask."""
    images: dict[str, str] = {}
    masks: dict[str, str] = {}
    for name in files:
        *folders, last = name.lower().split("/")
        stem, dot, ending = last.rpartition(".")
        for place in reversed(range(len(folders))):
            above = "/".join(folders[:place] + folders[place + 1 :])
            if folders[place] in IMAGES and dot + ending in IMAGE_SUFFIXES:
                images[f"{above}/{stem}"] = name
                break
            if folders[place] in MASKS and dot + ending in IMAGE_SUFFIXES:
                masks[f"{above}/{stem}"] = name
                break
    plain: dict[str, str] = {}
    for key, name in masks.items():
        own = key if key in images else _ENDING.sub("", key)
        plain[key if own in plain else own] = name  # A second mask stays the mask of no image.
    return images, plain
