"""YOLO data sets."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from edgecv.core.plugins import Progress
from edgecv.core.text import counted, printable
from edgecv.datasets.annotations.annotated import AnnotatedImage, Annotations, ImageNames, split_of
from edgecv.datasets.annotations.folder_contents import FolderContents, has_class_folders
from edgecv.datasets.annotations.polygons import masks_unread
from edgecv.datasets.annotations.source import AnnotatedSource
from edgecv.datasets.annotations.yolo import YoloFacts, YoloObjects, parse_objects, parse_yaml
from edgecv.datasets.image_tree.decoding import SUFFIXES, BadImage
from edgecv.datasets.image_tree.folder_tree import Tree, read_needed

NAME_FILES = ("classes.txt", "obj.names", "labels.txt", "predefined_classes.txt")
YAML = (".yaml", ".yml")
MOST_TRIED = 20
"""Text files of which one must hold an object, for a folder to be one of YOLO."""


class Yolo(AnnotatedSource):
    """YOLO folders: images/, labels/ with a .txt an image, and perhaps a data.yaml.

    Each line is a class and a box, a polygon (then ``mask``, too), or a box and keypoints
    (``kpt_shape``; read where no image has two objects). train, val and test are those of
    data.yaml, or folders. An image without a .txt has no object, and the report counts them.
    """

    name: ClassVar[str] = "yolo"

    @classmethod
    def is_in(cls, files: FolderContents) -> bool:
        """Return True for images, and text files of objects that belong to them."""
        labels = list(_labels(files.names).values())[:MOST_TRIED]
        found = any(_begins_with_an_object(files.ends(name)) for name in labels)
        return found and not has_class_folders(files.names)

    def read(self, tree: Tree, file: str, where: str, progress: Progress) -> Annotations:
        """Read data.yaml and all text files."""
        files = tree.listing().files
        facts = _facts(tree, files, where)
        labels = _labels(files)
        pictures = [name for name in files if name.lower().endswith(SUFFIXES)]
        splits, notes = _splits(tree, pictures, facts)
        found: dict[str, YoloObjects] = {}
        bad: dict[str, str] = {}
        for name in pictures:
            try:
                content = tree.read(labels[name]) if name in labels else b""
                found[name] = parse_objects(content, facts)
            except BadImage as error:
                bad[name] = f"{labels[name]}: {error}"
        classes = facts.names or _numbered(found.values())
        boxes = sum(len(each.boxes) for each in found.values())
        lacking = boxes - sum(len(each.regions) for each in found.values())
        unread = masks_unread(lacking, boxes, len(classes))
        has_masks = boxes > 0 and lacking == 0 and not unread
        has_points = _are_all(found.values(), lambda each: len(each.points) == len(each.boxes) < 2)
        images = [
            AnnotatedImage(
                name,
                splits[name],
                {} if name in bad else _targets(found[name], has_masks, has_points, facts),
                is_relative=True,
                bad=bad.get(name, ""),
            )
            for name in pictures
        ]
        used = {*labels.values()}
        images += [
            AnnotatedImage(name, split_of(name), bad="it belongs to no image")
            for name in files
            if "labels" in name.lower().split("/")[:-1] and _is_text(name) and name not in used
        ]
        if unlabelled := len(pictures) - len(labels):
            notes.append(
                f"{counted(unlabelled, 'image')} without a text file: taken as without objects"
            )
        notes += [unread] if unread else []
        target_names = {"mask": ("background", *classes)} if has_masks else {}
        if has_points:
            target_names["keypoints"] = tuple(str(number) for number in range(facts.points))
        return Annotations(images, classes, target_names, tuple(notes))


def _labels(files: Iterable[str]) -> dict[str, str]:
    """Return the text file of each image: below labels/ in place of images/, or beside it."""
    texts = {name.lower(): name for name in files if _is_text(name)}
    found = {}
    for name in files:
        if name.lower().endswith(SUFFIXES):
            text = name.lower().rpartition(".")[0] + ".txt"
            other = re.sub(r"(^|/)images(/(?!.*/images/)|$)", r"\1labels\2", text)
            if label := texts.get(other) or texts.get(text):
                found[name] = label
    return found


def _is_text(name: str) -> bool:
    name = name.lower()
    return name.endswith(".txt") and name.rpartition("/")[2] not in NAME_FILES


def _begins_with_an_object(content: bytes) -> bool:
    """Return True if the first line of a text file is a class and four or more fractions."""
    try:
        numbers = [float(part) for part in content.split(b"\n", 1)[0].split()]
    except ValueError:
        return False
    return len(numbers) > 4 and numbers[0].is_integer()


def _facts(tree: Tree, files: Mapping[str, int], where: str) -> YoloFacts:
    """Read the .yaml of the folder, or else a file with the names of the classes."""
    tops = sorted((name for name in files if name.count("/") < 2), key=lambda name: name.count("/"))
    tables = [name for name in tops if name.lower().endswith(YAML)]
    lists = [name for name in files if name.rpartition("/")[2].lower() in NAME_FILES]
    for name in tables:
        content = read_needed(tree, name, where)
        if b"names" in content:
            return parse_yaml(content, name, where)
    for name in lists:
        lines = read_needed(tree, name, where).decode("utf-8-sig", "replace").splitlines()
        return YoloFacts(tuple(printable(line.strip()) for line in lines if line.strip()))
    return YoloFacts()


def _splits(tree: Tree, pictures: list[str], facts: YoloFacts) -> tuple[dict[str, str], list[str]]:
    """Return the split of each image, by data.yaml or else by its folders, and notes."""
    found: dict[str, str] = {}
    notes = []
    for split, path in facts.splits:
        named = _named_images(tree, pictures, path)
        if not named:
            notes.append(f"there are no images of {split}: {printable(path)}, as its .yaml has it")
        elif any(found.get(name, split) != split for name in named):
            notes.append(f"the .yaml names images of another split for {split} again: not taken")
        for name in named:
            found.setdefault(name, split)
    return {name: found.get(name, split_of(name)) for name in pictures}, notes


def _named_images(tree: Tree, pictures: list[str], path: str) -> list[str]:
    """Return the images below a folder, or in a list of images, of a path on any computer."""
    parts = [part for part in re.split(r"[/\\]", path.lower()) if part not in ("", ".", "..")]
    for first in range(len(parts)):
        tail = "/".join(parts[first:])
        if first and tail == "images":  # The folder above it tells of which split it is.
            break
        if tail.endswith(".txt"):
            lists = [
                name for name in tree.listing().files if f"/{name.lower()}".endswith(f"/{tail}")
            ]
            if lists:
                names = ImageNames(pictures)
                lines = tree.read(lists[0]).decode("utf-8-sig", "replace").splitlines()
                return [name for line in lines if (name := names.find(line))]
        named = [name for name in pictures if f"/{tail}/" in f"/{name.lower().rpartition('/')[0]}/"]
        if named:
            return named
    return []


def _are_all(found: Iterable[YoloObjects], holds: Any) -> bool:
    """Return True if something holds for each file with objects, and there is one."""
    filled = [each for each in found if len(each.boxes)]
    return bool(filled) and all(holds(each) for each in filled)


def _targets(
    objects: YoloObjects, has_masks: bool, has_points: bool, facts: YoloFacts
) -> dict[str, Any]:
    targets: dict[str, Any] = {"boxes": objects.boxes}
    if has_masks:
        targets["mask"] = objects.mask
    if has_points:
        none = np.zeros((facts.points, 3), np.float32)
        targets["keypoints"] = objects.points[0] if len(objects.points) else none
    return targets


def _numbered(found: Iterable[YoloObjects]) -> tuple[str, ...]:
    most = max((int(each.boxes[:, 0].max(initial=-1)) for each in found), default=-1)
    return tuple(str(number) for number in range(most + 1))
