"""Annotations in YOLO's text files, and the data.yaml beside them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecv.core.errors import InputError
from edgecv.core.text import printable
from edgecv.datasets.annotations.annotated import Size
from edgecv.datasets.annotations.polygons import Region, mask_of
from edgecv.datasets.image_tree.decoding import BadImage

MOST_YAML_BYTES = 200_000
MOST_CLASSES = 10_000
NAMES_OF_SPLITS = {"train": "train", "val": "validation", "valid": "validation", "test": "test"}
ACCEPTED = "names: a list, or a table by number; train, val, test: folders; kpt_shape: [K, 2 or 3]"


@dataclass(frozen=True)
class YoloFacts:
    """The content of a data.yaml that is read."""

    names: tuple[str, ...] = ()
    splits: tuple[tuple[str, str], ...] = ()
    """Split and folder, or list of images, as the file has it."""
    points: int = 0
    """Keypoints of an object."""
    point_numbers: int = 3
    """Numbers of a keypoint: x and y, and perhaps whether it is visible."""


def parse_yaml(content: bytes, name: str, where: str) -> YoloFacts:
    """Parse a data.yaml. Raises InputError."""
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # aliases make gigabytes of a few lines
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("holds an alias")
            return super().compose_node(parent, index)

    try:  # A tag whose value is none of its kind, !!bool maybe, is a KeyError, or some other error.
        if len(content) > MOST_YAML_BYTES:
            raise ValueError(f"is larger than {MOST_YAML_BYTES:,} bytes")
        return _facts(yaml.load(content, Loader))
    except (yaml.YAMLError, ValueError, RecursionError, LookupError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(where, f"{printable(name)}: {reason}", accepted=ACCEPTED) from None


def _facts(value: Any) -> YoloFacts:
    if not isinstance(value, Mapping):
        raise ValueError("is no table")
    names = value.get("names", [])
    if isinstance(names, Mapping):
        if set(names) != set(range(len(names))):
            raise ValueError("names are not numbered from 0 on")
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or len(names) > MOST_CLASSES:
        raise ValueError("names are no list")
    splits = []
    for key, split in NAMES_OF_SPLITS.items():
        given = value.get(key) or []
        for path in given if isinstance(given, list) else [given]:
            splits.append((split, str(path)))
    shape = value.get("kpt_shape", [0, 3])
    is_shape = isinstance(shape, list) and len(shape) == 2 and shape[1] in (2, 3)
    if not is_shape or not isinstance(shape[0], int) or not 0 <= shape[0] <= 1000:
        raise ValueError(f"kpt_shape is {shape}")
    return YoloFacts(tuple(printable(str(name)) for name in names), tuple(splits), *shape)


@dataclass(frozen=True)
class YoloObjects:
    """The objects of one text file: fractions of the sides of the image."""

    boxes: np.ndarray[Any, np.dtype[np.float32]]
    """float32 (M, 5)."""
    regions: tuple[Region, ...]
    """Polygons of the objects that have one."""
    points: tuple[np.ndarray[Any, np.dtype[np.float32]], ...]
    """Keypoints of the objects that have some: float32 (K, 3) each."""

    def mask(self, size: Size) -> Any:
        """Return the mask of the polygons: uint8 (h, w)."""
        return mask_of(self.regions, size)


def parse_objects(content: bytes, facts: YoloFacts) -> YoloObjects:
    """Parse a text file of YOLO. Raises BadImage."""
    boxes, regions, points = [], [], []
    lines = content.decode("utf-8-sig", "replace").splitlines()
    for number, line in enumerate(lines, start=1):
        if not (parts := line.split()):
            continue
        try:
            values = [float(part) for part in parts]
        except ValueError:
            raise BadImage(f'its line {number} is "{printable(line[:40])}"') from None
        if not np.isfinite(values).all():
            raise BadImage(f"its line {number} has what is no number")
        kind, rest = values[0], values[1:]
        if kind != int(kind) or not 0 <= kind < (len(facts.names) or MOST_CLASSES):
            raise BadImage(f"its line {number} has the class {parts[0]}, which is not there")
        pose = facts.points * facts.point_numbers
        if len(rest) in (4, 5) or (pose and len(rest) == 4 + pose):
            x, y, width, height = rest[:4]
            ends = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
            if pose and len(rest) == 4 + pose:
                points.append(_points(rest[4:], facts))
        elif len(rest) >= 6 and len(rest) % 2 == 0:
            corners = np.array(rest, np.float64).reshape(-1, 2)
            ends = [*corners.min(axis=0), *corners.max(axis=0)]
            regions.append(Region(1 + int(kind), (corners,), is_relative=True))
        else:
            raise BadImage(f"its line {number} has {len(parts)} numbers")
        boxes.append([kind, *ends])
    return YoloObjects(
        np.array(boxes, np.float32).reshape(-1, 5),
        tuple(regions),
        tuple(points),
    )


def _points(values: list[float], facts: YoloFacts) -> Any:
    given = np.array(values, np.float32).reshape(facts.points, facts.point_numbers)
    points = np.ones((facts.points, 3), np.float32)
    points[:, : facts.point_numbers] = given
    is_seen = points[:, 2] > 0 if facts.point_numbers == 3 else given.any(axis=1)
    points[:, 2] = is_seen
    return points
