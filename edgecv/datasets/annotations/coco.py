"""Annotations in COCO's JSON."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from edgecv.core.errors import InputError
from edgecv.core.tables import fault_of, json_value
from edgecv.core.targets import IGNORED
from edgecv.core.text import counted, printable, were
from edgecv.datasets.annotations.annotated import (
    AnnotatedImage,
    Annotations,
    ImageNames,
    Size,
    split_of,
    split_of_annotations,
)
from edgecv.datasets.annotations.polygons import Region, mask_of, masks_unread, uncompressed
from edgecv.datasets.image_tree.decoding import BadImage

MOST_VALUES = 20_000_000
BACKGROUND = "background"
KEYS = (b'"images"', b'"annotations"', b'"categories"')
Key = int | str


class _Image(BaseModel):
    id: Key
    file_name: str
    width: int | None = None
    height: int | None = None


class _Runs(BaseModel):
    counts: list[int] | str


class _Object(BaseModel):
    image_id: Key
    category_id: Key
    bbox: list[float] = Field(default=[], max_length=4)
    segmentation: list[list[float]] | _Runs = []
    iscrowd: int = 0
    keypoints: list[float] = []


class _Category(BaseModel):
    id: Key
    name: str
    keypoints: list[str] = []


class CocoFile(BaseModel):
    """The parts of a file of COCO that are read."""

    images: list[_Image]
    annotations: list[_Object]
    categories: list[_Category] = Field(min_length=1)


@dataclass(frozen=True)
class Named:
    """A file of annotations under its name in the tree."""

    name: str
    content: CocoFile


def parse_coco(content: bytes, name: str, where: str) -> Named:
    """Parse a file of COCO. Raises InputError."""
    try:
        value = json_value(content, most_values=MOST_VALUES)
        return Named(name, CocoFile.model_validate(value))
    except ValidationError as error:
        place, fault = fault_of(error)
        found = f"{printable(name)}, {printable(place)}: {fault.lower()}"
    except (ValueError, RecursionError) as error:
        found = f"{printable(name)} {error}"
    raise InputError(where, found, accepted="images, annotations and categories as COCO has them")


def annotations_of_coco(files: Sequence[Named], names: ImageNames, where: str) -> Annotations:
    """Return the images of files of the same categories, a split each. Raises InputError."""
    categories = sorted(files[0].content.categories, key=lambda each: str(each.id).zfill(20))
    numbers = {each.id: number for number, each in enumerate(categories)}
    for file in files[1:]:
        if {each.id: each.name for each in file.content.categories} != {
            each.id: each.name for each in categories
        }:
            raise InputError(
                where,
                f"{printable(file.name)} has other categories than {printable(files[0].name)}",
                accepted="the same ids and names in all files",
            )
    objects = [each for file in files for each in file.content.annotations]
    reader = _Reader(numbers, objects)
    images: list[AnnotatedImage] = []
    for file in files:
        images += reader.images(file, names, where)
    class_names = tuple(printable(each.name) for each in categories)
    target_names = {"mask": (BACKGROUND, *class_names)} if reader.has_masks else {}
    if reader.points:
        named = next((each.keypoints for each in categories if each.keypoints), [])
        is_named = len(named) == reader.points
        target_names["keypoints"] = (
            tuple(map(printable, named)) if is_named else tuple(map(str, range(reader.points)))
        )
    return Annotations(images, class_names, target_names, tuple(reader.notes))


class _Reader:
    """Objects of all files, made targets of their images."""

    def __init__(self, numbers: dict[Key, int], objects: list[_Object]) -> None:
        self.numbers = numbers
        self.notes = []
        crowds = sum(each.iscrowd != 0 for each in objects)
        if crowds:
            self.notes.append(
                f"{counted(crowds, 'region')} of crowds {were(crowds)} not read as boxes"
            )
        lacking = sum(not each.segmentation for each in objects)
        note = masks_unread(lacking, len(objects), len(numbers))
        self.has_masks = bool(objects) and lacking == 0 and not note
        self.notes += [note] if note else []
        unboxed = sum(not each.iscrowd and _edges(each) is None for each in objects)
        if unboxed:
            self.notes.append(
                f"{counted(unboxed, 'object')} without a box {were(unboxed)} not read as boxes"
            )
        self.points = self._points(objects)

    def _points(self, objects: list[_Object]) -> int:
        """Return the number of keypoints of an image; 0 where images have none, or several sets."""
        found = [each for each in objects if any(each.keypoints[2::3])]
        sizes = {len(each.keypoints) for each in found}
        if not found:
            return 0
        if len({each.image_id for each in found}) < len(found) or len(sizes) > 1:
            self.notes.append("keypoints were not read: some images have those of several objects")
            return 0
        return sizes.pop() // 3

    def images(self, file: Named, names: ImageNames, where: str) -> list[AnnotatedImage]:
        """Return the images of one file. Raises InputError for objects of no image."""
        split, folder = split_of_annotations(file.name), file.name.rpartition("/")[0]
        objects: dict[Key, list[_Object]] = defaultdict(list)
        for each in file.content.annotations:
            objects[each.image_id].append(each)
        found = []
        for image in file.content.images:
            known = names.find(image.file_name, folder, split)
            name = known or image.file_name
            size = (image.width, image.height) if image.width and image.height else None
            own = objects.pop(image.id, [])
            bad = "" if known else "there is no such file, or there are several"
            try:
                targets = {} if bad else self._targets(own)
            except BadImage as error:
                targets, bad = {}, str(error)
            found.append(AnnotatedImage(name, split or split_of(name), targets, size, bad=bad))
        if objects:
            raise InputError(
                where,
                f"{printable(file.name)} has objects of the image "
                f"{printable(str(next(iter(objects))))}, which it does not have",
                accepted="image_id as id of an image",
            )
        return found

    def _targets(self, objects: list[_Object]) -> dict[str, Any]:
        for each in objects:
            if each.category_id not in self.numbers:
                raise BadImage(f"an object has the category {each.category_id}, which is not there")
            if len(each.bbox) not in (0, 4):
                raise BadImage("a box has not four numbers")
            if len(each.keypoints) % 3:
                raise BadImage("keypoints are not x, y and visibility each")
        boxes = [
            [self.numbers[each.category_id], *edges]
            for each in objects
            if not each.iscrowd and (edges := _edges(each)) is not None
        ]
        targets: dict[str, Any] = {"boxes": np.array(boxes, np.float32).reshape(-1, 5)}
        if self.has_masks:
            regions = [self._region(each) for each in objects]

            def mask(size: Size) -> Any:
                return mask_of(regions, size)

            targets["mask"] = mask
        if self.points:
            seen = next((each for each in objects if any(each.keypoints[2::3])), None)
            values = seen.keypoints if seen else [0.0] * 3 * self.points
            points = np.array(values, np.float32).reshape(-1, 3)
            points[:, 2] = points[:, 2] > 0
            targets["keypoints"] = points
        return targets

    def _region(self, each: _Object) -> Region:
        value = IGNORED if each.iscrowd else 1 + self.numbers[each.category_id]
        if isinstance(each.segmentation, _Runs):
            counts = each.segmentation.counts
            runs = uncompressed(counts) if isinstance(counts, str) else np.array(counts, np.int64)
            return Region(value, runs=runs)
        if any(len(points) % 2 or len(points) < 6 for points in each.segmentation):
            raise BadImage("a polygon has not three corners, x and y each")
        polygons = (np.array(points, np.float64).reshape(-1, 2) for points in each.segmentation)
        return Region(value, tuple(polygons))


def _edges(each: _Object) -> list[float] | None:
    """Return left, top, right and bottom of an object, of its polygons where it has no box."""
    if len(each.bbox) == 4:
        x, y, width, height = each.bbox
        return [x, y, x + width, y + height]
    if each.bbox or isinstance(each.segmentation, _Runs):
        return None
    xs = [x for points in each.segmentation for x in points[::2]]
    ys = [y for points in each.segmentation for y in points[1::2]]
    return [min(xs), min(ys), max(xs), max(ys)] if xs and ys else None
