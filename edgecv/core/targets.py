"""Targets of images: a plain array of one kind, or a structured array with a field a kind.

A data set says all that it knows of an image; the task takes the kind that it learns from.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import SPLITS, Dataset, Split, Targets
from edgecv.core.errors import InputError
from edgecv.core.text import listed

KINDS = {
    "class": "the class of an image: int64 (N,)",
    "classes": "several classes an image: uint8 (N, classes), 1 where the image has it",
    "numbers": "numbers of an image: float32 (N, numbers)",
    "mask": "the class of each pixel: uint8 (N, H, W)",
    "boxes": "boxes: float32 (N, most, 5), class, left, top, right, bottom in pixels",
    "keypoints": "points: float32 (N, points, 3), x and y in pixels, and 1 where it is visible",
}
"""Kinds of targets, by the name of their field."""
COLUMNS = ("numbers", "keypoints")
"""Kinds whose names are those of their columns; other names are names of classes."""
IGNORED = 255
"""Value of a pixel of a mask that no metric and no loss counts."""
NO_BOX = -1
"""Class of the rows of ``boxes`` that hold no box: the images have different numbers of them."""

CLASS_NOUNS = {"classes": "an image", "mask": "a pixel", "boxes": "an object"}
"""Kinds of targets with any number of classes an image, and what one class is of."""


def together(fields: Mapping[str, Targets]) -> Targets:
    """Return targets of several kinds as one array, a row an image, with a field a kind.

    >>> together({"class": np.array([3, 1]), "numbers": np.zeros((2, 4), np.float32)}).shape
    (2,)
    """
    counts = {len(each) for each in fields.values()}
    if len(counts) != 1:
        raise ValueError(f"targets of {sorted(counts)} images")
    kinds: Any = [(name, each.dtype, each.shape[1:]) for name, each in fields.items()]
    whole = np.empty(counts.pop(), kinds)
    for name, each in fields.items():
        whole[name] = each
    return whole


def kinds_of(labels: Targets) -> tuple[str, ...]:
    """Return the names of the kinds of targets: a plain array is the class of each image."""
    return labels.dtype.names or ("class",)


def with_targets(data: Dataset, kind: str, wanted_by: str) -> Dataset:
    """Return the data with the targets of one kind, as a plain array, and its own class names.

    Raises InputError where the data has none; ``wanted_by`` names the task.
    """
    found = kinds_of(data.test.labels)
    if kind not in found:
        raise InputError(
            data.name,
            f"has no {kind} for the task {wanted_by}: its targets are {', '.join(found)}",
            accepted=KINDS.get(kind, f'targets with the name "{kind}"'),
            remedy="give data with them, or another --task",
        )
    has_columns = kind in COLUMNS
    names = data.class_names if has_columns else data.target_names.get(kind, data.class_names)
    taken = replace(of_field(data, kind), class_names=names)
    if kind in CLASS_NOUNS and len(data.test):
        return replace(taken, notes=(*data.notes, *_check_classes(taken, kind)))
    return taken


def of_field(data: Dataset, field: str) -> Dataset:
    """Return the data with the targets of one field, as a plain array."""
    splits: dict[str, Any] = {name: _plain(data.split(name), field) for name in SPLITS}
    return replace(data, **splits)


def with_fields(data: Dataset, parts: Mapping[str, Dataset]) -> Dataset:
    """Return the data with the targets and class names of all parts, each as a field of its own.

    A part without labels has no field. A single part without a name is returned as it is.
    """
    if "" in parts:
        return parts[""]
    splits: dict[str, Any] = {}
    known = {name: part for name, part in parts.items() if part.has_labels}
    for each in SPLITS if known else ():
        fields = {name: part.split(each).labels for name, part in known.items()}
        splits[each] = replace(data.split(each), labels=together(fields))
    notes = dict.fromkeys((*data.notes, *(each for part in parts.values() for each in part.notes)))
    return replace(
        data,
        class_names=(),
        target_names={name: part.class_names for name, part in parts.items()},
        notes=tuple(notes),
        has_labels=bool(known),
        **splits,
    )


def _plain(split: Split, kind: str) -> Split:
    if split.labels.dtype.names is None:
        return split
    return replace(split, labels=np.ascontiguousarray(split.labels[kind]))


def class_of_each(labels: Targets) -> NDArray[np.int64]:
    """Return the class of each image, int64 (N,): 0 for all where they have none.

    >>> class_of_each(np.array([2, 0])).tolist()
    [2, 0]
    """
    if labels.dtype.names is None:
        return labels
    if "class" in labels.dtype.names:
        return np.ascontiguousarray(labels["class"])
    return np.zeros(len(labels), np.int64)


def occurrence(values: Targets, kind: str, classes: int) -> NDArray[np.bool_]:
    """Return for targets of one kind which classes each image has: bool (N, classes)."""
    if kind == "classes":
        return values.astype(bool)
    if kind == "boxes":
        values = values[:, :, 0]
    axes = tuple(range(1, values.ndim))
    return np.stack([(values == number).any(axis=axes) for number in range(classes)], axis=1)


def rarest_class(labels: Targets) -> NDArray[np.int64]:
    """Return the rarest of the classes that each image has, by number of images: int64 (N,).

    -1 for an image without any; 0 for all where no kind of targets has classes.
    """
    kinds = [kind for kind in CLASS_NOUNS if kind in kinds_of(labels)]
    if "class" in kinds_of(labels) or not kinds or not len(labels):
        return class_of_each(labels)
    found = occurrence(labels[kinds[0]], kinds[0], _classes(labels[kinds[0]], kinds[0]))
    if kinds[0] == "mask":
        found = found[:, 1:]  # The background is everywhere.
    if not found.shape[1]:
        return np.full(len(labels), -1)
    images = np.where(found, found.sum(axis=0), len(labels) + 1)
    return np.where(found.any(axis=1), images.argmin(axis=1), -1)


def _classes(values: Targets, kind: str) -> int:
    if kind == "classes":
        return int(values.shape[1])
    if kind == "mask":
        return int(np.where(values == IGNORED, 0, values).max()) + 1
    return int(values[:, :, 0].max(initial=0)) + 1


def _check_classes(data: Dataset, kind: str) -> list[str]:
    """Return a note on classes that no test image has, and no training image either.

    Raises InputError where a class is in the training images or in the test images alone, or no
    test image has an object.
    """
    names, of_what = data.class_names, CLASS_NOUNS[kind]
    there = _any(data.test, kind, len(names))
    if kind == "boxes":
        _check_objects(data, there)
    learnt = _any(data.train, kind, len(names))
    for wrong, split in ((learnt & ~there, "training"), (there & ~learnt, "test")):
        if len(data.train) and wrong.any():
            found = [names[place] for place in np.flatnonzero(wrong).tolist()]
            raise InputError(
                data.name,
                f"the class {listed(found, 3)} ({of_what}) is in {split} images alone",
                accepted="classes that training and test images have",
                remedy="add images with it to the other split, or leave the class out",
            )
    if kind == "mask":
        _check_objects(data, there[1:])  # The background is everywhere.
    absent = [names[place] for place in np.flatnonzero(~there).tolist()]
    return [f"of the classes of {of_what}, no test image has {listed(absent)}"] if absent else []


def _check_objects(data: Dataset, there: NDArray[np.bool_]) -> None:
    """Raise InputError if no test image has an object of any class."""
    if not there.any():
        raise InputError(
            data.name,
            "no test image has an object",
            accepted="at least one object among the test images",
            remedy="put images with objects there",
        )


def _any(split: Split, kind: str, classes: int) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.any(occurrence(split.labels, kind, classes), axis=0)
    return found
