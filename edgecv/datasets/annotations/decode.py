"""Decoding of annotated images: their targets are checked and move with their pixels."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Targets
from edgecv.core.errors import InputError
from edgecv.core.targets import NO_BOX, together
from edgecv.core.text import listed
from edgecv.datasets.annotations.annotated import AnnotatedImage, Annotations, Size, split_of
from edgecv.datasets.array_targets import MOST_BOXES
from edgecv.datasets.decoded import Decoded
from edgecv.datasets.image_tree.decode_files import decode_files
from edgecv.datasets.image_tree.decoding import SUFFIXES, BadImage
from edgecv.datasets.image_tree.files import Decoding
from edgecv.datasets.image_tree.folder_tree import Tree
from edgecv.datasets.placement import Placement, box_fault, inside
from edgecv.datasets.workspace import Workspace

SPLIT_ORDER = ("", "train", "validation", "test")


def decode_annotated(found: Annotations, tree: Tree, how: Decoding, work: Workspace) -> Decoded:
    """Decode all images and place their targets on them. Raises InputError."""
    files = tree.listing().files
    unnamed = [] if found.has_lists else _unnamed(found.images, files)
    images = _with_splits([*found.images, *unnamed])
    if not found.images:
        raise InputError(how.where, "its annotations name no image", accepted="images with targets")
    if all(each.bad for each in images):
        reasons = [f"{each.file} ({each.bad})" for each in images]
        raise InputError(how.where, f"no image can be used: {listed(reasons, 3)}")
    targets = _Placing(images, files, how)
    names = [each.file for each in images]
    sizes = [files.get(name, 0) for name in names]
    pixels = decode_files(tree, names, sizes, how, work, targets)
    is_test, is_chosen = (
        np.array([each.split == split for each in images]) for split in ("test", "validation")
    )
    if is_test.any() and not pixels.good[is_test].any():
        raise InputError(how.where, "no test image can be used", remedy="mend the test images")
    decoded = pixels.decoded(
        found.class_names,
        targets.labels(),
        is_test,
        notes=(*found.notes, *_split_notes(found.images)),
        chosen_images=int((pixels.good & is_chosen).sum()),
        target_names=found.target_names,
    )
    return replace(decoded, notes=(*decoded.notes, *targets.notes()))


def _unnamed(images: list[AnnotatedImage], files: Mapping[str, int]) -> list[AnnotatedImage]:
    """Return the images of the same folders that no annotation names."""
    named = {each.file for each in images}
    folders = {each.file.rpartition("/")[0] for each in images if not each.bad}
    return [
        AnnotatedImage(name, split_of(name), bad="no annotation names it")
        for name in files
        if name.lower().endswith(SUFFIXES)
        and name not in named
        and name.rpartition("/")[0] in folders
    ]


def _with_splits(images: list[AnnotatedImage]) -> list[AnnotatedImage]:
    """Return the images in the order of their splits; without test images, validation is test."""
    if not any(each.split == "test" for each in images):
        images = [
            replace(each, split="test") if each.split == "validation" else each for each in images
        ]
    return sorted(images, key=lambda each: (SPLIT_ORDER.index(each.split), each.file))


def _split_notes(images: list[AnnotatedImage]) -> list[str]:
    there = {each.split for each in images}
    if "validation" in there and "test" not in there:
        return ["the validation images were taken for the test split: there is no test split"]
    return []


class _Placing:
    """The targets of images, while each image is decoded."""

    def __init__(
        self, images: list[AnnotatedImage], files: Mapping[str, int], how: Decoding
    ) -> None:
        self.images = images
        self.files = files
        self.how = how
        self.cut = np.zeros(len(images), np.int64)
        first = next(each for each in images if not each.bad).targets
        self.fields = {kind: self._empty(kind, first[kind]) for kind in first}

    def _empty(self, kind: str, value: Any) -> Targets:
        count = len(self.images)
        if kind == "boxes":
            most = max(len(each.targets.get(kind, ())) for each in self.images)
            if most > MOST_BOXES:
                raise InputError(
                    self.how.where, f"an image has {most:,} boxes", accepted=f"{MOST_BOXES:,}"
                )
            boxes = np.zeros((count, max(1, most), 5), np.float32)
            boxes[:, :, 0] = NO_BOX
            return boxes
        if kind == "mask":
            return np.zeros((count, *self.how.shape[:2]), np.uint8)
        shape, kept = {
            "classes": (np.shape(value), np.uint8),
            "numbers": (np.shape(value), np.float32),
            "keypoints": (np.shape(value), np.float32),
        }.get(kind, ((), np.int64))  # The class of an image, in a column of any name.
        return np.zeros((count, *shape), kept)

    def check(self, row: int) -> None:
        """Raise BadImage for an image that is not there, or that its annotations make useless."""
        image = self.images[row]
        if image.bad or image.file not in self.files:  # A name may lead out of the folder.
            raise BadImage(image.bad or "there is no such file")

    def place(self, row: int, size: Size) -> None:
        """Keep the targets of one image. Raises BadImage."""
        image = self.images[row]
        if image.size is not None and image.size != size:
            made_on = f"{image.size[0]}x{image.size[1]}"
            raise BadImage(f"it is {size[0]}x{size[1]}, its annotations are of {made_on}")
        move = Placement.of(size, self.how.shape, self.how.resize)
        for kind, value in image.targets.items():
            if kind == "boxes":
                boxes = move.boxes(_checked_boxes(image, size))
                self.cut[row] = int((boxes[:, 0] == NO_BOX).sum())
                self.fields[kind][row, : len(boxes)] = boxes
            elif kind == "keypoints":
                self.fields[kind][row] = move.points(_checked_points(image, size))
            elif kind == "mask":
                self.fields[kind][row] = move.maps(value(size)[None])[0]
            else:
                self.fields[kind][row] = value

    def labels(self) -> Targets:
        """Return the targets of all images; the classes of images alone as they are."""
        alone = self.fields.keys() == {"class"}
        return self.fields["class"] if alone else together(self.fields)

    def notes(self) -> list[str]:
        """Return a note on the boxes that a crop has cut off."""
        cut = int(self.cut.sum())
        return [f"boxes that --resize crop cut off: {cut:,}"] if cut else []


def _checked_boxes(image: AnnotatedImage, size: Size) -> NDArray[np.float32]:
    boxes: NDArray[np.float32] = image.targets["boxes"]
    if image.is_relative:
        boxes = boxes * np.array([1, *size, *size], np.float32)
    if fault := box_fault(boxes, size):
        raise BadImage(f"box {fault[0][0] + 1} {fault[1]}")
    return inside(boxes, size)


def _checked_points(image: AnnotatedImage, size: Size) -> NDArray[np.float32]:
    points: NDArray[np.float32] = image.targets["keypoints"]
    if image.is_relative:
        points = points * np.array([*size, 1], np.float32)
    beyond = (points[:, :2] < -1) | (points[:, :2] > np.array(size) + 1)
    wrong = (beyond.any(axis=1) | ~np.isfinite(points).all(axis=1)) & (points[:, 2] > 0)
    if wrong.any():
        place = int(np.argmax(wrong))
        raise BadImage(f"point {place + 1} at {points[place, :2]} is out of its image")
    points = points.copy()
    points[:, :2] = points[:, :2].clip(0, size)
    return points
